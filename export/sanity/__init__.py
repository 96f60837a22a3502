"""The sanity check: a model's answers on photos that are mirrored, turned in the picture and turned in depth."""

__all__ = ["check", "following", "readings", "suspect"]
