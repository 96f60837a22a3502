"""TensorRT backend, imported on demand."""

__all__ = ["buckets", "load_tensorrt", "plan_file", "runner"]
