"""A TensorRT engine of the tiny network, on the doubles of CUDA and TensorRT."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from fake_tensorrt import fake_plan, retype_input
from onnx import helper, numpy_helper
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge.backends.tensorrt.plan_file import EngineInfo, InputFormat, digest, sidecar
from hpe_edge.spec import SigmaCalibration


def take_pixels(model: onnx.ModelProto) -> None:
    """Give the tiny network an FP16 input of 8 channels, of which it ignores five."""
    retype_input(model)
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 8
    kernel = numpy_helper.from_array(np.eye(3, 8, dtype=np.float32)[:, :, None, None], "kernel")
    model.graph.initializer.append(kernel)
    wide = model.graph.node[0].output[0]
    model.graph.node[1].input[0] = "colors"
    model.graph.node.insert(1, helper.make_node("Conv", [wide, "kernel"], ["colors"]))


def write_engine(
    folder: Path,
    profile: tuple[int, int, int] = (1, 4, 16),
    sigma: SigmaCalibration | None = None,
    input_format: InputFormat = "linear",
) -> Path:
    """Write ``tiny.onnx``, and ``tiny.engine`` with its description, which the doubles load."""
    model, spec = onnx.load(write_tiny_model(folder / "tiny.onnx")), tiny_spec()
    if input_format == "hwc8":
        take_pixels(model)
        spec = replace(spec, input=replace(spec.input, dtype="float16"))
    plan = fake_plan(model, "10.3.0", profile, format=input_format.upper())
    info = EngineInfo(
        spec=replace(spec, sigma=sigma),
        tensorrt="10.3.0",
        gpu="Fake GPU",
        compute_capability="8.7",
        precision="fp16",
        profile=profile,
        plan_bytes=len(plan),
        plan_sha256=digest(plan),
        rebuild="hpe-edge export trt tiny.onnx",
        input_format=input_format,
    )
    path = folder / "tiny.engine"
    path.write_bytes(plan)
    sidecar(path).write_text(info.to_json())
    return path
