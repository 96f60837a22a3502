"""CUDA devices, memory, transfers and graphs, through cuda-bindings; NVTX ranges; versions of NVIDIA's software."""

__all__ = ["device", "memory", "nvtx_ranges", "version_table"]
