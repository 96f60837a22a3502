"""Timing, statistics, machine state and the JSON schema of a run."""
