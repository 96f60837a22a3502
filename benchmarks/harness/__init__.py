"""Timing, statistics, machine state and the JSON schema of a run."""

__all__ = ["child_process", "intervals", "load", "process_session", "schema", "suite", "timing"]
