"""Measurements of face detectors: faces found and missed, boxes, false boxes, times."""

__all__ = ["detectors"]
