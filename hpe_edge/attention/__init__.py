"""Poses relative to a neutral pose, zones and events."""

__all__ = ["attention"]
