"""RoIAlign and non-maximum suppression beside those of others."""

__all__ = ["region_ops"]
