"""Frames, faces and models that suites run on."""
