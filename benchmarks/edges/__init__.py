"""Models converted for the libraries of phones and boards."""

__all__ = ["suite"]
