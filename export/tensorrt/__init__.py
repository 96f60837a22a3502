"""The parts of ``python -m export.trt``: from an ONNX graph to a plan that TensorRT runs."""

__all__ = ["make_engine", "settings"]
