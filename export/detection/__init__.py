"""Training of the embedded face detector."""

__all__ = ["exporting", "pictures", "train_detector"]
