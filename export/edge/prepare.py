"""Preparation of a conversion: the request, the graph as the converter gets it, and the work for its process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.edge.edge_graph import one_face, sums_as_means
from export.edge.edge_info import Precision
from export.edge.targets import PLATFORM, Target, TargetName, find_target
from export.edge.worker_process import Job, WorkerProcess
from export.gate.comparison import Limits
from export.graph.onnx_file import open_unchanged, session_runner
from export.graph.trace import batch as batch_of
from export.quantize.quantized_model import Original
from hpe_edge.errors import InputError

BATCH = 8  # of the gate, where a file takes any


@dataclass(frozen=True)
class Request:
    """Arguments of :func:`export.edge.export`."""

    to: TargetName
    output: Path
    fp16: bool
    platform: str | None
    python: Path | None
    images: Path | None
    boxes: Path | None
    limits: Limits


@dataclass(frozen=True)
class Prepared:
    """A model that is ready for a target's converter, with its reference."""

    original: Original
    target: Target
    precision: Precision
    fixed: int | None  # the file's batch; None for any
    job: Job

    def reference(self, crops: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Outputs of the ONNX file by ONNX Runtime, without optimisation."""
        session = open_unchanged(self.original.path, self.original.model)
        return session_runner(session, self.original.spec, batch_of(self.original.model) or BATCH)(crops)


def prepare(original: Original, request: Request, folder: Path) -> Prepared:
    """Write the graph as the converter gets it, and describe the work.

    Raises:
        InputError: the target has no such precision or batch.
    """
    target, spec = find_target(request.to), original.spec
    precision = _precision(original, target, request)
    fixed = batch_of(original.model) if target.any_batch else 1
    graph = original.model if target.any_batch else one_face(original.model, original.path.name)
    if target.sums_as_means:
        graph = sums_as_means(graph)
    plain = type(graph)()
    plain.CopyFrom(graph)
    del plain.metadata_props[:]  # the spec would fill the log
    (folder / "model.onnx").write_bytes(plain.SerializeToString())
    job = Job(
        worker=target.worker,
        model="model.onnx",
        files=tuple(f"converted{suffix}" for suffix in target.suffixes),
        input=spec.input.name,
        size=spec.input.size,
        outputs=spec.outputs,
        graph_outputs=tuple(each.name for each in graph.graph.output),
        convert=True,
        fp16=precision == "fp16" and target.fp16 == "option",
        platform=request.platform or PLATFORM,
        settings=dict(target.settings.get(precision, {})),
        fixed_batch=fixed is not None,
        batch=fixed or BATCH,
    )
    return Prepared(original, target, precision, fixed, job)


def worker_process(prepared: Prepared, python: Path | None, folder: Path) -> WorkerProcess:
    """The processes that convert and run the model in a folder."""
    operators = frozenset(node.op_type for node in prepared.original.model.graph.node)
    return WorkerProcess(prepared.target, python, folder, operators)


def _precision(original: Original, target: Target, request: Request) -> Precision:
    if request.platform is not None and request.to != "rknn":
        raise InputError(f"--platform is for --to rknn, got --to {request.to}")
    if request.fp16 and target.fp16 == "never":
        raise InputError(f"--fp16 is not for --to {request.to}: its converter's FP16 files do not run on a CPU")
    if original.spec.precision == "int8":
        if not target.int8 or request.fp16:
            what = "--fp16" if target.int8 else f"--to {request.to}"
            raise InputError(f"{original.path} is in INT8, which {what} does not convert; give the float32 file")
        return "int8"
    return "fp16" if request.fp16 or target.fp16 == "always" else "fp32"
