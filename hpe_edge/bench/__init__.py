"""Stage-by-stage benchmark of ``hpe-edge bench MODEL``, part of every installation."""

__all__ = ["environment", "machine_state", "measure", "power"]
