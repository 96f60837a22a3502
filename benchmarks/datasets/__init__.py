"""Labelled faces as their sets are published, all read as the same records, and figures that others have published."""

__all__ = ["face", "head_sets", "labels_csv", "mat_sets", "published"]
