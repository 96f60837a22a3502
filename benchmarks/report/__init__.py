"""Tables, charts, comparison and pages from JSON runs."""

__all__ = ["compare", "outputs", "screen"]
