"""Reading trained weights safely and recognising their architecture."""
