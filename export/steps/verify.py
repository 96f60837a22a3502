"""The proof that ends an export: the file that was written, held against what it was made from, on real faces."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from export.cli.report import say
from export.gate.crops import Faces
from export.gate.gate import GateFailed, Limits, Report, backend_runner, check_reference, compare, poses_of, select
from hpe_edge.backends.base import Backend
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec

_ALONE = 16  # faces that are also run one at a time


def prove(reference: Poses, compared: str, path: Path, spec: ModelSpec, faces: Faces, limits: Limits) -> list[Report]:
    """Hold an ONNX file against the reference, and against itself with each face alone.

    Args:
        reference: poses of the faces by what the file was made from.
        compared: names the two, such as ``"onnx with pytorch"``.
        path: the ONNX file, with its spec.
        spec: the file's.
        faces: the crops.
        limits: what passes.

    Raises:
        ModelError: the reference's answers are NaN, or all the same.
        GateFailed: either differs by more than the limits; the table was printed.
    """
    backend = OnnxRuntimeBackend(path)
    try:
        return prove_backend(reference, compared, backend, spec, faces, limits)
    finally:
        backend.close()


def prove_backend(
    reference: Poses, compared: str, backend: Backend, spec: ModelSpec, faces: Faces, limits: Limits
) -> list[Report]:
    """Hold a loaded model against the reference, and against itself with each face alone.

    See :func:`prove` for the arguments and errors; ``spec`` says how the outputs are decoded.
    """
    check_reference(reference, compared.partition(" with ")[2])
    run = backend_runner(backend)
    together = poses_of(run, spec, faces.crops, backend.max_batch)
    apart = np.linspace(0, len(faces.crops) - 1, _ALONE).round().astype(int)
    alone = poses_of(run, spec, faces.crops[apart], 1)
    reports = [
        compare(reference, together, compared=compared, source=faces.source, limits=limits),
        compare(
            select(together, apart),
            alone,
            compared="a face alone with the same in a batch",
            source=faces.source,
            limits=limits,
        ),
    ]
    for report in reports:
        if not report.passed:
            say("gate", *report.table().splitlines())
            raise GateFailed(report)
    return reports
