"""Timing, statistics, machine state and the JSON schema of a run."""

__all__ = [
    "at_once",
    "environment",
    "intervals",
    "machine_state",
    "memory",
    "running",
    "schema",
    "stages",
    "steady",
    "suite",
    "timing",
]
