"""The work of each export command, without its command line."""

__all__ = ["reduced", "to_int8", "to_onnx", "verify"]
