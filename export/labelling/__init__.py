"""Labels for the training of the face detector, from an ensemble of detectors."""

__all__ = ["centerface", "found", "fuse", "hull", "teachers"]
