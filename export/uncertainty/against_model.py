"""Calibration without labels, against the embedded model; see :mod:`export.uncertainty.sigma_factors`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.gate.comparison import Faces
from export.gate.crops import faces_of_models
from export.gate.gate import backend_runner, poses_of
from export.uncertainty.sigma_factors import LARGEST_FACTOR, LEAST_FACTOR, from_beliefs
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.geometry import wrap_deg
from hpe_edge.models import DEFAULT
from hpe_edge.poses import Poses
from hpe_edge.spec import BinsDecode, ModelSpec, SigmaCalibration

LEAST_FACES = 32
_ADVICE = "labelled photos measure it: hpe-edge export sigma MODEL --labels CSV"


@dataclass(frozen=True)
class Believed:
    """The same faces for the model and for the embedded one: the model's crops, and the embedded one's poses."""

    faces: Faces
    poses: Poses


def faces_and_beliefs(spec: ModelSpec, path: Path | None, boxes: Path | None) -> Believed:
    """The gate's faces for a model, with the embedded model's poses; see :func:`export.gate.crops.faces_of_models`."""
    backend = OnnxRuntimeBackend(DEFAULT)
    try:
        known = backend.spec
        faces, same = faces_of_models([(spec.crop, spec.input), (known.crop, known.input)], path, boxes)
        return Believed(faces, poses_of(backend_runner(backend), known, same.crops, backend.max_batch))
    finally:
        backend.close()


def calibrate_against(
    spec: ModelSpec, poses: Poses, believed: Believed, report: Callable[[str, list[str]], None]
) -> SigmaCalibration | None:
    """Calibrate sigma by the embedded model's poses; the factors, or the reason why there are none, are reported.

    Args:
        spec: the model's, without a calibration.
        poses: the model's of ``believed.faces``, sigma not calibrated.
        believed: the faces.
        report: takes the stage and its lines.

    Returns:
        The calibration, without a limit; None where the decode has no distribution, there are too few faces, or a
        factor is not plausible.
    """
    if not isinstance(spec.decode, BinsDecode):
        return None
    count = len(poses)
    if count < LEAST_FACES:
        report("sigma", [f"not calibrated: {count} faces are too few, {LEAST_FACES} are needed; {_ADVICE}"])
        return None
    apart = wrap_deg(poses.angles.astype(np.float64) - believed.poses.angles.astype(np.float64))
    factors = from_beliefs(apart, poses.sigma.astype(np.float64), believed.poses.sigma.astype(np.float64))
    text = ", ".join(f"{name} {f:.2f}" for name, f in zip(("yaw", "pitch", "roll"), factors, strict=True))
    if not ((factors > 1.01 * LEAST_FACTOR) & (factors < 0.99 * LARGEST_FACTOR)).all():
        report("sigma", [f"not calibrated: factors of {text} fit no working model; {_ADVICE}"])
        return None
    report("sigma", [f"calibrated against the poses of {DEFAULT.stem}: factors {text};", _ADVICE])
    yaw, pitch, roll = (round(float(factor), 4) for factor in factors)
    source = f"{believed.faces.source}, against {DEFAULT.stem}"
    return SigmaCalibration(yaw, pitch, roll, count, source, labelled=False)
