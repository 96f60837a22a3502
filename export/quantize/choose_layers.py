"""Choice of the layers that stay in float32, by the faces that INT8 moves most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from export.gate.comparison import Faces, Limits
from export.gate.gate import select
from export.graph.multiplications import multiplications
from export.graph.weighted_layers import Layer
from export.quantize.insert_qdq import quantize
from export.quantize.qdq_rules import check
from export.quantize.quantized_model import Original, poses_simulated
from export.quantize.sensitivity import Cost, costs, fewest_kept, table
from export.step import Reporter
from hpe_edge.errors import ModelError
from hpe_edge.geometry import geodesic_deg
from hpe_edge.poses import Poses

_SHARPEST = 192  # the crops that move most when all layers are INT8: trials run on these,
_COST_CROPS = 64  # and one run for each layer on these

Ranges = Mapping[str, float]


class LayerChoice:
    """The layers of one model in INT8, chosen on faces of their own, not on the gate's."""

    def __init__(
        self,
        original: Original,
        layers: Sequence[Layer],
        ranges: Ranges,
        largest: Ranges,
        faces: Faces,
        report: Reporter,
    ) -> None:
        """
        Args:
            original: its graph, with equalized channels.
            layers, ranges: see :func:`export.quantize.insert_qdq.quantize`.
            largest: tensor -> its largest magnitude, another range to choose.
            faces: to choose on.
            report: takes the costs and the trials.
        """
        self._original, self._layers, self._report = original, layers, report
        self._calibrated, self._largest = ranges, largest
        self._middle = {name: float(np.sqrt(clip * largest.get(name, clip))) for name, clip in ranges.items()}
        self._ranges = ranges
        self._crops = faces.crops
        work = multiplications(original.model, original.spec.input)
        self.shares = {name: count / max(1, sum(work.values())) for name, count in work.items()}
        self._reference = self._poses(original.model, np.arange(len(faces.crops)))
        moved = self._moved([], np.arange(len(faces.crops)), ranges)
        self._sharpest = np.argsort(-np.nan_to_num(moved, nan=np.inf), kind="stable")[:_SHARPEST]
        self._worst_deg = _worst(moved)
        self._costs: list[Cost] = []

    def model(self, kept: Sequence[str]) -> ModelProto:
        """The quantized graph.

        Raises:
            ModelError: TensorRT would reject it.
        """
        model = self._quantized(kept, self._ranges)
        if broken := check(model):
            raise ModelError(f"{self._original.path}: TensorRT would reject the quantized graph: {broken[0]}")
        return model

    def fewest(self, limits: Limits, margin: float) -> list[str] | None:
        """The layers to keep in float32, as few as possible; None where INT8 passes with no layer.

        Args:
            limits: of the gate.
            margin: factor of the limits, as the worst of these faces is not the worst of all faces.
        """
        self._ranges = self._calibrated
        allowed = [limit for limit in (limits.p999_deg, limits.worst_deg) if limit is not None]
        goal = margin * min(allowed, default=np.inf)
        found = f"all {len(self._layers)} layers in INT8 move the worst face by {self._worst_deg:.2f} degrees"
        self._report("layers", [f"{found}, and may move it by {goal:.2f}"])
        if self._worst_deg <= goal:
            return []

        def passes(kept: Sequence[str]) -> bool:
            worst = self._worst_with(kept, self._ranges)
            self._report("tried", [f"{len(kept)} of {len(self._layers)} layers kept: worst {worst:.2f} degrees"])
            return worst <= goal

        kept = fewest_kept(self.costs(), passes)
        self._report("layers", table(self.costs(), kept or []))
        if kept:
            self._widen(kept, goal)
        return kept

    def _widen(self, kept: Sequence[str], goal: float) -> None:
        """Widen the ranges as far as the goal allows: other faces may exceed those of these."""
        for name, ranges in (("no clipping", {**self._calibrated, **self._largest}), ("wider", self._middle)):
            worst = self._worst_with(kept, ranges)
            self._report("ranges", [f"{name}: worst {worst:.2f} degrees, {'taken' if worst <= goal else 'too coarse'}"])
            if worst <= goal:
                self._ranges = ranges
                return

    def costs(self) -> list[Cost]:
        """The sensitivity of the angles to each layer, the first to keep first."""
        if not self._costs:
            rows, original = self._sharpest[:_COST_CROPS], self._original
            reference = select(self._reference, rows)
            self._costs = costs(
                original.model,
                self._layers,
                self._calibrated,
                reference,
                lambda model: self._poses(model, rows),
                self.shares,
            )
        return self._costs

    def _moved(self, kept: Sequence[str], rows: NDArray[np.intp], ranges: Ranges) -> NDArray[np.float64]:
        poses = self._poses(self._quantized(kept, ranges), rows)
        return geodesic_deg(select(self._reference, rows).rotation, poses.rotation)

    def _worst_with(self, kept: Sequence[str], ranges: Ranges) -> float:
        return _worst(self._moved(kept, self._sharpest, ranges))

    def _quantized(self, kept: Sequence[str], ranges: Ranges) -> ModelProto:
        return quantize(self._original.model, [layer for layer in self._layers if layer.name not in kept], ranges)

    def _poses(self, model: ModelProto, rows: NDArray[np.intp]) -> Poses:
        return poses_simulated(self._original.path, model, self._original.spec, self._crops[rows])


def _worst(moved: NDArray[np.float64]) -> float:
    return float(np.nan_to_num(moved, nan=180.0).max())

