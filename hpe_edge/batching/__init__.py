"""Many cameras at one engine: dynamic batches with fair scheduling."""
