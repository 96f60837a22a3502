"""Adoption of networks that were exported elsewhere."""

__all__ = ["adopt", "spec_file", "template", "wanted"]
