"""Helpers of all rooms: files, locks, console, cores, child processes, shell, signals, cache folder, export package."""

__all__ = [
    "atomic",
    "cache_folder",
    "child_process",
    "console",
    "cores",
    "export_package",
    "file_lock",
    "forks",
    "shell",
    "signals",
]
