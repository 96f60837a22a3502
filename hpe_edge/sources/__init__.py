"""Sources of frames: images, folders, video files, cameras, streams and standard input."""

__all__ = ["capture", "deep_levels", "frame", "images", "looped", "open_source", "raw_stdin", "read_picture"]
