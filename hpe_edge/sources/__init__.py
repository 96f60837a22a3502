"""Frames from images, folders, video files, cameras, streams and standard input."""
