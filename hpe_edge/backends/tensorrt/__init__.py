"""TensorRT backend, imported on demand."""

__all__ = ["buckets", "load_tensorrt", "plan", "plan_file", "runner"]
