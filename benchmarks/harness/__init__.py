"""Timing, statistics, machine state and the JSON schema of a run."""

__all__ = ["intervals", "load", "schema", "suite", "timing"]
