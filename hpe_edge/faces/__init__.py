"""Face detection, boxes, tracking and smoothing."""

__all__ = [
    "detector",
    "face_finder",
    "given_faces",
    "open_detector",
    "scene_cut",
    "smoother",
    "tracker",
]
