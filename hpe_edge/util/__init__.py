"""Helpers of all rooms: atomic files, locks, console, command shell, signals, forks, cache folder, the export
package."""

__all__ = ["atomic", "cache_folder", "console", "export_package", "file_lock", "forks", "shell", "signals"]
