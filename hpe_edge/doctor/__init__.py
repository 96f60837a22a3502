"""Checks of the installation: what this machine has, what hpe_edge can do with it, what to install for the rest.

``machine`` gives access to a machine, the ``probe_*`` functions return a ``Finding`` each, ``abilities`` draws the
conclusions and ``report`` joins both. What can crash a process, CUDA above all, runs in another one: ``trials``.
"""

__all__ = ["host", "machine", "nvidia", "report"]
