"""Convert an ONNX model for the native executor: ``python -m export.native MODEL.onnx -o MODEL.hpe``."""
