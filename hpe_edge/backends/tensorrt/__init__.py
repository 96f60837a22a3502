"""TensorRT backend, imported on demand."""

__all__ = ["buckets", "gate_file", "load_tensorrt", "plan", "plan_file", "runner"]
