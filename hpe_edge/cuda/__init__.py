"""CUDA devices, memory, transfers and graphs, through cuda-bindings; versions of NVIDIA's software."""

__all__ = ["device", "memory", "version_table"]
