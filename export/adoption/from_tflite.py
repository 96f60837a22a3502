"""TensorFlow Lite models as ONNX files, by tf2onnx in a process of its own, and compared with TensorFlow's answers."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import ModelProto, numpy_helper

from export.edge.targets import Target
from export.edge.worker_process import Job, Pass, WorkerProcess
from export.graph.onnx_file import DTYPES, open_unchanged, shape_of
from hpe_edge.backends.onnx.ir_version import newest_ir_version
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.spec import Origin

_CONVERTER = Target(
    library="ONNX",
    suffixes=(".onnx",),
    worker="from_tflite_worker",
    packages=("tf2onnx", "tensorflow-cpu"),
    extra="",
    any_batch=True,
    fp16="never",
    int8=False,
    refused=(r"Unsupported TFLite OP: (\w+)",),
)
_PICTURES = 3
_SAME = 1e-4  # difference by the largest number of an output; float32 rounds by 1e-6
_CLIPPED = "TFL_RELU_0_TO_1"  # an operator that tf2onnx 1.17 leaves as it stands


@dataclass(frozen=True)
class FromTflite:
    """A converted file.

    Attributes:
        path: the ONNX file.
        origin: the .tflite file.
        notes: for the report.
    """

    path: Path
    origin: Origin
    notes: tuple[str, ...]


def onnx_of_tflite(path: Path, python: Path | None, folder: Path) -> FromTflite:
    """Convert a .tflite file.

    Args:
        path: the file.
        python: of an environment with tf2onnx and TensorFlow; None: this one.
        folder: for the ONNX file and the logs.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it cannot be converted, or the ONNX file answers differently.
        BackendError: a package is missing.
        InputError: ``python`` cannot be started.
    """
    if not path.is_file():
        raise ModelNotFoundError(f"there is no file {path} to adopt; check the name")
    data = path.read_bytes()
    (folder / "model.tflite").write_bytes(data)
    process = WorkerProcess(_CONVERTER, python, folder, frozenset())
    tools = process.run(_job((), convert=True), f"converting {path.name}")["tools"]
    model = onnx.load(str(folder / "model.onnx"))
    model.ir_version = min(model.ir_version, newest_ir_version())
    _replace_clipped(model)
    if left := sorted({node.op_type for node in model.graph.node if node.op_type.startswith("TFL_")}):
        raise ModelError(f"{path}: tf2onnx cannot convert {', '.join(left)}; export the network from its own framework")
    onnx.save(model, str(folder / "model.onnx"))
    worst = _compare(path, model, process, folder)
    made_by = ", ".join(f"{name} {version}" for name, version in tools.items())
    return FromTflite(
        folder / "model.onnx",
        Origin(checkpoint=path.name, sha256=hashlib.sha256(data).hexdigest(), tools=tools),
        (f"{path}, TensorFlow Lite, converted by {made_by}", f"its own answers differ by at most {worst:.0e} of them"),
    )


def _job(passes: tuple[Pass, ...], *, convert: bool, outputs: tuple[str, ...] = ()) -> Job:
    return Job(
        worker=_CONVERTER.worker,
        model="model.tflite",
        files=("model.onnx",),
        input="",
        size=0,
        outputs=outputs,
        graph_outputs=outputs,
        convert=convert,
        fp16=False,
        platform="",
        settings={},
        fixed_batch=False,
        batch=1,
        passes=passes,
    )


def _replace_clipped(model: ModelProto) -> None:
    """Make Clip of the operators that clip to 0 and 1."""
    found = [node for node in model.graph.node if node.op_type == _CLIPPED]
    for node in found:
        node.op_type, node.domain = "Clip", ""
        del node.attribute[:]
        node.input.extend(["hpe_edge/clip_0", "hpe_edge/clip_1"])
    if found:
        for level in (0, 1):
            model.graph.initializer.append(numpy_helper.from_array(np.float32(level), f"hpe_edge/clip_{level}"))


def _compare(path: Path, model: ModelProto, process: WorkerProcess, folder: Path) -> float:
    """The largest difference from TensorFlow's answers, as a part of the largest number of an output.

    Raises:
        ModelError: it is above what rounding explains, or the input is no picture.
    """
    (given,) = model.graph.input
    dtype = DTYPES.get(given.type.tensor_type.elem_type)
    shape = [side if isinstance(side, int) else 1 for side in shape_of(given)]
    if dtype is None or len(shape) != 4:
        raise ModelError(f"{path}: the input is {shape}; a picture of 4 axes, float32 or uint8, is expected")
    rng = np.random.default_rng(0)
    pictures = rng.standard_normal((_PICTURES, *shape[1:]))
    if dtype == "uint8":
        pictures = rng.integers(0, 256, (_PICTURES, *shape[1:])).astype(np.float64)
    pictures = pictures.astype(dtype)
    np.save(folder / "pictures.npy", pictures)
    outputs = tuple(each.name for each in model.graph.output)
    each = Pass("pictures.npy", shape[0], "answers.npz")
    process.run(_job((each,), convert=False, outputs=outputs), f"running {path.name}")
    wanted = process.answers(each)
    session: onnxruntime.InferenceSession = open_unchanged(path, model)
    worst = 0.0
    for at, picture in enumerate(pictures):
        for own, answer in zip(wanted, session.run(list(outputs), {given.name: picture[None]}), strict=True):
            apart = np.abs(own[at].ravel() - np.asarray(answer, np.float32).ravel()).max()
            worst = max(worst, float(apart / max(np.abs(own).max(), 1e-30)))
    if not worst <= _SAME:
        raise ModelError(
            f"{path}: what tf2onnx made of it answers differently, by {worst:.0e} of its largest number; export the "
            "network from its own framework"
        )
    return worst
