"""Outputs of a run: records, annotated images and videos, window, table, OpenTrack, trace."""

__all__ = [
    "annotated_images",
    "annotated_video",
    "events",
    "head_position",
    "opentrack",
    "read_records",
    "records",
    "sink",
    "trace",
    "window",
]
