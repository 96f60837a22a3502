"""libhpe_edge, the C interface, called through ctypes: beside the Python operations, and for its tests."""

__all__ = ["library", "suite"]
