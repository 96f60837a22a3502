"""The frame and the boxes that every case runs on, and the normalisation."""

from __future__ import annotations

import functools

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.spec import Input

WIDTH, HEIGHT = 1920, 1080

# x1 y1 x2 y2 in whole pixels, x2 and y2 exclusive.
Window = tuple[int, int, int, int]

# ImageNet's figures, which nearly all published networks use.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


def imagenet_input(size: int) -> Input:
    """The input that all alternatives write: RGB, float32, ImageNet's mean and deviation."""
    return Input(size=size, color="RGB", scale=1 / 255, mean=MEAN, std=STD)


@functools.cache
def frame() -> NDArray[np.uint8]:
    """A 1080p picture whose detail falls off with its size as in photos (1/f noise); always the same one."""
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
    """A box of that side near the middle of the frame."""
    return (803, 411, 803 + side, 411 + side)


def crowd(count: int) -> list[Window]:
    """Boxes of 60 to 200 pixels all over the frame, all inside it; always the same ones."""
    rng = np.random.default_rng(1)
    windows = []
    for side in rng.integers(60, 201, count).tolist():
        x, y = int(rng.integers(0, WIDTH - side)), int(rng.integers(0, HEIGHT - side))
        windows.append((x, y, x + side, y + side))
    return windows
