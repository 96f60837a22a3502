"""Faces in a frame: detectors, boxes, tracking, smoothing."""

__all__ = ["boxes_csv", "haar", "scrfd", "smoother", "tracker", "yunet"]
