"""Inspection of TensorRT engines on this machine: latency, and their layers compared with ONNX Runtime's."""

__all__ = ["engine_layers", "latency"]
