"""The files that the suite ``model`` runs, and what each must answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.baselines.chains import rotations
from benchmarks.baselines.plain_pipelines import PlainDecode, plain_bins
from export.gate.gate import poses_of
from hpe_edge import InputError, PoseEngine, Poses
from hpe_edge.backends.onnx.open_session import open_session
from hpe_edge.backends.tensorrt.plan_file import SUFFIXES
from hpe_edge.spec import ModelSpec


@dataclass(frozen=True)
class Model:
    """A file to be run.

    Attributes:
        path, spec: the file and what it says.
        reference: the float32 file whose answers it must give; its own path for that one.
    """

    path: Path
    spec: ModelSpec
    reference: Path


def find_models(paths: Sequence[Path]) -> list[Model]:
    """Each file with the float32 one that it is held against.

    Raises:
        InputError: that one is not among them.
    """
    specs = {}
    for path in paths:
        with _opened_anyhow(path) as engine:
            specs[path] = engine.spec
    models = []
    for path, spec in specs.items():
        alike = [
            other
            for other, its in specs.items()
            if other.suffix.lower() not in SUFFIXES
            and its.precision == "fp32"
            and (its.architecture, its.origin.sha256) == (spec.architecture, spec.origin.sha256)
        ]
        if not alike:
            raise InputError(
                f"{path} computes in {spec.precision}, and its answers are held against the float32 ONNX file of the "
                f"same weights ({spec.origin.checkpoint}); name that one with --model, too"
            )
        models.append(Model(path, spec, path if path in alike else alike[0]))
    return models


def _opened_anyhow(path: Path) -> PoseEngine:
    return PoseEngine(path, threads=None if path.suffix.lower() in SUFFIXES else 1)


def reference_poses(model: Model, crops: NDArray[Any]) -> Poses:
    """What the float32 file says of the crops: ONNX Runtime's plain call, and NumPy's decode where the heads are bins.

    Heads of other kinds are decoded by the engine's own operation, which the suite ``ops`` holds against NumPy.
    """
    session = open_session(model.reference, 1)
    spec = model.spec

    def run(part: NDArray[Any]) -> list[NDArray[np.float32]]:
        return [np.asarray(array, np.float32) for array in session.run(spec.outputs, {spec.input.name: part})]

    fixed = session.get_inputs()[0].shape[0]
    batch = fixed if isinstance(fixed, int) else 1
    if plain_bins(spec) is None:
        return poses_of(run, spec, crops, batch)
    decode = PlainDecode(spec, model.reference)
    angles = np.concatenate([decode(run(crops[at : at + batch])) for at in range(0, len(crops), batch)])
    angles = angles.astype(np.float32)
    return Poses(angles, np.full_like(angles, np.nan), rotations(angles))
