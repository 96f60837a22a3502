"""Kinds of ONNX graphs that are not the expected ones, by their inputs and outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

_MANY_ROWS = 200
_YOLO_COLUMNS = (5, 6, 15, 16, 20)  # box, scores, and five points of two or three numbers

Shape = Sequence[int | str | None]


def graph_kind(input_shapes: Sequence[Shape], outputs: Sequence[tuple[str, Shape]]) -> str | None:
    """Name a published face detector by its graph's ends.

    Args:
        input_shapes: of the inputs.
        outputs: names and shapes of the outputs.

    Returns:
        Its name; None for an unknown graph, such as a head-pose network.
    """
    if len(input_shapes) != 1 or len(input_shapes[0]) != 4:
        return None
    names = {name.lower() for name, _ in outputs}
    columns = Counter(shape[-1] for _, shape in outputs if shape)
    if len(outputs) in (6, 9) and columns in (Counter({1: 3, 4: 3}), Counter({1: 3, 4: 3, 10: 3})):
        return "SCRFD"
    if len(outputs) == 12 and columns == Counter({1: 6, 4: 3, 10: 3}):
        return "YuNet"
    if len(outputs) == 12 and columns == Counter({1: 4, 4: 4, 10: 4}):
        return "a face detector of hpe-edge export detector"
    if columns == Counter({14: 1, 2: 1, 1: 1}):
        return "YuNet of 2021 or 2022"
    if columns == Counter({2: 1, 4: 1}) and len(outputs) == 2:
        return "UltraFace"
    if columns == Counter({4: 1, 2: 1, 10: 1}):
        return "RetinaFace"
    if names >= {"face_rpn_bbox_pred_stride8", "face_rpn_landmark_pred_stride8"} or (
        len(outputs) == 9 and any("rpn" in name for name in names)
    ):
        return "RetinaFace of InsightFace"
    if columns in (Counter({16: 2, 1: 2}), Counter({16: 1, 1: 1})):
        return "BlazeFace"
    if names == {"logit_box"} and columns == Counter({5: 1}):
        return "opentrack's localizer"
    maps = Counter(shape[1] for _, shape in outputs if len(shape) == 4)
    if len(outputs) == 4 and maps == Counter({1: 1, 2: 2, 10: 1}):
        return "CenterFace"
    if len(outputs) in (1, 3, 4) and _is_yolo(outputs):
        return "YOLO-face"
    return None


def _is_yolo(outputs: Sequence[tuple[str, Shape]]) -> bool:
    """One table of many rows with box, score and points, or grids of them."""
    if len(outputs) == 1:
        shape = outputs[0][1]
        sides = [side for side in shape[1:] if isinstance(side, int)]
        many = len(sides) < 2 or max(sides) > _MANY_ROWS
        return len(shape) == 3 and many and any(side in _YOLO_COLUMNS for side in sides)
    return all(len(shape) in (4, 5) and shape[2] != 1 for _, shape in outputs)
