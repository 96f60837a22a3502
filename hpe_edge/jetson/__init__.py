"""Frames of a Jetson's own libraries, read by the GPU where they lie: jetson-utils' images and NVMM surfaces."""

__all__ = ["cuda_image", "nvmm"]
