"""An ONNX file that someone else exported: how it fits a family, and the spec that it therefore gets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, ValueInfoProto, helper

from export import zoo
from export.faces import Faces
from export.gate import Runner, poses_of
from export.network import Network
from export.say import say
from export.zoo.family import Family
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.poses import Poses
from hpe_edge.spec import (
    METADATA_KEY,
    AngleHead,
    AnglesDecode,
    BinHead,
    BinsDecode,
    Decode,
    MatrixDecode,
    ModelSpec,
    Origin,
    QuaternionDecode,
    Rot6dDecode,
)

_DTYPES: dict[int, Literal["float32", "float16"]] = {
    onnx.TensorProto.FLOAT: "float32",
    onnx.TensorProto.FLOAT16: "float16",
}
_ANGLES = ("yaw", "pitch", "roll")


@dataclass(frozen=True)
class Adopted:
    """An ONNX file of a known family. Implements :class:`export.convert.Exportable`.

    Attributes:
        model: its graph, with the outputs that the spec names and no others.
        spec: what it will be run with.
        crop_note: see :class:`export.zoo.family.Family`.
        original: runs the file as it was.
        network: the checkpoint's, where one was named beside the file.
    """

    model: ModelProto
    spec: ModelSpec
    crop_note: str
    original: Runner
    network: Network | None

    @property
    def compared(self) -> str:
        """What the gate compares."""
        return "onnx with the file as it was" if self.network is None else self.network.compared

    def to_onnx(self, batch: int | None) -> ModelProto:
        """The file's graph; its batch is the file's own."""
        return self.model

    def reference(self, faces: Faces) -> Poses:
        """What the checkpoint's network says of the faces, or else the file as it was."""
        if self.network is not None:
            return self.network.reference(faces)
        return poses_of(self.original, self.spec, faces.crops, len(faces.crops))


def adopt(path: Path, arch: str, network: Network | None) -> Adopted:
    """Read an ONNX file and say how it fits the family.

    Args:
        path: the file.
        arch: name of the family whose normalisation, crop and decode it gets.
        network: what the gate compares with; None: the file as it was.

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: no ONNX file, or its input or outputs are not the family's; the message says which.
    """
    family = zoo.get(arch)
    data, model = _read(path)
    image = _image(path, model, family.input.size)
    session = _session(path)
    shapes = _shapes(path, session, image)
    columns = {name: int(np.prod(shape[1:])) for name, shape in shapes.items()}
    decode = _decode(path, family, columns)
    spec = ModelSpec(
        architecture=family.name,
        input=replace(family.input, name=image.name, dtype=_DTYPES[image.type.tensor_type.elem_type]),
        outputs=tuple(dict.fromkeys(head.output for head in _heads(decode))),
        crop=family.crop,
        decode=decode,
        origin=Origin(checkpoint=path.name, sha256=hashlib.sha256(data).hexdigest()),
    )
    say("adopted", f"{path}, sha256 {spec.origin.sha256[:12]}...", *_notes(model, image, columns, spec))
    say("family", f"{family.name} (as asked for)", family.title, family.source)
    if network is None:
        say(
            "unproved",
            "nothing in an ONNX file tells whether its normalisation, channel order and bins are the family's;",
            "name its CHECKPOINT, too, and the gate compares with that",
        )
    _keep_outputs(model, image, {name: shapes[name] for name in spec.outputs})
    return Adopted(model, spec, family.crop_note, _runner(session, spec), network)


def _read(path: Path) -> tuple[bytes, ModelProto]:
    if not path.is_file():
        raise ModelNotFoundError(f"there is no file {path} to adopt; check the name")
    try:
        data = path.read_bytes()
        model = onnx.load(path)  # weights kept in files beside it are read along
        onnx.checker.check_model(model)
        return data, model
    except Exception as error:  # protobuf's and onnx's errors share no base class
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path} cannot be read as an ONNX model; it may be truncated ({first})") from None


def _image(path: Path, model: ModelProto, size: int) -> ValueInfoProto:
    """The one input, its height and width fixed."""
    weights = {weight.name for weight in model.graph.initializer}
    inputs = [given for given in model.graph.input if given.name not in weights]
    if len(inputs) != 1:
        raise ModelError(f"{path} has the inputs {[given.name for given in inputs]}; one picture tensor is expected")
    kind = inputs[0].type.tensor_type
    wanted = f"float32 or float16 [N, 3, {size}, {size}]"
    if kind.elem_type not in _DTYPES:
        raise ModelError(
            f"{path}: the input {inputs[0].name!r} is {onnx.TensorProto.DataType.Name(kind.elem_type)}, not {wanted}"
        )
    dims = kind.shape.dim
    shape = _shape(inputs[0])
    if len(dims) == 4 and shape[3] == 3:
        raise ModelError(f"{path}: the input is {shape}, channels last; {wanted} is fed: transpose it in the graph")
    if len(dims) != 4 or any(side not in (want, None) for side, want in zip(shape[1:], (3, size, size), strict=True)):
        raise ModelError(f"{path}: the input {inputs[0].name!r} is {shape}, not {wanted}; is it of that family?")
    for dim, side in zip(dims[1:], (3, size, size), strict=True):
        dim.dim_value = side
    return inputs[0]


def _shape(value: ValueInfoProto) -> list[int | None]:
    return [dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim]


def _session(path: Path) -> onnxruntime.InferenceSession:
    """The file as it is, in ONNX Runtime with no optimisation of the graph."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(f"{path} does not run in ONNX Runtime ({error})") from None


def _shapes(path: Path, session: onnxruntime.InferenceSession, image: ValueInfoProto) -> dict[str, tuple[int, ...]]:
    """Output name -> shape, of the float32 outputs that have a row for each face; found by running, for many files
    do not say."""
    batch, channels, height, width = (side or 0 for side in _shape(image))
    faces = batch or 2
    zeros = np.zeros((faces, channels, height, width), _DTYPES[image.type.tensor_type.elem_type])
    try:
        said = session.run(None, {image.name: zeros})
    except Exception as error:  # ONNX Runtime's errors share no base class
        raise ModelError(f"{path} does not run on a picture of {width} pixels ({error})") from None
    names = [output.name for output in session.get_outputs()]
    return {
        name: array.shape
        for name, array in zip(names, said, strict=True)
        if isinstance(array, np.ndarray) and array.dtype == np.float32 and array.ndim >= 2 and len(array) == faces
    }


def _keep_outputs(model: ModelProto, image: ValueInfoProto, shapes: dict[str, tuple[int, ...]]) -> None:
    """Cut the other outputs off, and write down the shapes of these."""
    first = image.type.tensor_type.shape.dim[0]
    del model.graph.output[:]
    for name, shape in shapes.items():
        batch = first.dim_value if first.HasField("dim_value") else first.dim_param or "N"
        model.graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [batch, *shape[1:]]))


def _decode(path: Path, family: Family, columns: dict[str, int]) -> Decode:
    """The family's decode, reading from this file's outputs.

    Raises:
        ModelError: they are not what the family gives.
    """
    decode = family.decode
    if isinstance(decode, BinsDecode | AnglesDecode):
        whole = sum(head.count if isinstance(head, BinHead) else 1 for head in _heads(decode))
        fused = [name for name, count in columns.items() if count == whole]
        if len(fused) == 1:
            return _read_from(decode, dict.fromkeys(_ANGLES, fused[0]), fused=True)
        return _read_from(decode, _split(path, family, columns), fused=False)
    if isinstance(decode, Rot6dDecode) and (matrix := [name for name, count in columns.items() if count == 9]):
        return MatrixDecode(output=matrix[0], signs=decode.signs)
    wanted = 4 if isinstance(decode, QuaternionDecode) else 6
    found = [name for name, count in columns.items() if count == wanted]
    if len(found) != 1:
        raise _misfit(path, family, columns)
    return replace(decode, output=found[0])


def _split(path: Path, family: Family, columns: dict[str, int]) -> dict[str, str]:
    """Angle -> output, where each angle has its own: by the outputs' names, or else by the original's order."""
    counts = {
        angle: head.count if isinstance(head, BinHead) else 1
        for angle, head in zip(_ANGLES, _heads(family.decode), strict=True)
    }
    fitting = [name for name, count in columns.items() if count in counts.values()]
    named = {angle: [name for name in fitting if angle in name.lower()] for angle in _ANGLES}
    if all(len(names) == 1 for names in named.values()):
        chosen = {angle: names[0] for angle, names in named.items()}
    elif len(fitting) == len(_ANGLES):
        chosen = dict(zip(family.original_order, fitting, strict=True))
    else:
        raise _misfit(path, family, columns)
    if len(set(chosen.values())) != len(_ANGLES) or any(columns[chosen[a]] != counts[a] for a in _ANGLES):
        raise _misfit(path, family, columns)
    return chosen


def _read_from(decode: BinsDecode | AnglesDecode, outputs: dict[str, str], *, fused: bool) -> Decode:
    heads: dict[str, Any] = {}
    for angle, output in outputs.items():
        head: BinHead | AngleHead = getattr(decode, angle)
        heads[angle] = replace(head, output=output, column=head.column if fused else 0)
    return replace(decode, **heads)


def _misfit(path: Path, family: Family, columns: dict[str, int]) -> ModelError:
    heads = _heads(family.decode)
    if isinstance(family.decode, BinsDecode):
        wanted = f"{', '.join(str(head.count) for head in heads if isinstance(head, BinHead))} bins"
    else:
        wanted = {AnglesDecode: "3 angles", QuaternionDecode: "4 numbers"}.get(type(family.decode), "6 or 9 numbers")
    found = ", ".join(f"{name} with {count}" for name, count in columns.items()) or "none of a known width"
    return ModelError(f"{path} does not give what {family.name} does, {wanted} a face; its outputs are {found}")


def _heads(decode: Decode) -> tuple[Any, ...]:
    return (decode.yaw, decode.pitch, decode.roll) if isinstance(decode, BinsDecode | AnglesDecode) else (decode,)


def _notes(model: ModelProto, image: ValueInfoProto, columns: dict[str, int], spec: ModelSpec) -> list[str]:
    batch = _shape(image)[0]
    notes = [f"input {image.name!r}, {spec.input.dtype}, batch {batch or 'dynamic'}"]
    if isinstance(spec.decode, BinsDecode | AnglesDecode):
        notes.append("read as " + ", ".join(f"{a} from {getattr(spec.decode, a).output!r}" for a in _ANGLES))
    else:
        notes.append(f"read as {spec.decode.kind} from {spec.outputs[0]!r}")
    if unread := [name for name in columns if name not in spec.outputs]:
        notes.append(f"left out, as the angles do not depend on them: {', '.join(unread)}")
    if any(entry.key == METADATA_KEY for entry in model.metadata_props):
        notes.append("it has a spec already, which is replaced")
    return notes


def _runner(session: onnxruntime.InferenceSession, spec: ModelSpec) -> Runner:
    fixed = session.get_inputs()[0].shape[0]
    batch = fixed if isinstance(fixed, int) else 1

    def run(crops: NDArray[Any]) -> list[NDArray[np.float32]]:
        said: list[list[NDArray[np.float32]]] = []
        for at in range(0, len(crops), batch):
            rows = crops[at : at + batch]
            padded = np.concatenate([rows, np.zeros_like(rows[:1]).repeat(batch - len(rows), axis=0)])
            said.append([out[: len(rows)] for out in session.run(list(spec.outputs), {spec.input.name: padded})])
        return [np.concatenate(column) for column in zip(*said, strict=True)]

    return run
