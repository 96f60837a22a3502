"""Peaks, rooflines and GPU clocks."""

__all__ = ["gpu", "gpu_crops", "graph_cost", "peaks", "roofline"]
