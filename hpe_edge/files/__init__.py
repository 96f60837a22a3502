"""Naming of files that are not what they were given as."""

__all__ = ["file_type", "graph_kind", "other_file"]
