"""ROS 2 records: their cost beside the engine's."""

__all__ = ["suite"]
