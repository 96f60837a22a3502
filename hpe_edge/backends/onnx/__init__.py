"""ONNX Runtime backend, imported only when asked for."""
