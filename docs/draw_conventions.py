"""Draws docs/images/conventions.png: the two frames, and what the sign of each angle looks like.

    python docs/draw_conventions.py

The head is made of ellipsoids; axes, box and angles are drawn by hpe_edge.drawing.draw_poses, as on any photo.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge import Poses
from hpe_edge.drawing.draw_poses import axis_ends, draw_poses
from hpe_edge.geometry import rotation_from_euler

PICTURE = Path(__file__).resolve().parent / "images" / "conventions.png"

Image = NDArray[np.uint8]
Array = NDArray[np.float64]
Color = tuple[int, int, int]  # BGR
Point = tuple[float, float]

NAMES = ("x", "y", "nose")

TILE, CAPTION, GAP = 300, 62, 8
FINER = 2  # drawn so many times larger, then averaged: smooth edges and text

PAPER, GROUND, INK, FAINT = (255, 255, 255), (222, 218, 214), (40, 40, 40), (130, 130, 130)
RED, GREEN, BLUE = (40, 40, 215), (40, 140, 20), (235, 80, 20)


@dataclass(frozen=True)
class Ellipsoid:
    """A part of the head, in the head's frame: x to the image's right, y to the chin, z to the back of the head."""

    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    color: Color


_SKIN, _HAIR, _WHITE, _DARK, _LIPS = (165, 190, 226), (52, 66, 92), (252, 252, 252), (60, 40, 30), (95, 95, 190)
HEAD = (
    Ellipsoid((0, 0, 0), (0.72, 0.98, 0.84), _SKIN),
    Ellipsoid((0, -0.17, 0.17), (0.77, 0.89, 0.84), _HAIR),
    Ellipsoid((0, 0.12, -0.86), (0.12, 0.2, 0.24), _SKIN),
    Ellipsoid((0, 0.52, -0.66), (0.22, 0.045, 0.09), _LIPS),
    *(Ellipsoid((0.29 * side, -0.1, -0.71), (0.13, 0.085, 0.09), _WHITE) for side in (-1, 1)),
    *(Ellipsoid((0.29 * side, -0.1, -0.77), (0.06, 0.065, 0.05), _DARK) for side in (-1, 1)),
    *(Ellipsoid((0.27 * side, -0.27, -0.73), (0.17, 0.03, 0.06), _HAIR) for side in (-1, 1)),
    *(Ellipsoid((0.75 * side, 0.02, 0.0), (0.08, 0.2, 0.13), _SKIN) for side in (-1, 1)),
)
# A pyramid from the camera's centre to its picture, in units of a tile.
_CAMERA_FACES = (
    ((0, 0, 0), (-0.11, -0.08, 0.13), (0.11, -0.08, 0.13)),
    ((0, 0, 0), (-0.11, 0.08, 0.13), (0.11, 0.08, 0.13)),
    ((-0.11, -0.08, 0.13), (0.11, -0.08, 0.13), (0.11, 0.08, 0.13), (-0.11, 0.08, 0.13)),
)
_LIGHT = np.array([-0.35, -0.5, -0.79])  # from the camera's left, above


def draw_head(canvas: Image, center: Point, size: float, rotation: NDArray[np.floating]) -> None:
    """Paint the head, seen from far away, about ``center``; ``size`` is half its height in pixels."""
    x, y = np.meshgrid(np.arange(canvas.shape[1]) - center[0], np.arange(canvas.shape[0]) - center[1])
    # A ray along z, in the head's frame: start + depth * direction.
    start = np.stack([x, y, np.zeros_like(x)], axis=-1) / size @ rotation
    direction = rotation.T @ np.array([0.0, 0.0, 1.0])
    nearest = np.full(x.shape, np.inf)
    for part in HEAD:
        from_center, along = (start - np.array(part.center)) / part.radii, direction / np.array(part.radii)
        a, b = along @ along, from_center @ along
        root = b * b - a * ((from_center**2).sum(axis=-1) - 1)
        depth = np.where(root >= 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
        seen = depth < nearest
        normal = (from_center[seen] + depth[seen, None] * along) / part.radii @ rotation.T
        bright = 0.72 + 0.33 * np.clip(normal @ _LIGHT / np.linalg.norm(normal, axis=-1), -1, 1)
        canvas[seen] = np.clip(bright[:, None] * part.color, 0, 255).astype(np.uint8)
        nearest[seen] = depth[seen]


def write(canvas: Image, text: str, at: Point, height: float, color: Color = INK, bold: bool = False) -> None:
    """Text centred on ``at``; ``height`` is that of a capital in pixels."""
    scale, thickness = height / 22, max(1, round(height / (6 if bold else 10)))
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thickness)
    corner = (round(at[0] - wide / 2), round(at[1] + high / 2))
    cv2.putText(canvas, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, color, thickness, cv2.LINE_AA)


def arrow(canvas: Image, start: Array, step: Array, color: Color, name: str) -> None:
    """An arrow with its name beyond its tip."""
    end, length = start + step, float(np.linalg.norm(step))
    tip = 11 * FINER / length
    cv2.arrowedLine(canvas, _pixel(start), _pixel(end), color, round(2.5 * FINER), cv2.LINE_AA, tipLength=tip)
    _name(canvas, end, step / length, color, name)


def pose_tile(angles_deg: tuple[float, float, float], title: str, words: str) -> Image:
    """The head in one pose, drawn on as ``hpe-edge run`` does, and what it shows."""
    canvas, side = _tile(title, words), TILE * FINER
    rotation = rotation_from_euler(np.array([angles_deg], np.float32))
    middle, half = np.array([0.5, 0.5]) * side, 0.25 * side
    draw_head(canvas, (middle[0], middle[1]), half, rotation[0])
    reach = np.array([0.9, 1.0]) * half
    draw_poses(
        canvas,
        Poses(np.array([angles_deg], np.float32), np.full((1, 3), np.nan, np.float32), rotation),
        boxes=np.array([[*(middle - reach), *(middle + reach)]]),
    )
    for end, color, name in zip(axis_ends(rotation[0], 1.5 * half), (RED, GREEN, BLUE), NAMES, strict=True):
        length = float(np.linalg.norm(end))
        if length > 0:
            _name(canvas, middle + end, end / length, color, name)
    return canvas


def scene_tile() -> Image:
    """The camera and a head that looks into it, and the frames of both."""
    canvas, side = _tile("the two frames", "parallel at R = identity"), TILE * FINER
    view = rotation_from_euler(
        np.array([48.0, -32.0, 0.0])
    )  # the onlooker stands behind the camera, to its right, above it
    camera = np.array([0.13, 0.64]) * side
    head = camera + 0.66 * side * view[:2, 2] / np.linalg.norm(view[:2, 2])
    for share in np.linspace(0, 1, 30):
        cv2.circle(canvas, _pixel(camera + share * (head - camera)), FINER, FAINT, cv2.FILLED, cv2.LINE_AA)
    for corners in _CAMERA_FACES:
        face = np.array([_pixel(camera + side * (view @ corner)[:2]) for corner in np.array(corners)])
        cv2.polylines(canvas, [face], True, FAINT, FINER, cv2.LINE_AA)
    for end, name in zip(view[:2].T, ("x", "y", "z"), strict=True):
        arrow(canvas, camera, 0.27 * side * end, INK, name)
    write(canvas, "camera", (camera[0] + 0.06 * side, camera[1] - 0.21 * side), 10.5 * FINER)
    draw_head(canvas, (head[0], head[1]), 0.17 * side, view)
    for end, color, name in zip(axis_ends(view, 0.3 * side), (RED, GREEN, BLUE), NAMES, strict=True):
        arrow(canvas, head, end, color, name)
    return canvas


def _tile(title: str, words: str) -> Image:
    side = TILE * FINER
    canvas = np.full((side + CAPTION * FINER, side, 3), PAPER, np.uint8)
    canvas[: side - GAP * FINER, GAP * FINER // 2 : side - GAP * FINER // 2] = GROUND
    write(canvas, title, (side / 2, side + 8 * FINER), 13 * FINER, bold=True)
    write(canvas, words, (side / 2, side + 34 * FINER), 10.5 * FINER)
    return canvas


def _name(canvas: Image, end: Array, direction: Array, color: Color, name: str) -> None:
    """Beyond the tip; names of axes along the line of sight stand aside, where another axis may go on."""
    aside = np.zeros(2) if name in ("x", "y") else np.array([-direction[1], direction[0]])
    at = end + (direction + aside) * np.array([24 if len(name) > 1 else 12, 13]) * FINER
    write(canvas, name, (at[0], at[1]), 11 * FINER, color, bold=True)


def _pixel(at: Array) -> tuple[int, int]:
    return (round(float(at[0])), round(float(at[1])))


def picture() -> Image:
    """All tiles: the two frames and the identity on the left, then a column for each angle."""
    poses = [
        [
            ((30.0, 0.0, 0.0), "yaw > 0", "turns to the image's left"),
            ((0.0, 30.0, 0.0), "pitch > 0", "looks up"),
            ((0.0, 0.0, 30.0), "roll > 0", "tilts clockwise"),
        ],
        [
            ((-30.0, 0.0, 0.0), "yaw < 0", "turns to the image's right"),
            ((0.0, -30.0, 0.0), "pitch < 0", "looks down"),
            ((0.0, 0.0, -30.0), "roll < 0", "tilts anticlockwise"),
        ],
    ]
    left = [scene_tile(), pose_tile((0.0, 0.0, 0.0), "R = identity", "looks into the camera")]
    rows = [np.hstack([first, *(pose_tile(*pose) for pose in row)]) for first, row in zip(left, poses, strict=True)]
    large = np.vstack(rows)
    return cv2.resize(large, None, fx=1 / FINER, fy=1 / FINER, interpolation=cv2.INTER_AREA).astype(np.uint8)


if __name__ == "__main__":
    cv2.imwrite(str(PICTURE), picture(), [cv2.IMWRITE_PNG_COMPRESSION, 9])
