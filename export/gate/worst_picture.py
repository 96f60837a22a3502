"""Picture of the crops that moved most: each twice, with the pose of the original and of the result."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.gate.comparison import Faces, Worst
from export.gate.gate import select
from hpe_edge.drawing.draw_poses import draw_poses
from hpe_edge.opencv.lazy import cv2
from hpe_edge.poses import Poses
from hpe_edge.spec import Input

_TILE = 224  # side of a crop in the picture
_STRIP = 40  # height of the text below
_COLUMNS = 3
_TEXT_SCALE = 0.42
_LONGEST_TEXT = 56  # characters that fit below two tiles

Image = NDArray[np.uint8]


def draw_worst(worst: Worst, faces: Faces, input: Input) -> bytes:
    """Draw the worst crops of a comparison.

    Args:
        worst: of the comparison.
        faces: the crops that it was made on.
        input: of the model's spec, to make pixels of the crops.

    Returns:
        A PNG file: rows of three faces, the worst first; of each the original's pose on the left, the result's on the
        right, and the distance and the picture's name below.
    """
    cells = []
    for at, row in enumerate(worst.rows.tolist()):
        pixels = _pixels(faces.crops[row], input)
        one = np.array([at])
        pair = [_with_pose(pixels, select(poses, one)) for poses in (worst.reference, worst.candidate)]
        strip = np.full((_STRIP, 2 * _TILE, 3), 255, np.uint8)
        label = worst.labels[at].encode("ascii", "replace").decode()[-_LONGEST_TEXT:]
        for line, text in enumerate((f"{worst.distance_deg[at]:.2f} degrees", label)):
            cv2.putText(
                strip, text, (4, 15 + 17 * line), cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, (0, 0, 0), 1, cv2.LINE_AA
            )
        cells.append(np.concatenate([np.concatenate(pair, axis=1), strip]))
    blank = np.full_like(cells[0], 255)
    cells += [blank] * (-len(cells) % _COLUMNS)
    rows = [np.concatenate(cells[at : at + _COLUMNS], axis=1) for at in range(0, len(cells), _COLUMNS)]
    return bytes(cv2.imencode(".png", np.concatenate(rows))[1])


def _pixels(crop: NDArray[np.floating], input: Input) -> Image:
    """Undo the normalization: uint8 ``[tile, tile, 3]``, BGR."""
    mean, std = (np.array(values).reshape(3, 1, 1) for values in (input.mean, input.std))
    levels = (crop.astype(np.float64) * std + mean) / input.scale
    image = np.ascontiguousarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8).transpose(1, 2, 0))
    if input.color == "RGB":
        image = np.ascontiguousarray(image[:, :, ::-1])
    tile: Image = np.asarray(cv2.resize(image, (_TILE, _TILE), interpolation=cv2.INTER_LINEAR))
    return tile


def _with_pose(pixels: Image, pose: Poses) -> Image:
    tile: Image = pixels.copy()
    draw_poses(tile, pose, boxes=np.array([[_TILE / 4, _TILE / 4, 3 * _TILE / 4, 3 * _TILE / 4]]))
    return tile
