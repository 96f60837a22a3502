"""Native code beside the runtime libraries."""

__all__ = ["suite"]
