"""TensorRT backend, imported on demand."""

__all__ = ["buckets", "engine_cache", "load_tensorrt", "plan", "plan_file", "runner"]
