"""The libraries that a model can be converted for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from hpe_edge.errors import InputError

TargetName = Literal["ncnn", "mnn", "openvino-ir", "tflite", "rknn"]

PLATFORM = "rk3588"

_NO_FP16 = {"use_fp16_packed": False, "use_fp16_storage": False, "use_fp16_arithmetic": False}


@dataclass(frozen=True)
class Target:
    """A library, its converter, and what a file for it can be.

    Attributes:
        library: the runtime's name.
        suffixes: of the files; the first is the one that ``output`` names.
        worker: module of :mod:`export.edge.workers`.
        packages: of PyPI, with the converter and the runtime.
        extra: of this project that installs them; empty where they need an environment of their own, because their
            versions of other packages do not fit the project's.
        any_batch: files keep the model's batch; otherwise they take one face.
        fp16: the precision of the weights: ``"option"``, FP16 on request; ``"never"``; or ``"always"``, where the
            device computes in FP16.
        int8: files of ``export.int8`` can be converted.
        one_process: the runtime runs what the converter holds in memory, not the file.
        sums_as_means: see :func:`export.edge.edge_graph.sums_as_means`.
        refused: regular expressions of messages about an operator; the first group holds its name, or several.
        settings: of the runtime, with which the gate ran: precision -> name -> value.
    """

    library: str
    suffixes: tuple[str, ...]
    worker: str
    packages: tuple[str, ...]
    extra: str
    any_batch: bool
    fp16: Literal["option", "never", "always"]
    int8: bool
    refused: tuple[str, ...]
    one_process: bool = False
    sums_as_means: bool = False
    settings: Mapping[str, Mapping[str, str | bool]] = field(default_factory=dict)

    def installation(self) -> str:
        """The command that installs the packages."""
        if self.extra:
            return f"pip install 'hpe-edge[{self.extra}]'"
        folder = self.packages[0].partition("-")[0]
        return (
            f"python -m venv {folder} && {folder}/bin/pip install {' '.join(self.packages)}; then add --python "
            f"{folder}/bin/python"
        )


TARGETS: dict[TargetName, Target] = {
    "ncnn": Target(
        library="ncnn",
        suffixes=(".param", ".bin"),
        worker="ncnn_worker",
        packages=("pnnx", "ncnn"),
        extra="ncnn",
        any_batch=False,
        fp16="option",
        int8=False,
        sums_as_means=True,
        refused=(r"^todo (\w+)", r"^layer (\S+) not exists"),
        settings={"fp32": _NO_FP16},
    ),
    "mnn": Target(
        library="MNN",
        suffixes=(".mnn",),
        worker="mnn_worker",
        packages=("MNN",),
        extra="mnn",
        any_batch=True,
        fp16="option",
        int8=False,
        refused=(r"These Op Not Support: (.*)",),
        settings={"fp32": {"precision": "high"}, "fp16": {"precision": "high"}},
    ),
    "openvino-ir": Target(
        library="OpenVINO",
        suffixes=(".xml", ".bin"),
        worker="openvino_worker",
        packages=("openvino",),
        extra="openvino",
        any_batch=True,
        fp16="option",
        int8=True,
        refused=(r"No conversion rule found for operations: (.*)",),
        settings={name: {"INFERENCE_PRECISION_HINT": "f32"} for name in ("fp32", "fp16", "int8")},
    ),
    "tflite": Target(
        library="LiteRT",
        suffixes=(".tflite",),
        worker="tflite_worker",
        packages=("onnx2tf", "ai-edge-litert"),
        extra="",
        any_batch=False,
        fp16="never",
        int8=False,
        refused=(r"unresolved custom op: (\w+)",),
    ),
    "rknn": Target(
        library="RKNN",
        suffixes=(".rknn",),
        worker="rknn_worker",
        packages=("rknn-toolkit2",),
        extra="",
        any_batch=False,
        fp16="always",
        int8=False,
        # Such an operator is left to code of the user's on the board, though the simulator runs it.
        refused=(r"node type = (\w+), use CustomOperatorLower",),
        one_process=True,
    ),
}


def find_target(to: str) -> Target:
    """Look a target up.

    Raises:
        InputError: there is none of that name.
    """
    if to not in TARGETS:
        raise InputError(f"--to must be one of {', '.join(get_args(TargetName))}, got {to!r}")
    return TARGETS[to]
