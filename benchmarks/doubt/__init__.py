"""Measurements of sigma: the share of errors within it, and what a limit on it drops."""

__all__ = ["coverage", "false_boxes"]
