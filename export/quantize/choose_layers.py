"""Choice of the layers that stay in float32, by the faces that INT8 moves most."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto

from export.gate.comparison import Faces, Figures, Limits, figure_name
from export.gate.gate import select
from export.graph.multiplications import multiplications
from export.graph.weighted_layers import Layer, layers_of
from export.quantize.centre import centre
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
_LITTLE = 0.01  # of the multiplications: no layer with less is tried in INT8 again

Ranges = Mapping[str, float]


class LayerChoice:
    """The layers of one model in INT8, chosen on faces of their own, not on the gate's.

    Attributes:
        shares: layer -> share of the network's multiplications.
        widened: the ranges that were taken in place of the calibrated ones; empty for those.
    """

    def __init__(
        self,
        original: Original,
        graph: ModelProto,
        layers: Sequence[Layer],
        ranges: Ranges,
        largest: Ranges,
        middle: Ranges,
        faces: Faces,
        report: Reporter,
    ) -> None:
        """
        Args:
            original: the float32 model, whose poses are the reference.
            graph: the one to quantize, with equalized channels or trained weights.
            layers, ranges: see :func:`export.quantize.insert_qdq.quantize`.
            largest: tensor -> its largest magnitude, up to which ranges may be widened; empty: they stay.
            middle: see :func:`export.quantize.centre.centre`.
            faces: to choose on.
            report: takes the costs and the trials.
        """
        self._original, self._graph, self._layers, self._report = original, graph, layers, report
        self._calibrated = self._ranges = ranges
        self._middle = middle
        middle = {name: float(np.sqrt(clip * largest.get(name, clip))) for name, clip in ranges.items()}
        self._wider = {"no clipping": {**ranges, **largest}, "half-way to no clipping": middle} if largest else {}
        self.widened = ""
        self._crops = faces.crops
        work = multiplications(graph, original.spec.input)
        self.shares = {name: count / max(1, sum(work.values())) for name, count in work.items()}
        self._reference = self._poses(original.model, np.arange(len(faces.crops)))
        moved = self._moved([], np.arange(len(faces.crops)), ranges)
        order = np.argsort(-moved, kind="stable")
        self._sharpest, self._others = order[:_SHARPEST], moved[order[_SHARPEST:]]
        self._sharpest_mean = max(float(moved[self._sharpest].mean()), 1e-9)
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

    def fewest(self, limits: Limits, margin: float, beyond: int = -1) -> list[str] | None:
        """The layers to keep in float32, as few as possible; None where the limits are not met with any.

        Args:
            limits: of the gate.
            margin: factor of the limits, as the worst of these faces is not the worst of all faces.
            beyond: a number of layers that was not enough.
        """
        self._ranges, self.widened = self._calibrated, ""
        allowed = {name: margin * limit for name, limit in limits.as_dict().items()}

        def meets(kept: Sequence[str], ranges: Ranges, name: str) -> bool:
            found = self._figures(kept, ranges)
            tail = f"p99.9 {found.p999_deg:.2f}, worst {found.worst_deg:.2f}"
            self._report("tried", [f"{name}: mean {found.mean_deg:.2f}, {tail} degrees"])
            return all(getattr(found, figure) <= limit for figure, limit in allowed.items())

        def passes(kept: Sequence[str]) -> bool:
            return len(kept) > beyond and meets(kept, self._ranges, f"{len(kept)} of {len(self._layers)} layers kept")

        self._report(
            "layers",
            [
                f"allowed on the crops of calibration, {margin:g} of the limits: "
                + ", ".join(f"{figure_name(name)} {limit:.2f}" for name, limit in allowed.items())
            ],
        )
        if passes([]):
            kept: list[str] | None = []
        else:
            beyond = max(beyond, 0)
            kept = fewest_kept(self.costs(), passes)
            if kept is not None:
                kept = self._given_back(kept, passes)
            self._report("layers", table(self.costs(), kept or []))
        if kept is not None:
            # Other faces may exceed the ranges of these.
            for name, ranges in self._wider.items():
                if meets(kept, ranges, f"widened to {name}"):
                    self._ranges, self.widened = ranges, name
                    break
        return kept

    def _given_back(self, kept: list[str], passes: Callable[[Sequence[str]], bool]) -> list[str]:
        """The layers without those that may return to INT8: errors of layers cancel, which single runs do not tell."""
        for name in sorted(kept, key=lambda name: -self.shares[name]):
            fewer = [each for each in kept if each != name]
            if self.shares[name] > _LITTLE and passes(fewer):
                kept = fewer
        return kept

    def costs(self) -> list[Cost]:
        """The sensitivity of the angles to each layer, the first to keep first."""
        if not self._costs:
            rows = self._sharpest[:_COST_CROPS]
            # A trained graph differs from the original by more than a layer's rounding.
            reference = self._poses(self._graph, rows)
            self._costs = costs(
                lambda layer: self._only([layer], self._calibrated),
                self._layers,
                reference,
                lambda model: self._poses(model, rows),
                self.shares,
            )
        return self._costs

    def _figures(self, kept: Sequence[str], ranges: Ranges) -> Figures:
        """Of all crops: the others move less, in proportion to those that move most."""
        moved = self._moved(kept, self._sharpest, ranges)
        return Figures.of(np.concatenate([moved, self._others * (float(moved.mean()) / self._sharpest_mean)]))

    def _moved(self, kept: Sequence[str], rows: NDArray[np.intp], ranges: Ranges) -> NDArray[np.float64]:
        poses = self._poses(self._quantized(kept, ranges), rows)
        reference = select(self._reference, rows)
        moved = geodesic_deg(reference.rotation, poses.rotation)
        moved[reference.doubtful & poses.doubtful & ~np.isnan(moved)] = 0.0  # the gate does not limit these
        return np.asarray(np.nan_to_num(moved, nan=180.0), np.float64)

    def _quantized(self, kept: Sequence[str], ranges: Ranges) -> ModelProto:
        return self._only([layer for layer in self._layers if layer.name not in kept], ranges)

    def _only(self, layers: Sequence[Layer], ranges: Ranges) -> ModelProto:
        """The graph with these layers in INT8."""
        centred = centre(self._graph, layers, self._middle)
        names = {layer.name for layer in layers}
        return quantize(centred, [layer for layer in layers_of(centred) if layer.name in names], ranges)

    def _poses(self, model: ModelProto, rows: NDArray[np.intp]) -> Poses:
        return poses_simulated(self._original.path, model, self._original.spec, self._crops[rows])
