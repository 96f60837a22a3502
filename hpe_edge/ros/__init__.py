"""Poses as ROS 2 messages, and records of them in MCAP files, without ROS."""

__all__ = ["mcap_file", "ros_definitions", "ros_messages"]
