"""Naming of files that are not what they were given as."""

__all__ = ["graph_kind", "other_file"]
