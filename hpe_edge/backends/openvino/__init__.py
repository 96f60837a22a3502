"""OpenVINO backend, imported only when asked for."""

__all__ = ["compiled_model", "load_openvino"]
