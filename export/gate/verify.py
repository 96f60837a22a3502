"""Verification of a written model: the file's poses compared with its original's, on face crops."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.gate.comparison import Comparison, Faces, GateFailed, Limits
from export.gate.gate import backend_runner, check_reference, compare, poses_of, select, sigma_change
from export.step import Reporter
from hpe_edge.backends.base import Backend
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec

_ALONE = 16  # faces that are also run in a batch of 1
_SIGMA_CHANGE = 0.05  # a larger one outdates the calibration of sigma


@dataclass(frozen=True)
class Check:
    """One use of the accuracy gate.

    Attributes:
        compared: names the result and its original, such as ``"onnx with pytorch"``.
        faces: the crops.
        limits: the largest differences that pass.
        advice: see :class:`export.gate.comparison.GateFailed`.
        report: takes the table of a comparison that failed.
    """

    compared: str
    faces: Faces
    limits: Limits
    advice: str
    report: Reporter

    def compare(self, reference: Poses, candidate: Poses, suffix: str = "") -> Comparison:
        """Compare the poses of all faces; ``suffix`` is appended to ``compared``."""
        return compare(
            reference,
            candidate,
            compared=f"{self.compared}{suffix}",
            source=self.faces.source,
            limits=self.limits,
            names=self.faces.names,
            kinds=self.faces.kinds,
        )

    def check_reference(self, reference: Poses) -> None:
        """See :func:`export.gate.gate.check_reference`."""
        check_reference(reference, self.compared.partition(" with ")[2])

    def require(self, comparison: Comparison) -> None:
        """Report a failed comparison as a table.

        Raises:
            GateFailed: it failed.
        """
        if not comparison.passed:
            self.report("gate", comparison.table().splitlines())
            raise GateFailed(comparison, self.advice)


def verify(reference: Poses, path: Path, spec: ModelSpec, check: Check) -> list[Comparison]:
    """Compare an ONNX file with the reference, and single faces with the same faces in a batch.

    Raises:
        ModelError: the reference is NaN or constant.
        GateFailed: a difference exceeds the limits; the table was reported.
    """
    backend = OnnxRuntimeBackend(path)
    try:
        return verify_backend(reference, backend, spec, check)
    finally:
        backend.close()


def verify_backend(reference: Poses, backend: Backend, spec: ModelSpec, check: Check) -> list[Comparison]:
    """As :func:`verify`, for a loaded model."""
    check.check_reference(reference)
    crops = check.faces.crops
    run = backend_runner(backend)
    together = poses_of(run, spec, crops, backend.max_batch)
    apart = np.linspace(0, len(crops) - 1, min(_ALONE, len(crops))).round().astype(np.intp)
    alone = poses_of(run, spec, crops[apart], 1)
    comparisons = [
        check.compare(reference, together),
        compare(
            select(together, apart),
            alone,
            compared="a single face with the same in a batch",
            source=check.faces.source,
            limits=check.limits,
        ),
    ]
    for comparison in comparisons:
        check.require(comparison)
    changed = sigma_change(reference, together)
    if (np.abs(changed) > _SIGMA_CHANGE).any():
        percents = ", ".join(f"{100 * each:+.0f} %" for each in changed)
        check.report(
            "sigma", [f"changed by {percents} (yaw, pitch, roll); calibrate it again: hpe-edge export sigma MODEL"]
        )
    return comparisons


def report_passed(comparisons: list[Comparison], report: Reporter) -> None:
    """Report the first comparison as a table, the others in a line each."""
    report("gate", [*comparisons[0].table().splitlines(), *(each.line() for each in comparisons[1:])])
