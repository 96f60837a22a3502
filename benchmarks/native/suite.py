"""Suite ``native``: one face through the same network in native code, ONNX Runtime and OpenVINO, on one core; one frame
through the embedded detector's; and the whole way from a frame to angles.

The files are made here: those for native code by ``export.native``, INT8 for the libraries by ``export.int8`` with all
layers in INT8. Only the network is timed, from a crop to its outputs. Angles are compared before anything is timed.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.suite import BudgetLine, Suite, default_or, model_option, path_option
from benchmarks.harness.timing import Alternative, Case, Effort, Result, measure
from benchmarks.native.detector_case import detector_case, make_files
from benchmarks.native.frame_case import NAME as FRAME
from benchmarks.native.frame_case import frame_case
from benchmarks.native.other_libraries import OtherLibraries, load_other_libraries
from hpe_edge._native import network_isa_names
from hpe_edge.backends.base import Backend
from hpe_edge.backends.native.native_backend import NativeBackend
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import BackendError
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.poses import Poses
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.spec import ModelSpec

FP32_DEG = 0.01
INT8_DEG = 3.0  # the gate's limit of the 99th percentile
LIMIT_US = 120.0
_FACE = "one face"
_FIRST = "onnxruntime fp32"
_INT8, _FP32 = "native int8", "native fp32"


@dataclass(frozen=True)
class Options:
    model: Path | None = model_option()
    calibration_images: Path | None = path_option("faces for INT8; default: no INT8", None, "PATH")
    calibration_boxes: Path | None = path_option("their boxes; default: faces are detected", None, "CSV")
    detector_images: Path | None = path_option(
        "pictures of people for the detector's INT8; default: none", None, "PATH"
    )


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    model = default_or(options.model)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        files = _make_files(model, options, folder)
        others = load_other_libraries(model, folder)
        face = _face()
        for isa in network_isa_names():
            yield _case(model, files, others, isa, face, effort)
        own = {name: (files[name], limit) for name, limit in ((_FP32, FP32_DEG), (_INT8, INT8_DEG)) if name in files}
        yield frame_case(model, own, face[0], effort)
        detectors = make_files(options.detector_images, folder)
        for isa in network_isa_names():
            yield detector_case(detectors, isa, face[0], effort)


def _make_files(model: Path, options: Options, folder: Path) -> dict[str, Path]:
    """Convert the model; the gates report in vain, as the angles are compared here."""
    from export.gate.comparison import Limits
    from export.int8 import quantize
    from export.native import export

    any_deg = Limits(180.0, 180.0, 180.0, 180.0)
    files = {_FP32: folder / "fp32.hpe"}
    export(model, output=files[_FP32], fp32=True, limits=any_deg)
    images, boxes = options.calibration_images, options.calibration_boxes
    if images is not None:
        files |= {_INT8: folder / "int8.hpe", "int8": folder / "int8.onnx"}
        export(model, output=files[_INT8], calibration_images=images, boxes=boxes, limits=any_deg)
        quantize(model, output=files["int8"], calibration_images=images, boxes=boxes, auto=False, limits=any_deg)
    return files


def _face() -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The first bundled photo and its box."""
    from hpe_edge.boxes.boxes_csv import BoxesFile
    from hpe_edge.sources.open_source import open_source

    source = open_source(FOLDER)
    boxes = BoxesFile.for_source(BOXES, source)
    frame = next(iter(source))
    return frame.image, boxes(frame)[:1]


def _case(model: Path, files: dict[str, Path], others: OtherLibraries, isa: str, face: Any, effort: Effort) -> Result:
    def openvino(path: Path) -> Backend:
        from hpe_edge.backends.openvino.compiled_model import OpenVinoBackend

        return OpenVinoBackend(path, threads=1)

    def own(path: Path) -> Backend:
        return NativeBackend(path, threads=1, isa=isa)

    def onnx_runtime(path: Path) -> Backend:
        return OnnxRuntimeBackend(path, threads=1)

    wanted: list[tuple[str, Callable[[Path], Backend], Path | None, float]] = [
        (_FIRST, onnx_runtime, model, FP32_DEG),
        (_FP32, own, files[_FP32], FP32_DEG),
        (_INT8, own, files.get(_INT8), INT8_DEG),
        ("onnxruntime int8", onnx_runtime, files.get("int8"), INT8_DEG),
        ("openvino fp32", openvino, model, FP32_DEG),
        ("openvino int8", openvino, files.get("int8"), INT8_DEG),
    ]
    alternatives, skipped = [], dict(others.skipped)
    with ExitStack() as stack:
        for name, load, path, tolerance in wanted:
            if path is None:
                skipped[name] = "INT8 needs --calibration-images"
                continue
            try:
                backend = load(path)
            except BackendError as error:
                skipped[name] = str(error)
                continue
            stack.enter_context(contextlib.closing(backend))
            alternatives.append(_alternative(name, backend, tolerance, face))
        for name, run in others.runs.items():
            call = partial(run, CropNormalize(others.spec.crop, others.spec.input)(*face))
            degrees = {"degrees": FP32_DEG}
            alternatives.append(Alternative(name, "converted by export.edge", call, _angles_by(others.spec), degrees))
        case = Case(_FACE, {"model": model.stem, "path": isa}, alternatives, skipped)
        return measure(case, effort)


def _alternative(name: str, backend: Backend, tolerance: float, face: Any) -> Alternative:
    spec, context = backend.spec, backend.context()
    context.input(1)[...] = CropNormalize(spec.crop, spec.input)(*face)
    return Alternative(name, backend.runtime, lambda: context.run(1), _angles_by(spec), {"degrees": tolerance})


def _angles_by(spec: ModelSpec) -> Callable[[Any], dict[str, NDArray[np.float32]]]:
    decode = DecodeHeads(spec)

    def angles(outputs: Any) -> dict[str, NDArray[np.float32]]:
        poses = Poses.empty(1)
        decode(outputs, poses)
        return {"degrees": poses.angles}

    return angles


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    for result in results:
        if result.name == FRAME:
            ratios = {row.name: 1 / row.ratio.median for row in result.rows if _INT8 in row.name}
            found = ", ".join(f"{name}: {ratio:.1f} times" for name, ratio in ratios.items())
            if ratios:
                lines.append(BudgetLine("frame to angles, INT8", "5 times", found, max(ratios.values()) >= 5))
        if result.name != _FACE:
            continue
        rows = {row.name: row for row in result.rows}
        path = str(result.parameters["path"])
        if path == "avx512vnni" and _INT8 in rows:
            own = rows[_INT8]
            found = f"{own.time_us.median:.0f} us, {1 / own.ratio.median:.2f} times as fast"
            met = own.time_us.median <= LIMIT_US and own.ratio.median <= 1 / 3
            lines.append(BudgetLine(f"INT8, {path}", f"{LIMIT_US:.0f} us, 3 times ONNX Runtime FP32", found, met))
        if path == "avx512vnni":
            ratio = rows[_FP32].ratio.median
            lines.append(BudgetLine(f"FP32, {path}", "as fast as ONNX Runtime", f"{1 / ratio:.2f} times", ratio <= 1))
    return lines


SUITE = Suite("native", "a network in native code beside the runtime libraries", _run, Options, _budget)
