"""Suites over archives of many videos."""

__all__ = ["ray_workers"]
