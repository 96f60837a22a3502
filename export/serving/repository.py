"""Files of a Triton model repository."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.serving.model_config import ServerBackend, Serving, frame_config, network_config, stream_config
from hpe_edge.backends.tensorrt.plan_file import read_info
from hpe_edge.errors import InputError, ModelNotFoundError
from hpe_edge.spec import ModelSpec
from hpe_edge.triton import layout
from hpe_edge.util.atomic import Pending, output_error

_MODULES = {"network": "NetworkModel", "frame": "FrameModel", "stream": "StreamModel"}

_MODEL = '''\
"""Model of a Triton repository that hpe-edge export triton wrote; the code is hpe_edge.triton.{part}_model."""

import sys

try:
    from hpe_edge.triton.{part}_model import {name} as TritonPythonModel  # noqa: F401
except ModuleNotFoundError as error:
    if not (error.name or "").startswith("hpe_edge"):
        raise
    raise ModuleNotFoundError(
        f"this model needs hpe_edge with hpe_edge.triton in the server's Python, {{sys.executable}} "
        f"({{error}}): pip install hpe-edge"
    ) from None
'''


def write_repository(
    folder: Pending, model: Path, spec: ModelSpec, outputs: Sequence[tuple[str, Sequence[int]]], serving: Serving
) -> list[str]:
    """Write the three models into a new folder; returns their names.

    Args:
        folder: of the repository, not yet under its name.
        model: the ONNX file or the plan, which is copied unchanged.
        spec, outputs: see :func:`export.serving.model_config.network_config`.
        serving: the settings.

    Raises:
        OutputError: disk full, or another failure of the file system.
    """
    configs = {
        "network": network_config(serving, spec, outputs),
        "frame": frame_config(serving),
        "stream": stream_config(serving),
    }
    if serving.backend == "tensorrt":
        _profiles(configs["network"], model)
    try:
        for part, config in configs.items():
            version = folder.temp / config.name / "1"
            version.mkdir(parents=True)
            (version.parent / "config.pbtxt").write_text(_text(config), encoding="utf-8")
            if config.backend == "python":
                source = _MODEL.format(part=part, name=_MODULES[part])
                (version / "model.py").write_text(source, encoding="utf-8")
            if part == "network":
                shutil.copyfile(model, version / (config.default_model_filename or layout.ONNX_FILE))
            else:
                (version / layout.SPEC_FILE).write_text(spec.to_json(indent=2), encoding="utf-8")
    except OSError as error:
        raise output_error(folder.path, error) from None
    return [config.name for config in configs.values()]


def read_model(model: Path, backend: ServerBackend) -> tuple[ModelSpec, list[tuple[str, Sequence[int]]], int | None]:
    """Read a model's spec, its outputs (none of a plan) and its largest batch (None for any).

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: it is no model with a spec.
        InputError: the server's backend cannot batch it, or the plan's input has another layout than planes.
    """
    if not model.is_file():
        step = "trt MODEL.onnx" if backend == "tensorrt" else "onnx CHECKPOINT"
        raise ModelNotFoundError(f"there is no model {model}; make one with hpe-edge export {step} -o {model}")
    if backend == "tensorrt":
        info = read_info(model)
        if info.channels_last:
            raise InputError(
                f"{model} takes its input as {info.input_format}, clients send planes; build it again without "
                "--input-format"
            )
        return info.spec, [], info.profile[2]
    from hpe_edge.backends.onnx.session import OnnxRuntimeBackend

    network = OnnxRuntimeBackend(model)
    try:
        if network.fixed_batch and backend == "onnxruntime":
            raise InputError(
                f"{model} has a fixed batch of {network.max_batch}, with which the server cannot batch requests; "
                "export it again without --batch, or take --backend python, which pads"
            )
        outputs = [(each.name, each.shape[1:]) for each in network.session.get_outputs()]
        order = network.spec.outputs
        return network.spec, sorted(outputs, key=lambda named: order.index(named[0])), None
    finally:
        network.close()


def _profiles(config: Any, plan: Path) -> None:
    """Name all optimisation profiles of a plan; the server takes the nearest one for each batch."""
    from hpe_edge.backends.tensorrt.buckets import optimization_profiles

    count = len(optimization_profiles(read_info(plan).profile))
    config.instance_group[0].profile.extend(str(index) for index in range(count))


def _text(config: Any) -> str:
    from google.protobuf import text_format

    return str(text_format.MessageToString(config))
