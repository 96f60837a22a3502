"""Helpers of all rooms: atomic files, console, command shell, signals, cache folder."""

__all__ = ["atomic", "cache_folder", "console", "shell", "signals"]
