"""Small helpers without a subject of their own: atomic files, console, cache folder, signals."""

__all__ = ["atomic", "cache_folder", "console", "shell", "signals"]
