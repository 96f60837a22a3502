"""Labels for the training of the face detector, from an ensemble of detectors."""

__all__ = ["found", "fuse", "hull", "teachers"]
