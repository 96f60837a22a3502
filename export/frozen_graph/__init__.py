"""Frozen TensorFlow graphs, read without TensorFlow and converted to ONNX."""

__all__ = ["frozen_network"]
