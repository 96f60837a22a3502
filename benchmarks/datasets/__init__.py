"""Labelled faces as their sets are published: one file for each layout, all giving the same records."""

__all__ = ["aflw2000", "biwi", "face", "labels_csv", "pointing04", "w300_lp"]
