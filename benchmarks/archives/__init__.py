"""Suites over archives of many videos."""

__all__ = ["ray_node", "ray_workers"]
