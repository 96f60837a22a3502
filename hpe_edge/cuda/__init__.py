"""The CUDA driver through cuda-bindings: devices, buffers, launches, transfers."""

__all__ = ["device", "memory"]
