"""Captures of videos and streams: decoded frames, their times, and how far a live one lags."""

__all__ = ["camera_mode", "joined", "lag", "mjpeg", "pipe", "rate", "recording", "shape", "timeline"]
