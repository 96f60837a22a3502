"""TensorRT engines: graph preparation, build settings, the build, verification."""

__all__ = ["build", "make_engine", "make_rtx", "prepare_graph", "rtx_layers", "settings"]
