"""TensorRT backend, imported only when asked for."""

__all__ = ["load_tensorrt", "plan_file", "runner"]
