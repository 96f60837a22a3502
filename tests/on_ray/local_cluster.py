"""A Ray cluster of one node on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

CPUS = 3  # two for workers, one for reading and writing

_SETTINGS = {
    "RAY_AUTH_MODE": "disabled",  # else a token is written into the home folder
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_register_timeout_seconds": "180",
    "RAY_worker_niceness": "0",  # the default of 15 starves workers on a busy machine
}
_TRIES = 3


@contextmanager
def local_cluster() -> Iterator[None]:
    """Start a node of its own, and stop it at the end."""
    os.environ.update(_SETTINGS)
    import ray

    for left in reversed(range(_TRIES)):
        try:
            ray.init(
                address="local",
                num_cpus=CPUS,
                object_store_memory=80 * 2**20,
                include_dashboard=False,
                log_to_driver=False,
            )
            break
        except Exception:
            # Where its agents take more than 15 s to start, as on a busy machine, a node ends:
            # https://github.com/ray-project/ray/issues/65983
            ray.shutdown()
            if not left:
                raise
    try:
        yield
    finally:
        ray.shutdown()
