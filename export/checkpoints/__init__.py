"""Reading trained weights safely and recognising their architecture."""

__all__ = ["load", "network"]
