"""Tables, charts, comparison and reports of runs."""

__all__ = ["charts", "compare", "markdown", "tables"]
