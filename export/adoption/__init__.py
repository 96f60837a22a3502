"""Adoption of networks that were exported elsewhere."""

__all__ = ["adopt", "from_tflite", "openvino_ir", "recognise", "spec_file", "template", "wanted"]
