"""Model repositories of Triton: configurations by their protobuf schema, and the files."""

__all__ = ["model_config", "repository"]
