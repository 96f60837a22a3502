"""ONNX Runtime backend, imported on demand."""

__all__ = ["check_graph", "dynamic_size", "open_session", "session", "sound_file"]
