"""Faces in a frame: detectors, boxes, tracking, smoothing."""

__all__ = ["boxes_csv", "detector", "haar", "open_detector", "scrfd", "smoother", "tracker", "yunet"]
