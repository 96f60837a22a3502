"""Native backend: networks in hpe_edge's own code, with no library; imported on demand."""

__all__ = ["native_backend", "native_file", "native_session", "self_check"]
