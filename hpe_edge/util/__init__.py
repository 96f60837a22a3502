"""Helpers of all rooms: files, locks, console, cores, command shell, signals, cache folder, the export package."""

__all__ = ["atomic", "cache_folder", "console", "cores", "export_package", "file_lock", "shell", "signals"]
