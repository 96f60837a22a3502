"""The work of ``python -m export.distill``, one step in each module."""
