"""OpenCV, which reads, draws and writes pictures and videos, and is not needed for frames that are arrays."""

__all__ = ["lazy", "opencv_storage"]
