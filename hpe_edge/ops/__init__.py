"""Checked Python interface of the native operations: crop, warp and decode, on frames in host or device memory."""

__all__ = ["crop", "decode", "frames", "gpu_frames", "native", "request", "stretch"]
