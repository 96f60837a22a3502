"""Draws docs/images/turning_head.gif: one head in motion, with axes and with a cube drawn on it.

    python docs/draw_turning_head.py

The head is that of draw_conventions.py; axes, cube and angles are drawn by hpe_edge.draw_poses. Needs Pillow.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from draw_conventions import FINER, GROUND, Image, draw_head

from hpe_edge import Poses
from hpe_edge.drawing.draw_poses import Style, draw_poses
from hpe_edge.geometry import rotation_from_euler

PICTURE = Path(__file__).resolve().parent / "images" / "turning_head.gif"

STYLES: tuple[Style, ...] = ("axes", "cube")
FRAMES, FRAME_MS, COLORS = 40, 100, 64
WIDTH, HEIGHT, HALF_HEAD = 260, 240, 64  # pixels of a tile, and of half the head's height


def angles(phase: float) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees at a phase of 0 to 1; the motion is periodic."""
    turn = 2 * np.pi * phase
    return 65 * float(np.sin(turn)), 25 * float(np.sin(2 * turn)), -18 * float(np.cos(turn))


def tile(angles_deg: tuple[float, float, float], style: Style) -> Image:
    """Draw the head in one pose and style: uint8 ``[HEIGHT, WIDTH, 3]``, BGR."""
    canvas = np.full((HEIGHT * FINER, WIDTH * FINER, 3), GROUND, np.uint8)
    rotation = rotation_from_euler(np.array([angles_deg], np.float32))
    middle, half = np.array([0.5 * WIDTH, 0.54 * HEIGHT]) * FINER, float(HALF_HEAD * FINER)
    draw_head(canvas, (middle[0], middle[1]), half, rotation[0])
    reach = np.array([0.9, 1.0]) * half
    unknown = np.full((1, 3), np.nan, np.float32)
    poses = Poses(np.array([angles_deg], np.float32), unknown, rotation)
    draw_poses(canvas, poses, boxes=np.array([[*(middle - reach), *(middle + reach)]]), style=style)
    return cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.uint8)


def frames() -> list[Image]:
    """Draw the whole motion, each frame a row of the styles."""
    return [np.hstack([tile(angles(k / FRAMES), style) for style in STYLES]) for k in range(FRAMES)]


def main() -> None:
    """Write the GIF with one palette for all frames, so that still pixels stay the same and cost nothing."""
    from PIL import Image as Picture

    drawn = [Picture.fromarray(np.ascontiguousarray(frame[..., ::-1])) for frame in frames()]
    strip = Picture.fromarray(np.vstack([np.asarray(frame) for frame in drawn[:: FRAMES // 8]]))
    palette = strip.quantize(COLORS, method=Picture.Quantize.MEDIANCUT)
    first, *rest = [frame.quantize(palette=palette, dither=Picture.Dither.NONE) for frame in drawn]
    first.save(PICTURE, save_all=True, append_images=rest, duration=FRAME_MS, loop=0, optimize=True)


if __name__ == "__main__":
    main()
