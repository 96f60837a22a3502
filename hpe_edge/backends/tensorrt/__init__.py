"""TensorRT backend, imported on demand."""

__all__ = ["load_tensorrt", "plan_file", "runner"]
