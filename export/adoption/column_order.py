"""The order of yaw, pitch and roll in a foreign file's outputs, by comparison with its checkpoint."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from export.gate.gate import Runner
from export.sanity.following import poses_of_views
from export.sanity.readings import reordered
from hpe_edge.geometry import geodesic_deg
from hpe_edge.spec import Decode, ModelSpec

_SAME_DEG = 0.5  # worst difference of one network in two runtimes, in FP16 too


def order_by(
    reference: ModelSpec, reference_run: Runner, spec: ModelSpec, run: Runner, batch: int
) -> Callable[[Decode], Decode] | None:
    """Find the order of the heads that gives the reference's poses.

    Returns:
        The change of a decode; None where the order is right as it is, or no order gives them.
    """
    wanted = poses_of_views(reference, reference_run, 1)
    orders = [order for order, _ in reordered(spec.decode)]
    for order in orders:
        decode = dict(reordered(spec.decode))[order]
        found = poses_of_views(replace(spec, decode=decode), run, batch)
        worst = geodesic_deg(wanted.rotation.astype(np.float64), found.rotation.astype(np.float64)).max()
        if worst <= _SAME_DEG:
            return None if order == tuple(range(3)) else functools.partial(_reorder, order)
    return None


def _reorder(order: tuple[int, ...], decode: Decode) -> Decode:
    return dict(reordered(decode))[order]
