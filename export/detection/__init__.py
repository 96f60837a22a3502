"""Training of the embedded face detector."""

__all__ = ["pictures", "profiles", "train_detector"]
