"""Frames with faces: the bundled photos in a 1080p scene, or a video of the user's."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs.scene import HEIGHT, WIDTH, frame
from hpe_edge.errors import SourceError
from hpe_edge.faces.boxes_csv import BoxesFile
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.sources.open_source import open_source

Seen = tuple[NDArray[np.uint8], NDArray[np.float32]]  # a BGR frame and its boxes [N, 4]

MANY = 8  # faces of a crowd, and cameras
_SIDES = (150, 90, 120, 180, 100, 170, 80, 130)  # of the face boxes in pixels
_AROUND = 0.7  # of a photo is pasted so much on each side of its box, in box sides
_PER_CAMERA = 2
_VIDEO_FRAMES = 100  # of a video, that are looked through


@dataclass(frozen=True)
class FaceScene:
    """What the cases see.

    Attributes:
        name: where it is from, for the report.
        one: a frame and one face.
        crowd: a frame and :data:`MANY` faces.
        cameras: a frame of each of :data:`MANY` cameras, with at least one face.
    """

    name: str
    one: Seen
    crowd: Seen
    cameras: tuple[Seen, ...]


@functools.cache
def bundled_scene() -> FaceScene:
    """The faces of the two bundled photos, eight times in different sizes, on a 1080p picture; always the same."""
    picture, boxes = _pasted()
    cameras = tuple(
        (picture.copy(), boxes[[(camera + k) % MANY for k in range(_PER_CAMERA)]]) for camera in range(MANY)
    )
    return FaceScene("bundled photos, 1080p", (picture, boxes[:1]), (picture, boxes), cameras)


def video_scene(video: Path, boxes_csv: Path) -> FaceScene:
    """Frames of a video.

    The crowd is the frame with the most faces, which come again where they are fewer than :data:`MANY`; the cameras are
    frames at even steps.

    Args:
        video: a file with faces.
        boxes_csv: its boxes, as ``hpe-edge run --csv`` writes them.

    Raises:
        SourceError: one of them cannot be read, or there are no faces.
    """
    file = BoxesFile(boxes_csv, "video")
    seen = [(found.image, file(found)) for found in itertools.islice(open_source(video), _VIDEO_FRAMES)]
    seen = [(image, boxes) for image, boxes in seen if len(boxes)]
    if not seen:
        raise SourceError(f"{boxes_csv} has no box in the first {_VIDEO_FRAMES} frames of {video.name}")
    fullest, boxes = max(seen, key=lambda each: len(each[1]))
    crowd = np.resize(boxes, (MANY, 4))  # over again where there are fewer
    cameras = tuple(seen[at] for at in np.linspace(0, len(seen) - 1, MANY).astype(int))
    height = fullest.shape[0]
    return FaceScene(f"{video.name}, {height}p", (fullest, boxes[:1]), (fullest, crowd), cameras)


def _pasted() -> Seen:
    picture = frame().copy()
    photos = list(_photos())
    columns, rows = MANY // 2, 2
    found = []
    for at, side in enumerate(_SIDES):
        image, (x1, y1, x2, y2) = photos[at % len(photos)]
        reach = round(_AROUND * (x2 - x1))
        top, left = max(y1 - reach, 0), max(x1 - reach, 0)
        piece = image[top : y2 + reach, left : x2 + reach]
        scale = side / (x2 - x1)
        small = cv2.resize(piece, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        x, y = (at % columns) * (WIDTH // columns) + 20, (at // columns) * (HEIGHT // rows) + 20
        picture[y : y + small.shape[0], x : x + small.shape[1]] = small
        found.append(np.array([x1 - left, y1 - top, x2 - left, y2 - top]) * scale + (x, y, x, y))
    picture.setflags(write=False)
    return picture, np.array(found, np.float32)


def _photos() -> Sequence[tuple[NDArray[np.uint8], tuple[int, int, int, int]]]:
    source = open_source(FOLDER)
    boxes = BoxesFile(BOXES, source.kind)
    return [(photo.image, tuple(boxes(photo)[0].astype(int).tolist())) for photo in source]
