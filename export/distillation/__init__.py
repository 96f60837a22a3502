"""The work of ``python -m export.distill``, one step in each module."""

__all__ = ["train_student"]
