"""Upright crops: the in-plane roll of a face, and the turn of its crop that makes it stand upright."""

__all__ = ["keypoint_roll", "search", "turned_boxes"]
