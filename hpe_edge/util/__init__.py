"""Helpers of all rooms: files, locks, console, progress, cores, processes, shell, signals, cache, export package."""

__all__ = [
    "atomic",
    "cache_folder",
    "child_process",
    "console",
    "cores",
    "export_package",
    "file_lock",
    "forks",
    "progress",
    "shell",
    "signals",
]
