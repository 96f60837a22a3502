"""Adoption of OpenVINO IR models: a copy of the .xml with a spec, and its .bin, which run with OpenVINO."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.adoption.wanted import Wanted
from export.gate.comparison import FP16_LIMITS, Limits
from export.gate.crops import gate_faces
from export.gate.gate import Runner, poses_of
from export.gate.verify import Check, report_passed, verify_backend
from export.graph.match_heads import describe, probabilities
from export.sanity.check import check_sanity
from export.sanity.suspect import Suspect
from export.step import ExportReport, Notes, commit, write_bytes
from hpe_edge.backends.openvino.compiled_model import OpenVinoBackend
from hpe_edge.backends.openvino.load_openvino import load_openvino, shared_core, short_error
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.spec import METADATA_KEY, ModelSpec, Origin
from hpe_edge.util.atomic import Pending
from hpe_edge.version import __version__

_PICTURES = 5
_NEEDED = "float32 [N, 3, {0}, {0}] or [N, {0}, {0}, 3]"
_ADVICE = "--worst-deg sets another limit"


def adopt_ir(
    path: Path,
    wanted: Wanted,
    out: Path,
    notes: Notes,
    *,
    images: Path | None,
    boxes: Path | None,
    limits: Limits | None,
) -> ExportReport:
    """Write a copy of an IR model that has a spec, verified against the unchanged files.

    Args:
        path: the .xml; its .bin is beside it.
        wanted: sets normalisation, crop and decode.
        out: the .xml to write; the .bin gets its name.
        notes: takes the stages.
        images, boxes, limits: see :func:`export.onnx.export`.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: OpenVINO cannot read it, or its input or outputs are not as wanted.
        GateFailed, SanityFailed: see :func:`export.onnx.adopt`.
        BackendError: OpenVINO is missing.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"there is no file {path} to adopt; check the name")
    ov = load_openvino()
    digest = hashlib.sha256(path.read_bytes())
    if path.with_suffix(".bin").is_file():
        digest.update(path.with_suffix(".bin").read_bytes())
    base = wanted.spec(Origin(path.name, digest.hexdigest(), {"hpe_edge": __version__, "openvino": ov.__version__}))
    graph = _read(path)
    last = _fix_input(path, graph, base.input.size)
    batch = _batch(graph)
    run_all = _runner(graph, last, batch or 1)
    outputs = _outputs(graph, run_all, base, batch)
    match = wanted.match(path, outputs)
    if wanted.rearranged():
        raise ModelError(f"{path}: a rotation that is to be rearranged is read from ONNX files only; name that file")
    if found := probabilities(match.decode, outputs):
        raise ModelError(f"{path}: {', '.join(found)} are probabilities; convert the network before its softmax")
    if last:
        graph = _channels_first(ov, graph)
    name = graph.inputs[0].any_name
    spec = replace(base, input=replace(base.input, name=name), outputs=match.outputs, decode=match.decode)
    read_as = [f"read as {describe(match.decode)};", match.how]
    notes("adopted", [f"{path}, OpenVINO IR, batch {batch or 'dynamic'}", *read_as])
    notes("family", wanted.words())
    rows = list(outputs)

    def original(crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        found = run_all(crops)
        return [found[rows.index(each)] for each in spec.outputs]

    suspect = Suspect(path.name, spec, original, batch or 1, remedy="give a spec of your own that says so as --spec")
    return _write(ov, graph, spec, suspect, out, notes, gate_faces(spec.crop, spec.input, images, boxes), limits)


def _write(
    ov: Any, graph: Any, spec: ModelSpec, suspect: Suspect, out: Path, notes: Notes, faces: Any, limits: Limits | None
) -> ExportReport:
    """Save, verify and name the files."""
    notes("faces", [faces.source, *faces.notes])
    check = Check("openvino with the unchanged files", faces, (limits or Limits()).over(FP16_LIMITS), _ADVICE, notes)
    pendings = [Pending(out), Pending(out.with_suffix(".bin"))]
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.xml"
            _save(ov, graph, spec, file)
            backend = OpenVinoBackend(file)
            try:
                reference = poses_of(suspect.run, spec, faces.crops, len(faces.crops))
                comparisons = verify_backend(reference, backend, spec, check)
            finally:
                backend.close()
            check_sanity(suspect, notes)
            report_passed(comparisons, notes)
            spec = replace(spec, gate=comparisons[0].result())
            _save(ov, graph, spec, file)
            for pending, written in zip(pendings, (file, file.with_suffix(".bin")), strict=True):
                write_bytes(pending, written.read_bytes())
        return commit(out, pendings, spec, comparisons[0], notes)
    finally:
        for pending in pendings:
            pending.discard()


def _save(ov: Any, graph: Any, spec: ModelSpec, file: Path) -> None:
    graph.set_rt_info(spec.to_json(), ["framework", METADATA_KEY])
    ov.save_model(graph, str(file), compress_to_fp16=False)


def _read(path: Path) -> Any:
    try:
        return shared_core().read_model(str(path))
    except Exception as error:  # OpenVINO's errors share no base class
        raise ModelError(
            f"{path} cannot be read by OpenVINO ({short_error(error)}); its .bin must be beside it, and both from one "
            "conversion"
        ) from None


def _fix_input(path: Path, graph: Any, size: int) -> bool:
    """Set height and width; returns True where the channels come last.

    Raises:
        ModelError: it takes another input.
    """
    if len(graph.inputs) != 1 or not graph.outputs:
        raise ModelError(
            f"{path} has {len(graph.inputs)} inputs, {len(graph.outputs)} outputs; one picture is expected"
        )
    shape = [side.get_length() if side.is_static else None for side in graph.inputs[0].partial_shape]
    kind = np.dtype(graph.inputs[0].element_type.to_dtype()).name
    for sides, last in (((3, size, size), False), ((size, size, 3), True)):
        fits = all(have in (want, None) for have, want in zip(shape[1:], sides, strict=False))
        if len(shape) == 4 and fits and kind == "float32":
            graph.reshape([-1 if shape[0] is None else shape[0], *sides])
            return last
    raise ModelError(f"{path}: the input is {kind} {shape}, not {_NEEDED.format(size)}; is it of that family?")


def _batch(graph: Any) -> int | None:
    first = graph.inputs[0].partial_shape[0]
    return int(first.get_length()) if first.is_static else None


def _runner(graph: Any, last: bool, batch: int) -> Runner:
    """All outputs of the unchanged graph, in their order."""
    settings = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f32"}
    compiled = shared_core().compile_model(graph, "CPU", settings)

    def run(crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        given = np.ascontiguousarray(crops.transpose(0, 2, 3, 1) if last else crops)
        parts = []
        for at in range(0, len(given), batch):
            rows = given[at : at + batch]
            padded = np.concatenate([rows, np.zeros_like(rows[:1]).repeat(batch - len(rows), axis=0)])
            found = compiled([padded])
            parts.append([np.array(found[end])[: len(rows)] for end in compiled.outputs])
        return [np.concatenate(column) for column in zip(*parts, strict=True)]

    return run


def _outputs(graph: Any, run: Runner, base: ModelSpec, batch: int | None) -> dict[str, NDArray[np.float32]]:
    """Outputs for random pictures, by name."""
    count = _PICTURES * (batch or 1)
    size = base.input.size
    noise = np.random.default_rng(0).standard_normal((count, 3, size, size), np.float32)
    found = dict(zip((end.any_name for end in graph.outputs), run(noise), strict=True))
    return {name: array for name, array in found.items() if array.ndim >= 2 and array.dtype == np.float32}


def _channels_first(ov: Any, graph: Any) -> Any:
    """The graph with its input's channels before height and width."""
    steps = ov.preprocess.PrePostProcessor(graph)
    steps.input().tensor().set_layout(ov.Layout("NCHW"))
    steps.input().model().set_layout(ov.Layout("NHWC"))
    return steps.build()
