"""Files for the libraries of phones, boards and other edge devices: targets, conversion, sidecar."""

__all__ = ["edge_info", "make_edge", "targets"]
