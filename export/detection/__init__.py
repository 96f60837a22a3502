"""Training of the embedded face detector."""

__all__ = ["exporting", "pictures", "profiles", "train_detector"]
