"""Accuracy gate of a TensorRT-RTX engine on the GPU that loads it; the result is written into its description.

It runs at the first load on each kind of GPU: on the crops beside the engine, in every batch size that the engine runs.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.tensorrt.gate_file import GateCrops, input_of, read_gate_crops
from hpe_edge.backends.tensorrt.plan_file import EngineInfo, sidecar
from hpe_edge.errors import BackendError, OutputError
from hpe_edge.geometry import geodesic_deg
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.poses import Poses
from hpe_edge.spec import GateResult
from hpe_edge.util.atomic import Pending

if TYPE_CHECKING:
    from hpe_edge.backends.base import Context

_log = logging.getLogger(__name__)


class UnverifiedError(BackendError):
    """The angles of an engine differ on this GPU by more than its limits; it is not run."""

    exit_status = 3


def verified_on(info: EngineInfo, gpu: str) -> bool:
    """Tell whether the description holds the gate's result for a GPU, named with capability and driver."""
    return info.gate is not None and info.gate_gpu == gpu


def verify(path: Path, info: EngineInfo, gpu: str, context: Context, batches: tuple[int, ...]) -> None:
    """Run the gate, log it, and write the result into the description.

    Args:
        path: the engine.
        info: its description.
        gpu: name of the GPU, with its compute capability and its driver, which compiles the kernels.
        context: of the engine.
        batches: sizes to run all crops in, rising.

    Raises:
        ModelError: the crops are missing, damaged or of another plan.
        UnverifiedError: the angles differ by more than the limits.
    """
    before = "it was not verified yet" if info.gate is None else f"it was verified on {info.gate_gpu}"
    _log.warning("%s: %s; the accuracy gate runs on %s", path, before, gpu)
    result = run_gate(path, info, gpu, read_gate_crops(path, info), context, batches)
    _log.warning(
        "%s: passed on %s: worst %.4g degrees on %d faces of %s",
        path, gpu, result.worst_deg, result.faces, result.source,
    )  # fmt: skip
    try:
        keep_result(path, replace(info, gate=result, gate_gpu=gpu))
    except OutputError as error:
        _log.warning(
            "%s: the result is not kept, so the gate runs at every start: %s; load the engine once where its folder is "
            "writable, on the same kind of GPU, and copy its description",
            path, error,
        )  # fmt: skip


def run_gate(
    path: Path, info: EngineInfo, gpu: str, kept: GateCrops, context: Context, batches: tuple[int, ...]
) -> GateResult:
    """Compare the engine's poses with the reference's; return the figures of the batch size that differs most.

    Args:
        kept: of the engine.
        path, info, gpu, context, batches: see :func:`verify`.

    Raises:
        UnverifiedError: a figure exceeds its limit, or a pose is NaN.
    """
    rows = input_of(kept.levels, info.spec.input)
    results = []
    for batch in batches:
        each = np.arange(max(batch, len(rows))) % len(rows)  # repeated, as fewer would run in a smaller batch size
        distance = geodesic_deg(kept.rotation[each], _rotations(info, rows[each], context, batch))
        figures = {
            "mean_deg": float(np.mean(distance)),
            "p99_deg": float(np.percentile(distance, 99)),
            "p999_deg": float(np.percentile(distance, 99.9)),
            "worst_deg": float(np.max(distance)),
        }
        over = [
            f"{name.removesuffix('_deg')} {figures[name]:.4g} degrees, allowed {limit:g}"
            for name, limit in kept.limits.items()
            if not figures[name] <= limit  # NaN is over every limit
        ]
        if over:
            raise UnverifiedError(
                f"{path} fails the accuracy gate on {gpu}, in batches of {batch}: {'; '.join(over)}; it is not run "
                "here. Build it in a higher precision (FP16 in place of INT8, FP32 in place of FP16), or with other "
                f"limits: --mean-deg, --p99-deg, --p999-deg, --worst-deg; it was built by {info.rebuild}"
            )
        results.append(figures)
    most = max(results, key=lambda each: each["worst_deg"])
    return GateResult(
        kept.compared, kept.source, len(rows), most["mean_deg"], most["p99_deg"], most["worst_deg"], kept.limits
    )


def keep_result(path: Path, info: EngineInfo) -> None:
    """Replace the description beside an engine.

    Raises:
        OutputError: the folder is read-only or full; the old description stays.
    """
    pending = Pending(sidecar(path))
    try:
        try:
            pending.temp.write_text(info.to_json(), encoding="utf-8")
        except OSError as error:
            raise OutputError(f"cannot write {sidecar(path)}: {error.strerror or error}") from None
        pending.commit()
    finally:
        pending.discard()


def _rotations(info: EngineInfo, rows: NDArray[np.float32], context: Context, batch: int) -> NDArray[np.float32]:
    """Rotations ``[N, 3, 3]`` of all rows, run in batches."""
    decode = DecodeHeads(info.spec)
    poses = Poses.empty(len(rows))
    for at in range(0, len(rows), batch):
        part = rows[at : at + batch]
        context.input(len(part))[...] = part
        decode(context.run(len(part)), poses.part(at, at + len(part)))
    return poses.rotation
