"""Attention: poses relative to a neutral pose, zones of yaw and pitch, and events of leaving them."""

__all__ = ["attention", "learner", "meter", "mount", "neutral", "zone"]
