"""Whole-picture models: one engine from a picture to boxes, rotations and translations, without a detector."""

__all__ = ["picture_engine", "picture_faces", "picture_spec", "place_faces", "proposals", "split_file", "two_networks"]
