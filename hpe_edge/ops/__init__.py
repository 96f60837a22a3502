"""Checked front of the native operations: crop, warp, decode, on frames in host or device memory."""

__all__ = ["arguments", "crop", "gpu_frames", "native", "request"]
