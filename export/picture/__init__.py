"""Whole-picture models: the networks in torch, their checkpoints, and the export with its gate."""

__all__ = ["exporting"]
