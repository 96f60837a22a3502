"""The CUDA kernels as compiled: instructions of every architecture, and a model of the time that they take."""

__all__ = ["page_blocks"]
