"""`hpe-edge bench MODEL`: a short stage-by-stage benchmark that every installation has."""

__all__ = ["environment", "machine_state", "measure", "power"]
