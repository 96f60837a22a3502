"""Detections of the teachers on a picture at several scales, with margins, mirrored, and turned in the plane."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.labelling.centerface import CenterFace
from export.labelling.found import CENTERFACE, SCRFD, SCRFD_SMALL, YUNET, Found, read_found
from hpe_edge.errors import SourceError
from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.faces.grids.anchor_free import GridDetector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.opencv.lazy import cv2

_FILES = {YUNET: "yunet_n_640_640.onnx", SCRFD: "scrfd_2.5g_kps.onnx", SCRFD_SMALL: "scrfd_500m_kps.onnx"}
_SCORES = {YUNET: 0.5, SCRFD: 0.35, SCRFD_SMALL: 0.35, CENTERFACE: 0.3}  # kept from; votes are weighed later


@dataclass(frozen=True)
class Look:
    """One view of a picture.

    Attributes:
        side: longer side of the picture in the view, pixels.
        teachers: that see it.
        margin: around the picture, as a fraction of its longer side.
        turn_deg: in the plane, clockwise.
        mirrored: left and right exchanged, before the turn.
    """

    side: int
    teachers: tuple[str, ...]
    margin: float = 0.0
    turn_deg: float = 0.0
    mirrored: bool = False


SCENE_LOOKS = (
    Look(640, (SCRFD, SCRFD_SMALL, YUNET)),
    Look(448, (YUNET, CENTERFACE)),
    Look(512, (SCRFD_SMALL, YUNET), mirrored=True),
    Look(192, (SCRFD, SCRFD_SMALL, YUNET, CENTERFACE), margin=0.35),
    *(Look(320, (SCRFD_SMALL, YUNET), turn_deg=turn) for turn in (-45.0, 45.0)),
)
FACE_LOOKS = (
    Look(144, (SCRFD_SMALL, YUNET), margin=0.25),
    Look(144, (SCRFD_SMALL, YUNET), margin=0.25, mirrored=True),
)


def open_teachers(folder: Path, centerface: Path) -> dict[str, Detector]:
    """Open YuNet and SCRFD from a folder, and CenterFace from its file."""
    teachers: dict[str, Detector] = {
        name: open_detector(folder / file, min_score=_SCORES[name]) for name, file in _FILES.items()
    }
    return teachers | {CENTERFACE: CenterFace(centerface, _SCORES[CENTERFACE])}


def look_at(image: NDArray[np.uint8], look: Look) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Return a view of a picture, and the affine map ``[2, 3]`` from the view to the picture."""
    height, width = image.shape[:2]
    longest = max(height, width)
    scale = look.side / longest
    turn = math.radians(look.turn_deg)
    linear = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    if look.mirrored:
        linear = linear @ np.diag([-1.0, 1.0])
    corners = np.array([[x, y] for x in (0, width) for y in (0, height)], np.float64) @ linear.T
    edge = look.margin * look.side
    low, high = corners.min(axis=0) - edge, corners.max(axis=0) + edge
    size = np.maximum(np.ceil(high - low).astype(int), 1)
    there = np.column_stack([linear, -low])
    # Points of pixel areas here, of pixel centres in OpenCV.
    shifted = np.column_stack([linear, linear @ (0.5, 0.5) - low - 0.5])
    flags = cv2.INTER_AREA if scale < 1 and not look.turn_deg else cv2.INTER_LINEAR
    if flags == cv2.INTER_AREA:  # warpAffine has no such filter
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), 0.35 / scale), np.uint8)
    view = cv2.warpAffine(image, shifted, (int(size[0]), int(size[1])), flags=cv2.INTER_LINEAR)
    return np.asarray(view, np.uint8), np.asarray(cv2.invertAffineTransform(there))


def find(image: NDArray[np.uint8], teachers: Mapping[str, Detector], looks: Sequence[Look]) -> list[Found]:
    """Find faces by all teachers in all views."""
    found: list[Found] = []
    for look in looks:
        view, back = look_at(image, look)
        for name in look.teachers:
            teacher = teachers[name]
            # Networks of any size: the view's scale is meant, not the one that suits frames.
            teacher.LONGEST_SIDE = max(view.shape[:2])  # type: ignore[attr-defined]
            seen = teacher.first_look(view) if isinstance(teacher, GridDetector) else teacher(view)
            found += _each(name, seen, back, look.mirrored)
    return found


def _each(name: str, faces: Detections, back: NDArray[np.float64], mirrored: bool) -> Iterator[Found]:
    assert faces.keypoints is not None
    for box, points, score in zip(faces.boxes, faces.keypoints, faces.scores, strict=True):
        ordered = points[[1, 0, 2, 4, 3]] if mirrored else points
        yield Found(name, float(score), box.astype(np.float64), ordered.astype(np.float64), back)


def write_found(
    pictures: Sequence[Path], teachers: Mapping[str, Detector], looks: Sequence[Look], output: Path
) -> None:
    """Append the detections of pictures to a file of JSON Lines; those in it already are skipped."""
    done = set(read_found(output)) if output.exists() else set()
    with output.open("a", encoding="utf-8") as file:
        if output.stat().st_size and not output.read_bytes().endswith(b"\n"):
            file.write("\n")  # of a run that was stopped within a line
        for path in pictures:
            if path.name in done:
                continue
            image = cv2.imread(str(path))
            if image is None:
                raise SourceError(f"{path} is no picture that OpenCV reads")
            found = [each.to_json() for each in find(np.asarray(image, np.uint8), teachers, looks)]
            size = [image.shape[1], image.shape[0]]
            file.write(json.dumps({"file": path.name, "size": size, "found": found}) + "\n")
            file.flush()
