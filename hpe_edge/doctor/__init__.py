"""Checks of the installation: the machine's hardware and packages, the features that work, and what to install.

``machine`` gives access to a machine, each ``probe_*`` function returns a ``Finding``, ``abilities`` derives the
features from them and ``report`` prints both. Checks that may crash, CUDA above all, run in a subprocess: ``trials``.
"""

__all__ = ["host", "machine", "nvidia", "report"]
