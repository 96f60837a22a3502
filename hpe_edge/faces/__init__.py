"""Face detection, boxes, tracking and smoothing."""

__all__ = [
    "detector",
    "face_finder",
    "given_faces",
    "haar",
    "open_detector",
    "smoother",
    "tracker",
]
