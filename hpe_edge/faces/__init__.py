"""Faces in a frame: detectors, boxes, tracking, smoothing."""
