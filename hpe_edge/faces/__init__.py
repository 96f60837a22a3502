"""Face detection, boxes, tracking and smoothing."""

__all__ = ["boxes_csv", "detector", "haar", "open_detector", "scrfd", "smoother", "tracker", "yunet"]
