"""The live page: the annotated stream, a 3D head and the angles over time in a browser."""

__all__ = ["server"]
