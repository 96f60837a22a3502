"""Landmarks beside the pose: the heads that give them, and their decode."""

__all__ = ["decode_landmarks", "heatmap_peaks"]
