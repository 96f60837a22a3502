"""Several cameras on one engine: dynamic batching with fair scheduling."""

__all__ = ["batcher", "camera_stream"]
