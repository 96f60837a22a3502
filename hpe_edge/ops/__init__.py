"""Checked Python interface of the native operations: crop, warp, decode and regions."""

__all__ = ["crop", "decode", "frames", "gpu_frames", "native", "regions", "request", "stretch", "turns"]
