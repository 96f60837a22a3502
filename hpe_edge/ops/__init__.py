"""Checked front of the native operations: crop, warp, decode, on frames in host or device memory."""

__all__ = ["arguments", "gpu_frames", "native", "ops", "request"]
