"""Training of the embedded face detector."""

__all__ = ["exporting", "pictures", "teachers", "train_detector"]
