"""CUDA devices, memory, transfers and graphs, through cuda-bindings."""

__all__ = ["device", "memory"]
