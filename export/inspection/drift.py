"""Drift of a network's layers from those of a reference, along the graph.

The drift of a layer is the root mean square of the differences of its output, as a fraction of the root mean square of
the reference's: 0 is equality, 1 an output that has nothing in common with it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

_WORST = 10  # rows of the table
_STEPS = 8  # points of the growth along the network
_WIDEST = 60  # names can fill a line


@dataclass(frozen=True)
class Drift:
    """Drift of one layer.

    Attributes:
        layer, kind: the node's name and operator; the name of its output for a node without one.
        drift: of its output, see the module; infinite where the output is not finite and the reference's is. Values
            that are not finite in the reference do not count.
        before: the largest drift of the layers that it reads; 0 if it reads the input alone.
        largest: the largest difference.
        rms: root mean square of the reference's output.
    """

    layer: str
    kind: str
    drift: float
    before: float
    largest: float
    rms: float


def layer_drifts(
    model: ModelProto, reference: Mapping[str, NDArray[Any]], candidate: Mapping[str, NDArray[Any]]
) -> list[Drift]:
    """Compare the tensors that both have, in the order of the graph's nodes.

    Args:
        model: the reference's graph.
        reference, candidate: tensor -> values, of the same faces.
    """
    found = []
    behind: dict[str, float] = {}  # tensor -> its drift, or that of the layers that it comes from
    for node in model.graph.node:
        before = max((behind.get(name, 0.0) for name in node.input), default=0.0)
        behind.update(dict.fromkeys(node.output, before))
        name = node.output[0]
        if name in reference and name in candidate:
            drift, largest, rms = _compared(reference[name], candidate[name])
            found.append(Drift(node.name or name, node.op_type, drift, before, largest, rms))
            behind[name] = drift
    return found


def first_beyond(drifts: Sequence[Drift], tolerance: float) -> Drift | None:
    """The first layer that drifts beyond the tolerance, in the order of the graph."""
    return next((each for each in drifts if each.drift > tolerance), None)


def drift_table(drifts: Sequence[Drift], tolerance: float) -> list[str]:
    """The first layer beyond the tolerance, the growth along the network, the layers that add most, as lines."""
    first = first_beyond(drifts, tolerance)
    if first is None:
        lines = [f"none of {len(drifts)} layers drifts beyond {tolerance:g}"]
    else:
        at = drifts.index(first)
        lines = [
            f"first of {len(drifts)} layers beyond {tolerance:g}: number {at + 1}, {first.layer} ({first.kind}), drift "
            f"{first.drift:.2g}, that of its inputs {first.before:.2g}"
        ]
    points = np.unique(np.linspace(0, len(drifts) - 1, _STEPS).round().astype(int))
    lines.append(f"growth: {', '.join(f'{drifts[i].drift:.2g} (layer {i + 1})' for i in points)}")
    worst = sorted(drifts, key=lambda each: -_added(each))[:_WORST]
    lines.append(f"{'layer':>5}  {'drift':>8}  {'of inputs':>9}  {'largest':>8}  {'rms':>8}  the layers that add most")
    for each in worst:
        name = each.layer if len(each.layer) <= _WIDEST else f"...{each.layer[3 - _WIDEST :]}"
        lines.append(
            f"{drifts.index(each) + 1:5}  {each.drift:8.2g}  {each.before:9.2g}  {each.largest:8.2g}  {each.rms:8.2g}  "
            f"{name} ({each.kind})"
        )
    return lines


def _added(each: Drift) -> float:
    if math.isinf(each.before):
        return 0.0
    return each.drift - each.before


def _compared(reference: NDArray[Any], candidate: NDArray[Any]) -> tuple[float, float, float]:
    """Drift, largest difference and the reference's root mean square, over the reference's finite values."""
    finite = np.isfinite(reference)
    exact, other = reference[finite].astype(np.float64), candidate[finite].astype(np.float64)
    if not len(exact):
        return 0.0, 0.0, 0.0
    rms = float(np.sqrt(np.mean(exact**2)))
    if not np.isfinite(other).all():
        return math.inf, math.inf, rms
    difference = np.abs(exact - other)
    apart = float(np.sqrt(np.mean(difference**2)))
    drift = 0.0 if apart == 0 else math.inf if rms == 0 else apart / rms
    return drift, float(difference.max()), rms
