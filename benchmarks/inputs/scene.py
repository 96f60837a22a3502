"""Frames and boxes: a 1080p picture with boxes, the bundled photos pasted into it, or a video of the user's."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.errors import SourceError
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.sources.open_source import open_source
from hpe_edge.spec import BinHead, BinsDecode, Crop, Input, ModelSpec, Origin

WIDTH, HEIGHT = 1920, 1080
BINS = (-99.0, 3.0, 66)  # Hopenet's grid: first value, step, number

Window = tuple[int, int, int, int]  # x1 y1 x2 y2 in whole pixels, x2 and y2 exclusive
FrameBoxes = tuple[NDArray[np.uint8], NDArray[np.float32]]  # a BGR frame and its boxes [N, 4]

# ImageNet's figures, which nearly all published networks use.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)

MANY = 8  # faces of a crowd, and cameras
_SIDES = (150, 90, 120, 180, 100, 170, 80, 130)  # of the face boxes in pixels
_AROUND = 0.7  # pasted on each side of a photo's box, in box sides
_PER_CAMERA = 2
_VIDEO_FRAMES = 100  # of a video that are read


def imagenet_input(size: int) -> Input:
    """Describe the input that all alternatives write: RGB, float32, ImageNet's mean and deviation."""
    return Input(size=size, color="RGB", scale=1 / 255, mean=MEAN, std=STD)


def bins_spec(architecture: str, size: int) -> ModelSpec:
    """Describe a model with three heads of BINS side by side in one output."""
    yaw, pitch, roll = (BinHead("logits", i * BINS[2], *BINS) for i in range(3))
    decode = BinsDecode(yaw, pitch, roll)
    return ModelSpec(architecture, imagenet_input(size), ("logits",), Crop(), decode, Origin("none", "0" * 64))


@functools.cache
def frame() -> NDArray[np.uint8]:
    """Make a 1080p picture of 1/f noise, like the spectrum of photos, with a fixed seed."""
    rng = np.random.default_rng(0)
    total = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for octave in range(9):
        step = 2**octave
        noise = rng.standard_normal((HEIGHT // step + 2, WIDTH // step + 2, 3), np.float32)
        total += step * cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    levels = 128 + 50 * (total - total.mean()) / total.std()
    picture: NDArray[np.uint8] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    picture.setflags(write=False)
    return picture


def square(side: int) -> Window:
    """Return a box of that side near the middle of the frame."""
    return (803, 411, 803 + side, 411 + side)


def crowd(count: int) -> list[Window]:
    """Return boxes of 60 to 200 pixels all over the frame, inside it, with a fixed seed."""
    rng = np.random.default_rng(1)
    windows = []
    for side in rng.integers(60, 201, count).tolist():
        x, y = int(rng.integers(0, WIDTH - side)), int(rng.integers(0, HEIGHT - side))
        windows.append((x, y, x + side, y + side))
    return windows


@dataclass(frozen=True)
class FaceScene:
    """A frame with one face, one with :data:`MANY`, and one from each of :data:`MANY` cameras."""

    name: str
    one: FrameBoxes
    crowd: FrameBoxes
    cameras: tuple[FrameBoxes, ...]


@functools.cache
def bundled_scene() -> FaceScene:
    """Paste the faces of the two bundled photos, eight times in different sizes, into the 1080p picture."""
    picture, boxes = _pasted()
    cameras = tuple((picture.copy(), boxes[[(at + k) % MANY for k in range(_PER_CAMERA)]]) for at in range(MANY))
    return FaceScene("bundled photos, 1080p", (picture, boxes[:1]), (picture, boxes), cameras)


def video_scene(video: Path, boxes_csv: Path) -> FaceScene:
    """Take frames of a video with boxes as ``hpe-edge run --csv`` writes them.

    The crowd is the frame with the most faces, repeated up to :data:`MANY`; the cameras are frames at even
    steps. Raises SourceError where a file cannot be read or has no faces.
    """
    file = BoxesFile(boxes_csv, "video")
    seen = [(found.image, file(found)) for found in itertools.islice(open_source(video), _VIDEO_FRAMES)]
    seen = [(image, boxes) for image, boxes in seen if len(boxes)]
    if not seen:
        raise SourceError(f"{boxes_csv} has no box in the first {_VIDEO_FRAMES} frames of {video.name}")
    fullest, boxes = max(seen, key=lambda each: len(each[1]))
    cameras = tuple(seen[at] for at in np.linspace(0, len(seen) - 1, MANY).astype(int))
    name = f"{video.name}, {fullest.shape[0]}p"
    return FaceScene(name, (fullest, boxes[:1]), (fullest, np.resize(boxes, (MANY, 4))), cameras)


def _pasted() -> FrameBoxes:
    picture = frame().copy()
    source = open_source(FOLDER)
    file = BoxesFile(BOXES, source.kind)
    photos = [(photo.image, file(photo)[0].astype(int).tolist()) for photo in source]
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
