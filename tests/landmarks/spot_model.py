"""A network whose heatmaps are the crop itself: each channel's brightest spot is a landmark."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge.spec import METADATA_KEY, Crop, Heatmaps, Input, ModelSpec, Visibility

SIZE = 64


def spot_spec(crop: Crop) -> ModelSpec:
    return replace(
        tiny_spec(SIZE),
        input=Input(size=SIZE, color="RGB", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3),
        crop=crop,
        outputs=("logits", "maps", "seen"),
        landmarks=Heatmaps("maps", 3, SIZE, names=("red", "green", "blue")),
        visibility=Visibility("seen", activation="sigmoid"),
    )


def spot_model(path: Path) -> onnx.ModelProto:
    """The tiny network with two more outputs: the image as heatmaps, and ten times each channel's mean less 1."""
    model = onnx.load(write_tiny_model(path, SIZE))
    model.graph.node.extend(
        [
            helper.make_node("Identity", ["levels"], ["maps"]),
            helper.make_node("Mul", ["flat", "ten"], ["tenfold"]),
            helper.make_node("Sub", ["tenfold", "one"], ["seen"]),
        ]
    )
    for name, value in (("ten", 10.0), ("one", 1.0)):
        model.graph.initializer.append(numpy_helper.from_array(np.float32([value]), name))
    for name, shape in (("maps", ["N", 3, SIZE, SIZE]), ("seen", ["N", 3])):
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    return model


def write_spot_model(path: Path, crop: Crop) -> Path:
    model = spot_model(path)
    helper.set_model_props(model, {METADATA_KEY: spot_spec(crop).to_json()})
    onnx.save(model, str(path))
    return path


def frame_with_spots(height: int, width: int, spots: np.ndarray, deviation: float) -> np.ndarray:
    """A BGR frame with a red, a green and a blue Gaussian about ``spots`` [3, 2], x y from the frame's corner."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    away = (columns[..., None] - spots[:, 0]) ** 2 + (rows[..., None] - spots[:, 1]) ** 2
    rgb = 255 * np.exp(-away / (2 * deviation**2))
    return np.ascontiguousarray(np.rint(rgb[..., ::-1]).astype(np.uint8))
