"""What this machine has, what hpe_edge can therefore do, and what to install for the rest.

``machine`` asks, the ``probe_*`` functions look at one thing each and answer with a ``Finding``, ``abilities`` draws
the conclusions and ``report`` says them. What can crash a process, CUDA above all, is tried in another one: ``trials``.
"""

__all__ = ["finding", "gpu", "jetson", "machine", "nvidia", "report"]
