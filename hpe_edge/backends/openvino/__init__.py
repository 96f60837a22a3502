"""OpenVINO backend, imported on demand."""

__all__ = ["compiled_model", "load_openvino"]
