"""Model servers: the real Triton server of the package nvidia-pytriton, and its overhead."""

__all__ = ["triton", "triton_server", "viewers"]
