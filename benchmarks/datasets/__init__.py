"""Readers of published sets of labelled faces, and published figures."""

__all__ = ["face", "head_sets", "labels_csv", "mat_sets", "published"]
