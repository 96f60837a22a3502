"""Native backend: networks in hpe_edge's own code, with no library; imported on demand."""

__all__ = ["native_backend", "self_check"]
