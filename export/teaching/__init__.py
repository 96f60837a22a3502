"""Faces, the teachers' looks at them, and the teachers' consensus."""

__all__ = ["arrays", "cache", "consensus", "material", "patches", "patches_file", "teachers"]
