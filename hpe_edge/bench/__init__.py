"""`hpe-edge bench MODEL`: a short stage-by-stage benchmark that every installation has."""

__all__ = ["measure", "power"]
