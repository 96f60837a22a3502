"""Time and size of installed wheels."""

__all__ = ["suite"]
