"""The accuracy gate: poses of two variants of a model compared on the same crops, in degrees, against limits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.base import Backend
from hpe_edge.errors import HpeEdgeError, ModelError
from hpe_edge.geometry import geodesic_deg, wrap_deg
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.poses import Poses
from hpe_edge.spec import GateResult, ModelSpec

# From crops [N, 3, size, size] to the network's outputs, one array per name of the spec's outputs.
Runner = Callable[[NDArray[Any]], list[NDArray[np.float32]]]

_ALL = "all crops"
_BANDS = ("|yaw| < 30", "|yaw| 30..60", "|yaw| > 60")
_ANGLES = ("yaw", "pitch", "roll")


class GateFailed(HpeEdgeError):
    """The angles differ by more than the limits allow; nothing was written.

    Attributes:
        comparison: the figures.
    """

    exit_status = 3

    def __init__(self, comparison: Comparison, advice: str) -> None:
        """
        Args:
            comparison: that failed.
            advice: a sentence on what to try, the end of the message.
        """
        failures = "; ".join(comparison.failures)
        super().__init__(f"the gate failed ({comparison.compared}): {failures}; nothing was written. {advice}")
        self.comparison = comparison


@dataclass(frozen=True)
class Limits:
    """The largest geodesic differences that pass, in degrees; None leaves a figure unchecked."""

    mean_deg: float | None = None
    p99_deg: float | None = None
    worst_deg: float | None = None

    def as_dict(self) -> dict[str, float]:
        """The limits that are set, by name."""
        named = {"mean_deg": self.mean_deg, "p99_deg": self.p99_deg, "worst_deg": self.worst_deg}
        return {name: limit for name, limit in named.items() if limit is not None}

    def over(self, defaults: Limits) -> Limits:
        """These limits, completed by the defaults."""
        return replace(defaults, **self.as_dict())


ONNX_LIMITS = Limits(worst_deg=0.01)  # ONNX Runtime sums in another order than PyTorch, and that is all
FP16_LIMITS = Limits(mean_deg=0.05, worst_deg=0.3)
INT8_LIMITS = Limits(mean_deg=1.0, p99_deg=3.0)

_SAME_DEG = 0.01  # answers that spread less than this are one answer; even untrained networks spread by 0.3 and more


@dataclass(frozen=True)
class Figures:
    """Differences of some crops, in degrees."""

    crops: int
    mean_deg: float
    p99_deg: float
    worst_deg: float

    @classmethod
    def of(cls, difference_deg: NDArray[Any]) -> Figures:
        """Figures of ``[N]`` differences, N at least 1."""
        return cls(
            crops=len(difference_deg),
            mean_deg=float(np.mean(difference_deg)),
            p99_deg=float(np.percentile(difference_deg, 99)),
            worst_deg=float(np.max(difference_deg)),
        )


@dataclass(frozen=True)
class Comparison:
    """Figures of a comparison.

    Attributes:
        compared: the two variants, such as ``"onnx with pytorch"``.
        source: where the crops are from.
        rows: label -> figures: all crops (geodesic), each band of |yaw| that has crops (geodesic), each angle.
        limits: what applied.
        failures: why it failed; empty when it passed.
    """

    compared: str
    source: str
    rows: dict[str, Figures]
    limits: Limits
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """True where every figure is finite and within its limit."""
        return not self.failures

    def result(self) -> GateResult:
        """The part that is stored in the model."""
        whole = self.rows[_ALL]
        return GateResult(
            compared=self.compared,
            source=self.source,
            faces=whole.crops,
            mean_deg=whole.mean_deg,
            p99_deg=whole.p99_deg,
            worst_deg=whole.worst_deg,
            limits=self.limits.as_dict(),
        )

    def table(self) -> str:
        """The figures as a table, in hundredths of a degree."""
        lines = [
            f"{self.compared}, on {self.source}; hundredths of a degree",
            f"  {'':<14}{'crops':>6}{'mean':>9}{'p99':>9}{'worst':>9}",
        ]
        lines += [
            f"  {label:<14}{row.crops:>6}{100 * row.mean_deg:>9.3f}{100 * row.p99_deg:>9.3f}{100 * row.worst_deg:>9.3f}"
            for label, row in self.rows.items()
        ]
        return "\n".join([*lines, f"  {self._verdict()}"])

    def line(self) -> str:
        """The worst figure in one line."""
        whole = self.rows[_ALL]
        worst = f"worst {100 * whole.worst_deg:.3f} hundredths of a degree"
        return f"{self.compared}, {whole.crops} crops: {worst}; {self._verdict()}"

    def summary(self) -> str:
        """The figures of all crops in one line."""
        whole = self.rows[_ALL]
        figures = f"mean {whole.mean_deg:.3f}, p99 {whole.p99_deg:.3f}, worst {whole.worst_deg:.3f} degrees"
        return f"{figures}: {'passed' if self.passed else 'failed'}"

    def _verdict(self) -> str:
        named = self.limits.as_dict().items()
        allowed = "; ".join(
            f"{name.removesuffix('_deg')} {100 * limit:g}, that is {limit:g} degrees" for name, limit in named
        )
        result = "passed" if self.passed else f"FAILED: {'; '.join(self.failures)}"
        return f"{result} (limit: {allowed or 'none'})"


def compare(reference: Poses, candidate: Poses, *, compared: str, source: str, limits: Limits) -> Comparison:
    """Compare two sets of poses of the same faces.

    Args:
        reference: the original's poses; their yaw decides a face's band.
        candidate: the poses of the other variant, in the same order.
        compared: names both in the report.
        source: where the crops are from.
        limits: the largest differences that pass. A NaN in either fails at any limit.
    """
    distance = geodesic_deg(reference.rotation, candidate.rotation)
    apart = np.abs(wrap_deg(candidate.angles.astype(np.float64) - reference.angles.astype(np.float64)))
    rows = {_ALL: Figures.of(distance)}
    turned = np.abs(reference.yaw)
    band = (turned >= 30).astype(int) + (turned > 60)
    rows |= {label: Figures.of(distance[band == i]) for i, label in enumerate(_BANDS) if (band == i).any()}
    rows |= {label: Figures.of(apart[:, i]) for i, label in enumerate(_ANGLES)}
    failures = [
        f"{int(bad.sum())} of {len(bad)} crops are NaN in the {which}: the network overflows or its weights are damaged"
        for which, bad in (("reference", _nan_rows(reference)), ("candidate", _nan_rows(candidate)))
        if bad.any()
    ]
    whole = rows[_ALL]
    failures += [
        f"{name.removesuffix('_deg')} {getattr(whole, name):.4g} degrees, allowed {limit:g}"
        for name, limit in limits.as_dict().items()
        if getattr(whole, name) > limit
    ]
    return Comparison(compared, source, rows, limits, tuple(failures))


def check_reference(poses: Poses, name: str) -> None:
    """Refuse a reference whose answers are NaN or all alike: any copy of it would pass.

    Args:
        poses: the network's own, of crops that differ.
        name: the reference's, such as ``"pytorch"``.

    Raises:
        ModelError: it has overflowed, or all its answers are the same.
    """
    if _nan_rows(poses).any():
        raise ModelError(f"the reference ({name}) overflows already; use other weights")
    if (poses.angles.std(axis=0) < _SAME_DEG).all():
        raise ModelError(
            f"the reference ({name}) answers the same for every face: its weights are damaged or untrained; use others"
        )


def poses_of(run: Runner, spec: ModelSpec, crops: NDArray[Any], batch: int) -> Poses:
    """Poses of all crops, run in batches of ``batch`` and decoded as inference decodes."""
    decode = DecodeHeads(spec)
    poses = Poses.empty(len(crops))
    for at in range(0, len(crops), batch):
        part = slice(at, at + batch)
        decode(run(crops[part]), Poses(poses.angles[part], poses.sigma[part], poses.rotation[part]))
    return poses


def select(poses: Poses, rows: NDArray[Any]) -> Poses:
    """The poses of some of the faces."""
    return Poses(poses.angles[rows], poses.sigma[rows], poses.rotation[rows])


def backend_runner(backend: Backend) -> Runner:
    """A runner that feeds crops to a backend of the runtime; at most ``backend.max_batch`` at a time."""
    context = backend.context()

    def run(crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        context.input(len(crops))[...] = crops
        return context.run(len(crops))

    return run


def _nan_rows(poses: Poses) -> NDArray[np.bool_]:
    rows = np.concatenate([poses.angles, poses.rotation.reshape(len(poses), 9)], axis=1)
    return np.asarray(np.isnan(rows).any(axis=1), np.bool_)
