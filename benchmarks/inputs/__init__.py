"""Frames, faces and models that suites run on."""

__all__ = ["face_scene", "forms", "found_faces", "models", "scene", "tiny", "untrained", "ways", "windows"]
