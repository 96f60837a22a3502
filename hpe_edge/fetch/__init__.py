"""Files from their publishers, fetched once into the user's cache and verified by SHA-256."""

__all__ = ["detector_files", "download"]
