"""Face detectors small enough for every test: each grid is one convolution whose patches are the cells, so that every
cell looks at its own pixels; and the same in float64.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)


def weights(stride: int, columns: int, per_cell: int, which: int) -> np.ndarray:
    """[per_cell * columns, 3, stride, stride], for pixel values near 1."""
    rng = np.random.default_rng([stride, columns, which])
    return rng.normal(0, 1.5 / stride, (per_cell * columns, 3, stride, stride)).astype(np.float32)


def write_grid_model(
    path: Path,
    outputs: tuple[int, ...],
    per_cell: int,
    *,
    size_hw: tuple[int, int] | None,
    gain: float = 1.0,
    offset: float = 0.0,
    score_op: str = "Sigmoid",
    batched: bool = True,
    strides: tuple[int, ...] = STRIDES,
) -> Path:
    """Write a model whose grids give outputs of these columns; ``size_hw`` None leaves the size open.

    Convolutions see ``(input - offset) * gain``. Names say nothing, and the order is neither by stride nor by columns.
    """
    nodes = [
        helper.make_node("Sub", ["in", "offset"], ["shifted"]),
        helper.make_node("Mul", ["shifted", "gain"], ["x"]),
    ]
    constants = [
        numpy_helper.from_array(np.float32(gain), "gain"),
        numpy_helper.from_array(np.float32(offset), "offset"),
    ]
    names = []
    for stride in (*strides[1:], strides[0]):
        for which, columns in reversed(list(enumerate(outputs))):
            name = f"o{len(names)}"
            names.append((name, columns))
            shape = [0, -1, columns] if batched else [-1, columns]
            constants.append(numpy_helper.from_array(weights(stride, columns, per_cell, which), f"w{name}"))
            constants.append(numpy_helper.from_array(np.array(shape), f"s{name}"))
            last = "r" + name if columns == 1 else name
            nodes += [
                helper.make_node("Conv", ["x", f"w{name}"], [f"c{name}"], strides=[stride] * 2),
                helper.make_node("Transpose", [f"c{name}"], [f"t{name}"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"t{name}", f"s{name}"], [last]),
            ]
            if last != name:
                nodes.append(helper.make_node(score_op, [last], [name]))
    graph = helper.make_graph(
        nodes,
        "grids",
        [
            helper.make_tensor_value_info(
                "in", TensorProto.FLOAT, ["n", 3, "h", "w"] if size_hw is None else [1, 3, *size_hw]
            )
        ],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, None, c] if batched else [None, c])
            for name, c in names
        ],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


PRIORS = {8: (10, 16, 24), 16: (32, 48), 32: (64, 96), 64: (128, 192, 256)}


def write_prior_model(
    path: Path, *, size_hw: tuple[int, int] = (120, 160), softmax: bool = True, fixed: bool = False
) -> Path:
    """Write a model of the outputs of YuNet until 2022: loc, conf and iou, a row per prior, grid after grid.

    Convolutions see ``(input - 127.5) / 128``. ``fixed``: the graph reshapes to the rows of ``size_hw``.
    """
    constants = [
        numpy_helper.from_array(np.float32(1 / 128), "gain"),
        numpy_helper.from_array(np.float32(127.5), "offset"),
    ]
    nodes = [
        helper.make_node("Sub", ["input", "offset"], ["shifted"]),
        helper.make_node("Mul", ["shifted", "gain"], ["x"]),
    ]
    rows = sum(size_hw[0] // stride * (size_hw[1] // stride) * len(sides) for stride, sides in PRIORS.items())
    for which, (name, columns) in enumerate((("loc", 14), ("conf", 2), ("iou", 1))):
        parts = []
        for stride, sides in PRIORS.items():
            at = f"{name}_{stride}"
            parts.append(at)
            constants.append(numpy_helper.from_array(weights(stride, columns, len(sides), which), f"w{at}"))
            constants.append(numpy_helper.from_array(np.array([1, -1, columns]), f"s{at}"))
            nodes += [
                helper.make_node("Conv", ["x", f"w{at}"], [f"c{at}"], kernel_shape=[stride] * 2, strides=[stride] * 2),
                helper.make_node("Transpose", [f"c{at}"], [f"t{at}"], perm=[0, 2, 3, 1]),
                helper.make_node("Reshape", [f"t{at}", f"s{at}"], [at]),
            ]
        constants.append(numpy_helper.from_array(np.array([1, rows if fixed else -1, columns]), f"s{name}"))
        nodes.append(helper.make_node("Concat", parts, [f"all_{name}"], axis=1))
        last = f"raw_{name}" if name == "conf" and softmax else name
        nodes.append(helper.make_node("Reshape", [f"all_{name}", f"s{name}"], [last]))
        if last != name:
            nodes.append(helper.make_node("Softmax", [last], [name], axis=2))
    graph = helper.make_graph(
        nodes,
        "priors",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, *size_hw])],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, rows, columns])
            for name, columns in (("loc", 14), ("conf", 2), ("iou", 1))
        ],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def grid_numbers(picture: np.ndarray, stride: int, columns: int, per_cell: int, which: int) -> np.ndarray:
    """The model's output for ``picture`` [3, H, W], already shifted and scaled: [rows, cols, per_cell, columns]."""
    kernel = weights(stride, columns, per_cell, which).astype(np.float64)
    rows, cols = picture.shape[1] // stride, picture.shape[2] // stride
    out = np.empty((rows, cols, per_cell, columns))
    for row in range(rows):
        for col in range(cols):
            patch = picture[:, row * stride : (row + 1) * stride, col * stride : (col + 1) * stride]
            out[row, col] = (kernel * patch).sum(axis=(1, 2, 3)).reshape(per_cell, columns)
    return out


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


Face = tuple[float, list[float], list[tuple[float, float]]]  # score, box, key points


def plain_nms(faces: list[Face], iou: float) -> list[Face]:
    """Best first; out goes what overlaps one that stays by more than ``iou``. Then left to right."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -face[0]):
        if all(plain_iou(face[1], other[1]) <= iou for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda face: face[1][0])


def plain_iou(a: list[float], b: list[float]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return width * height / (both - width * height)
