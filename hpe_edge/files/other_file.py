"""Refusal of files by their right name, with the way from there."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Literal

from hpe_edge.errors import ModelError
from hpe_edge.files.file_type import ADOPT, FileType, file_type

Role = Literal["checkpoint", "model", "adopt", "detector"]

_WANTED: dict[Role, str] = {
    "checkpoint": "a checkpoint",
    "model": "a model that runs",
    "adopt": "an ONNX model",
    "detector": "the ONNX or .hpe file of a face detector",
}
_WEIGHTS = ("torch", "torchscript", "hdf5", "keras", "safetensors", "pickle")
_TAKEN: dict[Role, tuple[str, ...]] = {
    "checkpoint": ("torch", "torchscript", "hdf5", "tflite", "safetensors", "pickle", "empty", "keras", "zip"),
    "model": ("onnx", "openvino", "native", "empty"),
    "adopt": ("onnx", "openvino", "empty"),
    "detector": ("onnx", "native", "empty"),
}

_EXPORT = "convert it: hpe-edge export onnx {path}"
_ONNX_CHECKPOINT = (
    "one made by this tool runs as it is, any other can be adopted: hpe-edge export onnx --adopt {path} --arch NAME"
)
_ENGINE = "an engine cannot be converted back; name the ONNX file or the checkpoint that it was made from"
_NATIVE = "it cannot be converted back; name the ONNX file or the checkpoint that it was made from"
_NUMPY = (
    "save its arrays as a state dict where the network's code is: "
    "torch.save({key: torch.from_numpy(array) for ...}, 'weights.pth')"
)
_IR_DETECTOR = "name its ONNX file, or pass its boxes"
_ADVICE: dict[tuple[Role, str], str] = {
    ("checkpoint", "onnx"): _ONNX_CHECKPOINT,
    ("checkpoint", "openvino"): "adopt it: hpe-edge export onnx --adopt {path} --arch NAME",
    ("detector", "openvino"): _IR_DETECTOR,
    ("detector", "opencv"): "Haar cascades are OpenCV's own: hpe_edge has one by the name haar",
    ("model", "plan"): "an engine of hpe-edge export trt is named by its .engine, which has a .json beside it",
    **{("model", key): _EXPORT for key in _WEIGHTS},
    **{("adopt", key): "name it as CHECKPOINT, without --adopt" for key in _WEIGHTS},
    **{("detector", key): "export the detector to ONNX where its code is" for key in _WEIGHTS},
    **{(role, key): _NUMPY for role in _WANTED for key in ("npz", "numpy")},
    **{(role, "native"): _NATIVE for role in ("checkpoint", "adopt")},
    **{(role, "plan"): _ENGINE for role in ("checkpoint", "adopt", "detector")},
}


def refuse_other_file(path: Path, role: Role) -> None:
    """Refuse a file of a known type that cannot be used here.

    Args:
        path: the file.
        role: the place that it was given in.

    Raises:
        ModelError: it is of another type; the message names it and the way from there.
    """
    found = file_type(path)
    if found is None or found.key in _TAKEN[role]:
        return
    raise ModelError(f"{path} is not {_WANTED[role]} but {_described(found, role, path)}")


def _described(found: FileType, role: Role, path: Path) -> str:
    advice = _ADVICE.get((role, found.key), found.advice).replace("{path}", shlex.quote(str(path)))
    if role == "detector":
        advice = advice.removesuffix(ADOPT)
    return f"{found.name}; {advice}" if advice else found.name
