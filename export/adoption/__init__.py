"""Adoption of networks that were exported elsewhere."""

__all__ = ["adopt", "openvino_ir", "spec_file", "template", "wanted"]
