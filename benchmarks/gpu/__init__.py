"""Measurements on a GPU: launches beside other libraries, and whole passes beside torch's pipelines."""

__all__ = ["cuda_launches", "frame_to_angles"]
