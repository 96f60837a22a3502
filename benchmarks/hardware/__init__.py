"""Rooflines of this machine."""

__all__ = ["roofline"]
