"""Configuration of DeepStream's nvinfer for the pose model, and the probe's settings."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from export.deepstream.files.head_pose_probe import FORMAT, Settings
from hpe_edge.boxes.box_fit import BoxFit
from hpe_edge.spec import ModelSpec

ONNX_FILE, SPEC_FILE = "head_pose.onnx", "head_pose.spec.json"

_MODES = {"fp32": (0, "fp32"), "int8": (1, "int8"), "int8+fp16": (1, "int8"), "fp16": (2, "fp16")}
_BILINEAR, _ON_GPU = 1, 1  # NvBufSurfTransformInter_Bilinear, NvBufSurfTransformCompute_GPU

_HEADER = """\
# Secondary nvinfer for head poses, written by hpe-edge export deepstream. Not run on DeepStream.
# The probes of head_pose_probe.py belong to it: they put the model's crop in the place of the detector's boxes.
"""
_INT8 = """\
# nvinfer builds no engine of a graph with its own INT8 scales (Q/DQ). Build it first, in this folder:
#   {command}
"""
_LABELS = """\

# Angles as labels, without Python, once the library of parser/ is built. The crop is still the probe's.
#network-type=1
#classifier-threshold=0
#secondary-reinfer-interval=0
#custom-lib-path=libhpe_deepstream.so
#parse-classifier-func-name=NvDsInferParseHeadPose
"""


@dataclass(frozen=True)
class Place:
    """Place of the model in a pipeline; see :func:`export.deepstream.export`."""

    max_batch: int
    gie_id: int
    detector_id: int
    face_class: int | None


def nvinfer_config(spec: ModelSpec, place: Place, float32_layers: Sequence[str]) -> str:
    """Return the configuration file.

    Args:
        spec: the variant's, whose input takes levels.
        place: where it runs.
        float32_layers: layers to be kept in FP32 in an FP16 engine.
    """
    mode, named = _MODES[spec.precision]
    size = spec.input.size
    engine = f"{ONNX_FILE}_b{place.max_batch}_gpu0_{named}.engine"
    keys: dict[str, Any] = {
        "gpu-id": 0,
        "gie-unique-id": place.gie_id,
        "process-mode": 2,
        "network-type": 100,
        "output-tensor-meta": 1,
        "operate-on-gie-id": place.detector_id,
        **({} if place.face_class is None else {"operate-on-class-ids": place.face_class}),
        "onnx-file": ONNX_FILE,
        "model-engine-file": engine,
        "batch-size": place.max_batch,
        "network-mode": mode,
        "infer-dims": f"3;{size};{size}",
        "model-color-format": ("RGB", "BGR").index(spec.input.color),
        "net-scale-factor": 1,
        "offsets": "0;0;0",
        # A crop that the frame cuts keeps its shape, in black, unless the model's own crop is stretched.
        "maintain-aspect-ratio": int(spec.crop.square != "none" and not spec.crop.clip),
        "symmetric-padding": 1,
        "scaling-filter": _BILINEAR,
        "scaling-compute-hw": _ON_GPU,
    }
    if named == "fp16":
        keys["layer-device-precision"] = ";".join(f"{name}:fp32:gpu" for name in float32_layers)
    lines = "".join(f"{key}={value}\n" for key, value in keys.items())
    build = _INT8.format(command=trtexec(spec, place, engine)) if mode == 1 else ""
    return f"{_HEADER}{build}\n[property]\n{lines}{_LABELS}"


def trtexec(spec: ModelSpec, place: Place, engine: str) -> str:
    """Return the command that builds an engine for nvinfer of a graph with Q/DQ."""
    size, name = spec.input.size, spec.input.name
    shapes = " ".join(
        f"--{kind}Shapes={name}:{count}x3x{size}x{size}"
        for kind, count in (("min", 1), ("opt", place.max_batch), ("max", place.max_batch))
    )
    return f"trtexec --onnx={ONNX_FILE} {shapes} --int8 --fp16 --saveEngine={engine}"


def probe_settings(original: ModelSpec, place: Place, fit: BoxFit) -> str:
    """Return the content of ``head_pose.json``; the limit on sigma is the original's."""
    settings = Settings(
        gie_id=place.gie_id,
        detector_id=place.detector_id,
        face_class=place.face_class,
        fit=(fit.width, fit.height, fit.down),
        margins=original.crop.margins,
        square=original.crop.square,
        sigma_limit_deg=None if original.sigma is None else original.sigma.limit_deg,
    )
    return json.dumps({"format": FORMAT, **asdict(settings)}, indent=2) + "\n"
