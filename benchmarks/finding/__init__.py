"""Measurements of face detectors: faces found and missed, boxes, false boxes, times, the pose by its features."""

__all__ = ["detectors", "labelled_faces", "one_pass", "pose_on_features"]
