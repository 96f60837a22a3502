"""The letterbox against OpenCV's resize and padding."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from media import noise

from hpe_edge.errors import InputError
from hpe_edge.faces.anchor_free import letterbox
from hpe_edge.spec import Input

INPUT = Input(size=1, color="RGB", scale=1.0, mean=(127.5, 100.0, 90.0), std=(128.0, 64.0, 32.0))


def reference(frame: np.ndarray, width: int, height: int, scale: float) -> np.ndarray:
    small = cv2.resize(frame.astype(np.float32), (round(frame.shape[1] / scale), round(frame.shape[0] / scale)))
    canvas = np.zeros((height, width, 3), np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small
    return ((canvas[..., ::-1] - INPUT.mean) / INPUT.std).transpose(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("frame", "width", "height", "scale"),
    [
        (noise(96, 64), 96, 64, 1.0),
        (noise(96, 64), 96, 96, 1.0),
        (noise(64, 96), 96, 96, 1.0),
        (noise(256, 144), 128, 96, 2.0),
        (noise(144, 256), 64, 64, 4.0),
        (noise(255, 153), 85, 64, 3.0),
    ],
)
def test_equals_resize_and_padding(frame: np.ndarray, width: int, height: int, scale: float) -> None:
    out = letterbox(frame, width, height, scale, INPUT)
    assert out.dtype == np.float32 and out.flags.c_contiguous
    np.testing.assert_allclose(out, reference(frame, width, height, scale), atol=1e-3)  # of a level / 32


def test_enlarged_inside() -> None:
    frame = noise(48, 32)
    out = letterbox(frame, 96, 96, 0.5, INPUT)
    # At the seam ours blends with the padding, and OpenCV's repeats the last pixel.
    np.testing.assert_allclose(out[..., :63, :95], reference(frame, 96, 96, 0.5)[..., :63, :95], atol=1e-3)


def test_frames_of_another_form_are_refused() -> None:
    with pytest.raises(InputError, match="a grey frame"):
        letterbox(noise()[..., 0], 96, 96, 1.0, INPUT)
