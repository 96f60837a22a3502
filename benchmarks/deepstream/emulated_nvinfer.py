"""The pixels that a secondary nvinfer gives the network, emulated from its published source and documentation.

Crop: ``left`` and ``top`` of the object's rectangle lose their fraction and are raised to even numbers, ``width`` and
``height`` are lowered to even ones. With maintain-aspect-ratio the crop keeps its shape, its sides in the input lose
their fraction, and the rest is black: half on either side with symmetric-padding. Scaling is NvBufSurfTransform's, of
which only the filter's name is public. Here it samples at the pixels' centres, as OpenCV does; ``corners=True`` samples
at their upper left corners, to show what that can change.
"""

from __future__ import annotations

from collections.abc import Sequence
from configparser import ConfigParser
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_BILINEAR = "1"


@dataclass(frozen=True)
class Rect:
    """NvOSD_RectParams of an object."""

    left: float
    top: float
    width: float
    height: float


class EmulatedNvinfer:
    """The preprocessing of an nvinfer configuration file.

    Args:
        config: the file.
        corners: where the scaling samples.
    """

    def __init__(self, config: Path, *, corners: bool = False) -> None:
        parser = ConfigParser()
        parser.read_string(config.read_text())
        keys = parser["property"]
        assert keys["process-mode"] == "2" and keys["scaling-filter"] == _BILINEAR
        self._scale = float(keys["net-scale-factor"])
        self._offsets = np.array([float(each) for each in keys["offsets"].split(";")], np.float32)
        channels, self._height, self._width = (int(each) for each in keys["infer-dims"].split(";"))
        assert channels == 3
        self._rgb = keys["model-color-format"] == "0"
        self._keeps_shape = keys["maintain-aspect-ratio"] == "1"
        self._symmetric = keys["symmetric-padding"] == "1"
        self._corners = corners

    def __call__(self, frame_bgr: NDArray[np.uint8], rects: Sequence[Any]) -> NDArray[np.float32]:
        """Return float32 ``[N, 3, height, width]``."""
        planes = [self._pixels(frame_bgr, each)[:, :, :: -1 if self._rgb else 1].transpose(2, 0, 1) for each in rects]
        levels = np.stack(planes).astype(np.float32) if planes else np.zeros((0, 3, self._height, self._width), "f4")
        return np.asarray(self._scale * (levels - self._offsets[:, None, None]), np.float32)

    def _pixels(self, frame: NDArray[np.uint8], rect: Any) -> NDArray[np.uint8]:
        left, top = ((int(each) + 1) // 2 * 2 for each in (rect.left, rect.top))
        width, height = (int(each) // 2 * 2 for each in (rect.width, rect.height))
        part = frame[top : top + height, left : left + width]
        assert part.shape == (height, width, 3) and part.size, f"{rect} leaves the frame: NvBufSurfTransform fails"
        out = np.zeros((self._height, self._width, 3), np.uint8)
        wide, high = self._width, self._height
        if self._keeps_shape:
            scaled = self._width * height / width
            if scaled <= self._height:
                high = int(scaled)
            else:
                wide = int(self._height * width / height)
        x, y = ((self._width - wide) // 2, (self._height - high) // 2) if self._symmetric else (0, 0)
        if wide > 0 and high > 0:
            out[y : y + high, x : x + wide] = self._scaled(part, wide, high)
        return out

    def _scaled(self, part: NDArray[np.uint8], wide: int, high: int) -> NDArray[Any]:
        if not self._corners:
            return np.asarray(cv2.resize(part, (wide, high), interpolation=cv2.INTER_LINEAR))
        steps = np.array([[part.shape[1] / wide, 0, 0], [0, part.shape[0] / high, 0]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(part, steps, (wide, high), flags=flags, borderMode=cv2.BORDER_REPLICATE))
