"""Small helpers without a subject of their own: atomic files, console, cache folder, signals."""
