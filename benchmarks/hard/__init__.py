"""Hard faces, disturbed and rare ones, on which reduced precision shows its tail."""

__all__ = ["consistency", "tails", "turned"]
