"""The accuracy gate: the same face crops through two models, compared in degrees."""

__all__ = ["comparison", "crops", "gate", "hard_faces", "verify", "worst_picture"]
