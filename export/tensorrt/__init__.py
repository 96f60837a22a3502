"""TensorRT engines: graph preparation, build settings, the build, verification."""

__all__ = ["make_engine", "settings"]
