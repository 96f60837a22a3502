"""TensorRT backend, imported on demand."""

__all__ = ["buckets", "engine_cache", "gate_file", "load_tensorrt", "plan", "plan_file", "runner"]
