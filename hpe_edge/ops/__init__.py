"""Checked front of the native operations: crop, warp, decode, on frames in host or device memory."""
