"""Training of the embedded face detector."""

__all__ = ["decoding", "exporting", "network", "pictures", "profiles", "train_detector"]
