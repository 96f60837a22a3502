"""Sensitivity of the angles to INT8 in each layer, and the layers to keep in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto
from tqdm import tqdm

from export.graph.weighted_layers import Layer
from export.quantize.insert_qdq import quantize
from hpe_edge.geometry import geodesic_deg
from hpe_edge.poses import Poses


@dataclass(frozen=True)
class Cost:
    """Change of the angles with a single layer in INT8, in degrees."""

    layer: str
    mean_deg: float
    worst_deg: float


def costs(
    model: ModelProto,
    layers: Sequence[Layer],
    ranges: Mapping[str, float],
    reference: Poses,
    poses: Callable[[ModelProto], Poses],
) -> list[Cost]:
    """Quantize one layer at a time, and sort by sensitivity, the most sensitive first.

    Args:
        model, layers, ranges: see :func:`export.quantize.insert_qdq.quantize`.
        reference: poses of some faces by the model.
        poses: computes poses of the same faces by another graph.
    """
    found = []
    for layer in tqdm(layers, "layers", unit="layer", leave=False, disable=None):
        moved = geodesic_deg(reference.rotation, poses(quantize(model, [layer], ranges)).rotation)
        found.append(Cost(layer.name, _finite(float(np.mean(moved))), _finite(float(np.max(moved)))))
    return sorted(found, key=lambda cost: (-cost.mean_deg, cost.layer))


def table(found: Sequence[Cost], kept: Sequence[str]) -> list[str]:
    """The costs as lines of a table; kept layers are marked."""
    width = max(len(cost.layer) for cost in found)
    lines = [f"{'alone in INT8, degrees':{width}} {'mean':>8} {'worst':>8}"]
    return lines + [
        f"{cost.layer:{width}} {cost.mean_deg:>8.3f} {cost.worst_deg:>8.3f}{'  kept in float32' * (cost.layer in kept)}"
        for cost in found
    ]


def fewest_kept(found: Sequence[Cost], passes: Callable[[Sequence[str]], bool]) -> list[str] | None:
    """The fewest most sensitive layers to keep in float32 for the gate to pass; None where it never does.

    Args:
        found: the most sensitive first.
        passes: runs the gate with these layers in float32.
    """
    names = [cost.layer for cost in found]
    most = len(names) - 1
    # Double the number until the gate passes, then bisect.
    trials = [0, *(2**n for n in range(most.bit_length()) if 2**n < most), *([most] if most else [])]
    enough = next((count for count in trials if passes(names[:count])), None)
    if enough is None:
        return None
    too_few = max((count for count in trials if count < enough), default=enough - 1)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if passes(names[:middle]):
            enough = middle
        else:
            too_few = middle
    return names[:enough]


def _finite(value: float) -> float:
    """Replace NaN by the largest cost."""
    return value if np.isfinite(value) else 180.0
