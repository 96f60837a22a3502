"""Drawing of faces from plain arrays: the head's axes, a cube or an arrow along the nose, the box, a label."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hpe_edge.camera import Camera
from hpe_edge.drawing.labels import Label, draw_labels
from hpe_edge.drawing.landmark_dots import draw_landmarks
from hpe_edge.drawing.projection import view_lines
from hpe_edge.drawing.shapes import SHAPES, Shape
from hpe_edge.drawing.strokes import FAR, OKABE_ITO, WHITE, Color, draw_lines, fixed
from hpe_edge.drawing.style import Style
from hpe_edge.errors import InputError
from hpe_edge.opencv.lazy import cv2

_ROOMY = 400  # pixels; in lower frames a second line of text would hide other faces
_PALE = 0.45  # weight of the drawing of a doubtful face over the picture

# With yellow and a pink; BGR.
_IDENTITY_COLORS: tuple[Color, ...] = (*OKABE_ITO, (66, 228, 240), (203, 192, 255))


def identity_color(identity: int) -> Color | None:
    """Return the BGR colour of an identity, None if it is negative. Colours repeat after eight."""
    return None if identity < 0 else _IDENTITY_COLORS[identity % len(_IDENTITY_COLORS)]


def draw_faces(
    frame_bgr: NDArray[np.uint8],
    boxes: NDArray[np.floating],
    angles: NDArray[np.float32],
    sigma: NDArray[np.float32],
    rotation: NDArray[np.float32],
    *,
    ids: NDArray[np.int64],
    doubtful: NDArray[np.bool_],
    landmarks: NDArray[np.floating],
    visibility: NDArray[np.floating],
    style: Style = "axes",
    camera: Camera | None = None,
) -> None:
    """Draw N faces, given as arrays; :func:`hpe_edge.drawing.draw_poses.draw_poses` describes the arguments.

    Args:
        frame_bgr: drawn on in place.
        boxes, angles, sigma, rotation, ids, doubtful, landmarks, visibility: ``[N, ...]``, as in
            :class:`hpe_edge.Poses`.
        style, camera: see there.

    Raises:
        InputError: a frame that cannot be drawn on, or an unknown style.
    """
    _check_frame(frame_bgr)
    if style not in SHAPES:
        raise InputError(f"style must be one of {', '.join(SHAPES)}, got {style!r}")
    places = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = places[:, 2:] - places[:, :2]
    known = np.isfinite(rotation).all(axis=(1, 2)) & np.isfinite(angles).all(axis=1)
    drawn = np.flatnonzero(known & (np.abs(places) < FAR).all(axis=1) & (sides > 0).all(axis=1))
    drawn = drawn[np.argsort(sides[drawn].max(axis=1), kind="stable")]
    sheet = _Sheet(frame_bgr, SHAPES[style], camera)

    def draw(rows: NDArray[np.intp], mark: str = "") -> None:
        marks = landmarks[rows], visibility[rows]
        sheet.draw(places[rows], angles[rows], sigma[rows], rotation[rows], ids[rows], marks, mark)

    pale = drawn[doubtful[drawn]]
    if len(pale):
        under = frame_bgr.copy()
        draw(pale, mark="?")
        cv2.addWeighted(frame_bgr, _PALE, under, 1 - _PALE, 0, dst=frame_bgr)
    draw(drawn[~doubtful[drawn]])


@dataclass(frozen=True)
class _Sheet:
    """A frame to draw on, and the manner of drawing."""

    frame: NDArray[np.uint8]
    shape: Shape
    camera: Camera | None

    def draw(
        self,
        places: NDArray[np.float64],
        angles: NDArray[np.float32],
        sigma: NDArray[np.float32],
        rotation: NDArray[np.float32],
        ids: NDArray[np.int64],
        marks: tuple[NDArray[np.floating], NDArray[np.floating]],
        mark: str,
    ) -> None:
        """Draw faces in their order, then their labels, which begin with ``mark``."""
        frame = self.frame
        lines, depths = view_lines(self.shape.lines, places, rotation, self.camera)
        ends, corners = fixed(lines), fixed(_corners(places))
        fine = max(1, round(min(frame.shape[:2]) / 360))  # pixels of a line that is seen when the frame fills a screen
        roomy = frame.shape[0] >= _ROOMY
        labels = []
        for k, (box, identity) in enumerate(zip(places, ids.tolist(), strict=True)):
            color = identity_color(identity)
            thickness = max(2, fine, round((box[2:] - box[:2]).max() / 45))
            draw_lines(frame, corners[k], [color or WHITE], max(fine, thickness // 2), smooth=False)
            draw_landmarks(frame, marks[0][k], marks[1][k], float((box[2:] - box[:2]).max()), color)
            self.shape.draw(frame, ends[k], depths[k], thickness, color)
            # In proportion to the face, but never too small to read when the whole frame fills a screen.
            capital = max(0.07 * (box[3] - box[1]), frame.shape[0] / 70, 8.0)
            name = mark if color is None else f"#{identity}{mark}"
            labels.append(Label(name, color or WHITE, _label_lines(angles[k], sigma[k], roomy), capital))
        draw_labels(frame, places, labels)


def _label_lines(angles: NDArray[np.float32], sigma: NDArray[np.float32], roomy: bool) -> tuple[str, ...]:
    text = "Y{:+.0f} P{:+.0f} R{:+.0f}".format(*(round(float(a)) + 0.0 for a in angles))
    if not roomy or not np.isfinite(sigma).all():
        return (text,)
    return (text, "sigma {:.0f} {:.0f} {:.0f}".format(*sigma))


def _check_frame(frame: NDArray[np.uint8]) -> None:
    if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.flags.writeable:
        raise InputError(
            f"the frame must be a writeable uint8 array [H, W, 3], got {frame.dtype} {frame.shape}; "
            "pass np.array(frame) to draw on a copy"
        )
    if not frame.flags.c_contiguous:
        raise InputError("the frame must be C-contiguous to be drawn on in place; pass np.ascontiguousarray(frame)")


def _corners(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return lines for the four corners of each box, ``[N, 4, 3, 2]``, of boxes ``[N, 4]``."""
    x1, y1, x2, y2 = boxes.T
    reach = 0.2 * np.minimum(x2 - x1, y2 - y1)
    bends = [
        [(x + dx, y), (x, y), (x, y + dy)]
        for x, dx in ((x1, reach), (x2, -reach))
        for y, dy in ((y1, reach), (y2, -reach))
    ]
    return np.moveaxis(np.array(bends), -1, 0)
