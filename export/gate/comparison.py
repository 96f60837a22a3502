"""Data of the accuracy gate: face crops, limits, the figures of a comparison, and the error."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import HpeEdgeError
from hpe_edge.poses import Poses
from hpe_edge.spec import GateResult

ALL = "all crops"
CONFIDENT, DOUBTFUL = "confident", "doubtful"  # crops on which a model gives a pose, and on which both give none
PLAIN = "plain"  # the kind of a crop that is not disturbed


@dataclass(frozen=True)
class Faces:
    """Crops ready for the network.

    Attributes:
        source: origin and number of the faces, for the report.
        crops: ``[N, 3, size, size]`` in the input's dtype.
        notes: unreadable or unused images, and the number of varied copies.
        names: of the crops, for the report: their picture's; empty where unknown.
        kinds: ``"plain"``, or the disturbance of each crop, see :mod:`export.gate.hard_faces`; empty: all are plain.
    """

    source: str
    crops: NDArray[Any]
    notes: tuple[str, ...]
    names: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def part(self, rows: NDArray[np.intp], source: str) -> Faces:
        """Some of the crops, under another name."""
        names, kinds = (tuple(each[row] for row in rows) if each else () for each in (self.names, self.kinds))
        return replace(self, source=source, crops=self.crops[rows], names=names, kinds=kinds)


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


def figure_name(field: str) -> str:
    """The name of a figure or limit, such as p99.9, from its field."""
    return field.removesuffix("_deg").replace("p999", "p99.9")


@dataclass(frozen=True)
class Limits:
    """The largest differences that pass; None leaves a figure unchecked.

    Attributes:
        mean_deg, p99_deg, p999_deg, worst_deg: geodesic, in degrees.
        landmarks_mean, landmarks_worst: of landmarks, as fractions of the box's side, for models that have them.
    """

    mean_deg: float | None = None
    p99_deg: float | None = None
    p999_deg: float | None = None
    worst_deg: float | None = None
    landmarks_mean: float | None = None
    landmarks_worst: float | None = None

    def as_dict(self) -> dict[str, float]:
        """The limits in degrees that are set, by name."""
        return {name: limit for name, limit in self._set().items() if name.endswith("_deg")}

    def of_landmarks(self) -> dict[str, float]:
        """The limits for landmarks that are set, by name."""
        return {name: limit for name, limit in self._set().items() if not name.endswith("_deg")}

    def over(self, defaults: Limits) -> Limits:
        """These limits, completed by the defaults."""
        return replace(defaults, **self._set())

    def _set(self) -> dict[str, float]:
        return {name: limit for name, limit in asdict(self).items() if limit is not None}


# ONNX Runtime and PyTorch differ in the order of sums only.
ONNX_LIMITS = Limits(worst_deg=0.01, landmarks_worst=0.001)
FP16_LIMITS = Limits(mean_deg=0.05, worst_deg=0.3, landmarks_mean=0.001, landmarks_worst=0.01)
INT8_LIMITS = Limits(mean_deg=1.0, p99_deg=3.0, p999_deg=2.5, worst_deg=5.0, landmarks_mean=0.01, landmarks_worst=0.05)


@dataclass(frozen=True)
class Figures:
    """Differences of some crops, in degrees."""

    crops: int
    mean_deg: float
    p99_deg: float
    p999_deg: float
    worst_deg: float

    @classmethod
    def of(cls, difference_deg: NDArray[Any]) -> Figures:
        """Figures of ``[N]`` differences, N at least 1."""
        return cls(
            crops=len(difference_deg),
            mean_deg=float(np.mean(difference_deg)),
            p99_deg=float(np.percentile(difference_deg, 99)),
            p999_deg=float(np.percentile(difference_deg, 99.9)),
            worst_deg=float(np.max(difference_deg)),
        )


@dataclass(frozen=True)
class LandmarkFigures:
    """Distances between the landmarks of some crops, as fractions of the box's side.

    Attributes:
        landmarks_mean, landmarks_p99, landmarks_worst: over crops and landmarks.
        changed: share of the landmarks that are visible to one side alone; NaN for models that do not know.
    """

    landmarks_mean: float
    landmarks_p99: float
    landmarks_worst: float
    changed: float

    @property
    def line(self) -> str:
        """The figures in words."""
        percents = (100 * each for each in (self.landmarks_mean, self.landmarks_p99, self.landmarks_worst))
        text = "mean {:.3f}, p99 {:.3f}, worst {:.3f} % of the box's side".format(*percents)
        return text if np.isnan(self.changed) else f"{text}; visibility of {100 * self.changed:.2f} % changed"


@dataclass(frozen=True)
class Worst:
    """The crops that moved most, the worst first.

    Attributes:
        rows: intp ``[M]``, their numbers among the crops.
        labels: the picture and the kind of each, or its number.
        distance_deg: float64 ``[M]``, the geodesic distance of its two poses.
        reference, candidate: their M poses.
    """

    rows: NDArray[np.intp]
    labels: tuple[str, ...]
    distance_deg: NDArray[np.float64]
    reference: Poses
    candidate: Poses

    def line(self, at: int) -> str:
        """One of them in words."""
        before, after = (
            ", ".join(f"{angle:.0f}" for angle in poses.angles[at]) for poses in (self.reference, self.candidate)
        )
        return f"{self.distance_deg[at]:.2f} degrees, {self.labels[at]}: ({before}) became ({after})"


@dataclass(frozen=True)
class Comparison:
    """Figures of a comparison.

    Attributes:
        compared: the two variants, such as ``"onnx with pytorch"``.
        source: origin of the crops.
        rows: label -> figures: all crops (geodesic), where both models doubt some crops those and the others
            (geodesic), each kind of crop if there are several (geodesic), each band of
            |yaw| that has crops (geodesic), each angle.
        limits: the limits applied.
        failures: limits exceeded and NaN rows; empty when it passed.
        worst: the crops that moved most.
        landmarks: distances between the landmarks; None for models without them.
    """

    compared: str
    source: str
    rows: dict[str, Figures]
    limits: Limits
    failures: tuple[str, ...]
    worst: Worst
    landmarks: LandmarkFigures | None = None

    @property
    def passed(self) -> bool:
        """True where every figure is finite and within its limit."""
        return not self.failures

    @property
    def judged(self) -> Figures:
        """The figures that the limits apply to: of all crops but those that both models call doubtful."""
        return self.rows.get(CONFIDENT, self.rows[ALL])

    def result(self) -> GateResult:
        """The part that is stored in the model: the limited figures."""
        whole, points = self.judged, self.landmarks
        return GateResult(
            compared=self.compared,
            source=self.source,
            faces=whole.crops,
            mean_deg=whole.mean_deg,
            p99_deg=whole.p99_deg,
            worst_deg=whole.worst_deg,
            limits=self.limits.as_dict() | ({} if points is None else self.limits.of_landmarks()),
            landmarks_mean=None if points is None else points.landmarks_mean,
            landmarks_worst=None if points is None else points.landmarks_worst,
        )

    def table(self) -> str:
        """The figures as a table, in hundredths of a degree."""
        lines = [
            f"{self.compared}, on {self.source}; hundredths of a degree",
            f"  {'':<14}{'crops':>6}{'mean':>9}{'p99':>9}{'p99.9':>9}{'worst':>9}",
        ]
        for label, row in self.rows.items():
            figures = (row.mean_deg, row.p99_deg, row.p999_deg, row.worst_deg)
            lines.append(f"  {label:<14}{row.crops:>6}{''.join(f'{100 * each:>9.3f}' for each in figures)}")
        points = [] if self.landmarks is None else [f"  landmarks: {self.landmarks.line}"]
        return "\n".join([*lines, *points, f"  worst: {self.worst.line(0)}", f"  {self._verdict()}"])

    def line(self) -> str:
        """The worst figure in one line."""
        whole = self.judged
        worst = f"worst {100 * whole.worst_deg:.3f} hundredths of a degree"
        return f"{self.compared}, {whole.crops} crops: {worst}; {self._verdict()}"

    def summary(self) -> str:
        """The limited figures in one line."""
        whole = self.judged
        figures = ", ".join(
            f"{name} {value:.3f}"
            for name, value in (
                ("mean", whole.mean_deg),
                ("p99", whole.p99_deg),
                ("p99.9", whole.p999_deg),
                ("worst", whole.worst_deg),
            )
        )
        return f"{figures} degrees: {'passed' if self.passed else 'failed'}"

    def _verdict(self) -> str:
        named = self.limits.as_dict().items()
        allowed = "; ".join(f"{figure_name(name)} {100 * limit:g}, that is {limit:g} degrees" for name, limit in named)
        for name, limit in self.limits.of_landmarks().items() if self.landmarks is not None else ():
            allowed += f"; {name.replace('_', ' ')} {100 * limit:g} %"
        result = "passed" if self.passed else f"FAILED: {'; '.join(self.failures)}"
        return f"{result} (limit: {allowed or 'none'})"
