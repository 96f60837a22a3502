"""The CUDA driver through cuda-bindings: devices, buffers, launches, transfers."""
