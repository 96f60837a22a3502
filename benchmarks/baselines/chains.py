"""Crop, normalisation and decode by other libraries, as in demos.

The chains take square windows in whole pixels, so that all of them cut the same pixels as hpe_edge; computing the
square from a box is not timed. All write float32 ``[N, 3, size, size]``, RGB, with ImageNet's normalisation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.inputs.scene import MEAN, STD, Window

Float32 = NDArray[np.float32]
Frame = NDArray[np.uint8]
Chain = Callable[[Frame, Sequence[Window]], Float32]

_MEAN, _STD = np.array(MEAN, np.float32), np.array(STD, np.float32)
_PLANES = (1, 3, 1, 1)


def cut_window(frame: Frame, window: Window, padded: Frame | None = None) -> Any:
    """Cut the window, black outside the frame: a view where it lies inside, else a padded copy."""
    x1, y1, x2, y2 = window
    height, width = frame.shape[:2]
    if x1 >= 0 and y1 >= 0 and x2 <= width and y2 <= height:
        return frame[y1:y2, x1:x2]
    inside = frame[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width)]
    top, bottom, left, right = max(-y1, 0), max(y2 - height, 0), max(-x1, 0), max(x2 - width, 0)
    return cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_CONSTANT, dst=padded)


class OpenCv:
    """The natural OpenCV chain: cut, resize, blobFromImages; mean and deviation in NumPy."""

    def __init__(self, size: int) -> None:
        self._size_wh = (size, size)

    def __call__(self, frame: Frame, windows: Sequence[Window]) -> Float32:
        small = [cv2.resize(cut_window(frame, window).copy(), self._size_wh) for window in windows]
        blob = cv2.dnn.blobFromImages(small, 1 / 255, swapRB=True)
        normalised: Float32 = (blob - _MEAN.reshape(_PLANES)) / _STD.reshape(_PLANES)
        return normalised


class OpenCvBest:
    """The fastest known OpenCV chain: no copy of the cut, and preallocated buffers in every step.

    Resize the view, split it into planes, and let addWeighted turn each 8-bit plane into its float plane of the result
    (gain * level + bias), in one pass. Slower were, at 112 and 224 pixels: blobFromImageWithParams, which normalises in
    one call (1.1 to 1.5 times as long), a 256-entry float LUT per plane (1.1 to 1.3), NumPy's multiply and add per
    plane, cv2.multiply and cv2.add, a three-channel LUT before the split, and blobFromImage with an in-place multiply.
    """

    def __init__(self, size: int, count: int) -> None:
        self._size_wh = (size, size)
        self._out = np.empty((count, 3, size, size), np.float32)
        self._small = np.empty((size, size, 3), np.uint8)
        self._levels = [np.empty((size, size), np.uint8) for _ in range(3)]
        gains, biases = (1 / 255 / _STD).tolist(), (-_MEAN / _STD).tolist()
        # The planes of the frame are B, G, R.
        self._steps = [[(self._levels[2 - c], gains[c], biases[c], face[c]) for c in range(3)] for face in self._out]

    def __call__(self, frame: Frame, windows: Sequence[Window]) -> Float32:
        for window, steps in zip(windows, self._steps, strict=True):
            cv2.resize(cut_window(frame, window), self._size_wh, dst=self._small)
            cv2.split(self._small, self._levels)
            for levels, gain, bias, plane in steps:
                cv2.addWeighted(levels, gain, levels, 0.0, bias, dst=plane, dtype=cv2.CV_32F)
        return self._out


class NumPy:
    """The chain of head-pose demos: cut and resize by OpenCV, all else in NumPy."""

    def __init__(self, size: int) -> None:
        self._size_wh = (size, size)

    def __call__(self, frame: Frame, windows: Sequence[Window]) -> Float32:
        faces = [_normalise(self._resized_rgb(cut_window(frame, window))) for window in windows]
        return faces[0] if len(faces) == 1 else np.concatenate(faces)

    def _resized_rgb(self, image: Any) -> Any:
        return cv2.cvtColor(cv2.resize(image.copy(), self._size_wh), cv2.COLOR_BGR2RGB)


class Pillow(NumPy):
    """The antialiased resize of PIL, which torchvision's transforms call, then as in :class:`NumPy`."""

    def __init__(self, size: int) -> None:
        from PIL import Image

        super().__init__(size)
        self._image = Image

    def _resized_rgb(self, image: Any) -> Any:
        rgb = self._image.fromarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
        return np.asarray(rgb.resize(self._size_wh, self._image.Resampling.BILINEAR))


def _normalise(image_rgb: Any) -> Float32:
    values = (image_rgb.astype(np.float32) / 255 - _MEAN) / _STD
    return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


class NumPyDecode:
    """Softmax, expectation, standard deviation and rotation for all faces and heads at once.

    The variance is summed about the mean: as the mean square less the squared mean, which is no more than a twentieth
    faster, it loses the digits of a peaked distribution.
    """

    def __init__(self, first_deg: float, step_deg: float, count: int) -> None:
        self._values = (first_deg + step_deg * np.arange(count)).astype(np.float32)

    def __call__(self, logits: Float32) -> tuple[Float32, Float32, Float32]:
        """Convert ``[N, 3 * count]`` to angles and deviations ``[N, 3]`` in degrees, and rotations ``[N, 3, 3]``."""
        heads = logits.reshape(len(logits), 3, -1)
        exponentials = np.exp(heads - heads.max(axis=2, keepdims=True))
        softmax = exponentials / exponentials.sum(axis=2, keepdims=True)
        angles = softmax @ self._values
        sigma = np.sqrt((softmax * (self._values - angles[..., None]) ** 2).sum(axis=2))
        return angles, sigma, rotations(angles)


def rotations(angles_deg: Float32) -> Float32:
    """Return R = Rx(-pitch) Ry(yaw) Rz(roll), ``[N, 3, 3]``."""
    radians = np.deg2rad(angles_deg)
    sy, sp, sr = np.sin(radians).T
    cy, cp, cr = np.cos(radians).T
    r = np.empty((len(angles_deg), 3, 3), np.float32)
    r[:, 0, 0], r[:, 0, 1], r[:, 0, 2] = cy * cr, -cy * sr, sy
    r[:, 1, 0], r[:, 1, 1], r[:, 1, 2] = cp * sr - sp * sy * cr, cp * cr + sp * sy * sr, sp * cy
    r[:, 2, 0], r[:, 2, 1], r[:, 2, 2] = -sp * sr - cp * sy * cr, -sp * cr + cp * sy * sr, cp * cy
    return r


class NumPyAngles:
    """The decode of demos: softmax and expectation, head after head, and nothing else."""

    def __init__(self, first_deg: float, step_deg: float, count: int) -> None:
        self._first_deg, self._step_deg, self._count = first_deg, step_deg, count
        self._index = np.arange(count, dtype=np.float32)

    def __call__(self, logits: Float32) -> list[Float32]:
        """Convert ``[N, 3 * count]`` to three arrays ``[N]`` in degrees."""
        angles = []
        for start in range(0, 3 * self._count, self._count):
            head = logits[:, start : start + self._count]
            exponentials = np.exp(head - head.max(axis=1, keepdims=True))
            softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
            angles.append(np.sum(softmax * self._index, axis=1) * self._step_deg + self._first_deg)
        return angles
