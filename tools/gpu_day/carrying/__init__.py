"""The carried folder: the commit, headers, and libraries made small enough."""

__all__ = ["pack", "provenance"]
