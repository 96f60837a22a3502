"""Many cameras at one engine: dynamic batches with fair scheduling."""

__all__ = ["batcher", "camera_stream"]
