"""ONNX Runtime backend, imported on demand."""

__all__ = ["check_graph", "dynamic_size", "ir_version", "open_session", "session", "sound_file", "wire"]
