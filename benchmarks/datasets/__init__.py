"""Labelled faces as their sets are published: one file for each layout, all giving the same records."""
