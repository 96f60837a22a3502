"""Calibration of sigma: factors from errors on labelled faces, or from the poses of a calibrated model."""

__all__ = ["against_model", "labelled_faces", "sigma_factors"]
