"""Sensitivity of the angles to INT8 in each layer, and the layers to keep in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from onnx import ModelProto
from tqdm import tqdm

from export.graph.weighted_layers import Layer
from hpe_edge.geometry import geodesic_deg
from hpe_edge.poses import Poses

_TAIL = 0.1  # share of the faces
_SHARE_OF_ANY = 0.02  # added to a layer's share of the multiplications: a change of precision takes time as well


@dataclass(frozen=True)
class Cost:
    """Change of the angles with a single layer in INT8.

    Attributes:
        layer: its name.
        mean_deg, tail_deg, worst_deg: geodesic distances in degrees; the tail is the mean of the tenth that moves most.
        share: of the network's multiplications, 0 to 1.
    """

    layer: str
    mean_deg: float
    tail_deg: float
    worst_deg: float
    share: float

    @property
    def gain(self) -> float:
        """Noise that the layer in float32 removes, for the time that it takes; noises of layers add as squares."""
        return self.tail_deg**2 / (self.share + _SHARE_OF_ANY)


def costs(
    quantized: Callable[[Layer], ModelProto],
    layers: Sequence[Layer],
    reference: Poses,
    poses: Callable[[ModelProto], Poses],
    shares: Mapping[str, float],
) -> list[Cost]:
    """Quantize one layer at a time, and sort by what it gains to keep it, the largest gain first.

    Args:
        quantized: the graph with a single layer in INT8.
        layers: those that may be INT8.
        reference: poses of some faces by the model.
        poses: computes poses of the same faces by another graph.
        shares: layer -> share of the network's multiplications.
    """
    found = []
    for layer in tqdm(layers, "layers", unit="layer", leave=False, disable=None):
        moved = geodesic_deg(reference.rotation, poses(quantized(layer)).rotation)
        moved = np.sort(np.nan_to_num(moved, nan=180.0))
        tail = moved[-max(1, round(_TAIL * len(moved))) :]
        found.append(
            Cost(layer.name, float(moved.mean()), float(tail.mean()), float(moved[-1]), shares.get(layer.name, 0.0))
        )
    return sorted(found, key=lambda cost: (-cost.gain, cost.layer))


def table(found: Sequence[Cost], kept: Sequence[str]) -> list[str]:
    """The costs as lines of a table; kept layers are marked."""
    width = max(len(cost.layer) for cost in found)
    lines = [f"{'alone in INT8, degrees':{width}} {'mean':>8} {'tail':>8} {'worst':>8} {'work':>7}"]
    return lines + [
        f"{cost.layer:{width}} {cost.mean_deg:>8.3f} {cost.tail_deg:>8.3f} {cost.worst_deg:>8.3f}"
        f" {100 * cost.share:>5.1f} %"
        f"{'  kept in float32' * (cost.layer in kept)}"
        for cost in found
    ]


def fewest_kept(found: Sequence[Cost], passes: Callable[[Sequence[str]], bool]) -> list[str] | None:
    """The fewest layers to keep in float32 for the gate to pass, in their order; None where it never does.

    Args:
        found: the first to keep first.
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
