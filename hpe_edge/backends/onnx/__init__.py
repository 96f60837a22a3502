"""ONNX Runtime backend, imported only when asked for."""

__all__ = ["check_graph", "dynamic_size", "open_session", "session"]
