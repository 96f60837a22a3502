"""Faces turned in depth by a mean head of landmarks."""

__all__ = ["head_shape", "turned_faces"]
