"""Conversion of an ONNX file for another library, verified by that library's answers."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.edge.edge_info import EdgeInfo, InputTensor, OutputTensor, Precision, file_sums
from export.edge.prepare import Prepared, Request, prepare, worker_process
from export.edge.targets import find_target
from export.edge.worker_process import Pass, WorkerProcess
from export.gate.comparison import FP16_LIMITS, INT8_LIMITS, ONNX_LIMITS, Comparison, Limits
from export.gate.crops import gate_faces
from export.gate.gate import compare, poses_of, select
from export.gate.verify import Check, report_passed
from export.quantize.quantized_model import read_original
from export.step import ExportReport, Notes, byte_size, commit, write_bytes
from hpe_edge.errors import InputError, ModelError
from hpe_edge.poses import Poses
from hpe_edge.spec import ModelSpec
from hpe_edge.util.atomic import Pending, output_error, pending_files

_LIMITS: dict[Precision, Limits] = {"fp32": ONNX_LIMITS, "fp16": FP16_LIMITS, "int8": INT8_LIMITS}
_ALONE = 16  # faces that are also run in a batch of 1
_ADVICE: dict[Precision, str] = {
    "fp32": "Choose another --to, or set other limits: --mean-deg, --worst-deg",
    "fp16": "Choose another --to, leave out --fp16, or set other limits: --mean-deg, --worst-deg",
    "int8": "Give the float32 file, or set other limits: --mean-deg, --p99-deg, --p999-deg, --worst-deg",
}


def make_edge(path: Path, request: Request, notes: Notes) -> ExportReport:
    """Convert a model, verify it, and write it with its description.

    Args:
        path: the ONNX file.
        request: the arguments, of which ``output`` and ``images`` were checked.
        notes: takes each stage's lines.

    Raises:
        GateFailed: the angles differ by more than the limits; nothing was written.
        HpeEdgeError: see :func:`export.edge.export`.
    """
    original = read_original(path, notes)
    target, out = find_target(request.to), request.output
    paths = [out.with_suffix(suffix) for suffix in (out.suffix, *target.suffixes[1:])]
    for beside in paths[1:]:
        if beside.exists() and not out.exists():
            raise InputError(
                f"{beside} is there without {out}, so it may be another model's; give the output another name (-o)"
            )
    pendings = pending_files([*paths, out.with_name(f"{out.name}.json")])
    try:
        with tempfile.TemporaryDirectory(prefix="hpe-edge-") as work:
            folder = Path(work)
            prepared = prepare(original, request, folder)
            worker = worker_process(prepared, request.python, folder)
            faces = gate_faces(original.spec.crop, original.spec.input, request.images, request.boxes)
            notes("faces", [faces.source, *faces.notes])
            limits = request.limits.over(_LIMITS[prepared.precision])
            name = f"{target.library} in {prepared.precision} with onnx"
            check = Check(name, faces, limits, _ADVICE[prepared.precision], notes)
            made, comparisons = _convert_and_compare(prepared, worker, check, notes)
            for comparison in comparisons:
                check.require(comparison)
            report_passed(comparisons, notes)
            info = _describe(prepared, request, made, [folder / file for file in prepared.job.files], comparisons[0])
            for file, pending in zip(prepared.job.files, pendings, strict=False):
                _copy(folder / file, pending)
            write_bytes(pendings[-1], info.to_json().encode())
            notes("input", [f"{info.input.name}, {_shape(info.input.shape)}, float32 planes"])
            notes("outputs", [f"{each.name}, {each.columns} columns: {each.output}" for each in info.outputs])
        return commit(out, pendings, original.spec, comparisons[0], notes)
    finally:
        for pending in pendings:
            pending.discard()


def _convert_and_compare(
    prepared: Prepared, worker: WorkerProcess, check: Check, notes: Notes
) -> tuple[dict[str, Any], list[Comparison]]:
    """Convert a prepared model, run it, and compare its poses with the ONNX file's.

    Returns:
        The converter's report: tools, names of the input and the outputs, ``columns``; and the comparison of all faces,
        with that of single faces where the file takes any batch. They may have failed.

    Raises:
        ModelError: the converter or the library refuses the model, or gives outputs of another shape.
        BackendError: it is missing, or crashed or did not end.
    """
    crops = check.faces.crops
    alone = np.linspace(0, len(crops) - 1, min(_ALONE, len(crops))).round().astype(np.intp)
    np.save(worker.folder / "crops.npy", crops)
    np.save(worker.folder / "alone.npy", crops[alone])
    passes = [Pass("crops.npy", prepared.job.batch, "answers.npz")]
    if prepared.fixed is None:
        passes.append(Pass("alone.npy", 1, "alone.npz"))
    name = prepared.original.path.name
    if prepared.target.one_process:
        made = worker.run(replace(prepared.job, passes=tuple(passes)), f"converting and running {name}")
    else:
        made = worker.run(prepared.job, f"converting {name}")
        worker.run(replace(prepared.job, convert=False, passes=tuple(passes)), f"running the converted {name}")
    tools = ", ".join(f"{tool} {version}" for tool, version in made["tools"].items())
    sizes = ", ".join(byte_size((worker.folder / file).stat().st_size) for file in prepared.job.files)
    notes("converted", [f"by {tools}: {sizes}"])
    spec = prepared.original.spec
    outputs = prepared.reference(crops)
    reference = _poses(outputs, spec, crops)
    check.check_reference(reference)
    answers = worker.answers(passes[0])
    for wanted, got, output in zip(outputs, answers, spec.outputs, strict=True):
        if wanted.shape != got.shape:
            raise ModelError(
                f"{prepared.target.library} gives {list(got.shape[1:])} values a face for {output!r}, ONNX Runtime "
                f"{list(wanted.shape[1:])}: its converter has changed the graph; nothing was written. Choose another "
                "--to"
            )
    together = _poses(answers, spec, crops)
    comparisons = [check.compare(reference, together)]
    if prepared.fixed is None:
        single = _poses(worker.answers(passes[1]), spec, crops[alone])
        comparisons.append(
            compare(
                select(together, alone),
                single,
                compared="a single face with the same in a batch",
                source=check.faces.source,
                limits=check.limits,
            )
        )
    made["columns"] = [int(np.prod(output.shape[1:])) for output in outputs]
    return made, comparisons


def _poses(outputs: list[NDArray[np.float32]], spec: ModelSpec, crops: NDArray[np.float32]) -> Poses:
    return poses_of(lambda _: outputs, spec, crops, len(crops))


def _describe(
    prepared: Prepared, request: Request, made: dict[str, Any], files: Sequence[Path], gate: Comparison
) -> EdgeInfo:
    spec, out = prepared.original.spec, request.output
    names = [out.name, *(out.with_suffix(suffix).name for suffix in prepared.target.suffixes[1:])]
    return EdgeInfo(
        spec=spec,
        target=request.to,
        precision=prepared.precision,
        input=InputTensor(made["input"], (prepared.fixed, 3, spec.input.size, spec.input.size)),
        outputs=tuple(map(OutputTensor, spec.outputs, made["outputs"], made["columns"])),
        settings=prepared.job.settings,
        files=file_sums(files, names),
        source=prepared.original.path.name,
        source_sha256=prepared.original.sha256,
        tools=made["tools"],
        gate=gate.result(),
        platform=prepared.job.platform if request.to == "rknn" else None,
    )


def _copy(file: Path, pending: Pending) -> None:
    try:
        shutil.copyfile(file, pending.temp)
    except OSError as error:
        raise output_error(pending.path, error) from None


def _shape(shape: tuple[int | None, ...]) -> str:
    return f"[{', '.join('N' if side is None else str(side) for side in shape)}]"
