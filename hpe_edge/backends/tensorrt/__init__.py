"""TensorRT backend, imported only when asked for."""
