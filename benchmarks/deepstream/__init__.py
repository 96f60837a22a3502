"""DeepStream's preprocessing, emulated, and how its angles differ from PoseEngine's."""

__all__ = ["emulated_nvinfer", "suite"]
