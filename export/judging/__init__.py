"""Judging students without labels: agreement with the teachers on held-out faces, and consistency."""

__all__ = ["judgement", "measures"]
