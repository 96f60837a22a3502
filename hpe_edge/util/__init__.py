"""Helpers of all rooms: atomic files, locks, console, command shell, signals, cache folder, the export package."""

__all__ = [
    "atomic",
    "cache_folder",
    "child_process",
    "console",
    "export_package",
    "file_lock",
    "opencv_storage",
    "shell",
    "signals",
]
