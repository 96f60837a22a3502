"""Poses in a browser: the JavaScript library in Node and Chromium, beside PoseEngine, and the server of its tests."""

__all__ = ["page_server", "suite"]
