"""Pixel formats against OpenCV, against the definitions of their matrices, and against each other."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import reference
from frames_of import frame_of
from loops import every_loop  # noqa: F401

from hpe_edge.ops.crop import crop_normalize, warp_normalize
from hpe_edge.spec import Crop, Input

# Crops of 64 x 64 pixels, one to one.
LEVELS = Input(size=64, color="BGR", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))
BOX = [[0, 0, 64, 64]]


def levels_of(frame: np.ndarray, color: str) -> np.ndarray:
    """BGR levels ``[64, 64, 3]`` that the pixel reader gives."""
    return crop_normalize(frame, BOX, Crop(), LEVELS, color=color)[0].transpose(1, 2, 0)  # type: ignore[arg-type]


@pytest.mark.parametrize("color", ["BGRA", "RGBA"])
def test_the_fourth_byte_is_ignored(rng: np.random.Generator, color: str) -> None:
    frame = rng.integers(0, 256, (64, 64, 4), dtype=np.uint8)
    convert = cv2.COLOR_BGRA2BGR if color == "BGRA" else cv2.COLOR_RGBA2BGR
    np.testing.assert_array_equal(levels_of(frame, color), cv2.cvtColor(frame, convert))
    changed = frame.copy()
    changed[..., 3] = 255 - changed[..., 3]
    np.testing.assert_array_equal(levels_of(changed, color), levels_of(frame, color))


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
@pytest.mark.parametrize("turn", [0.0, 33.0])
def test_four_bytes_a_pixel_give_the_crops_of_three(rng: np.random.Generator, turn: float, resampling: str) -> None:
    frame = np.zeros((90, 128, 4), np.uint8)[::-1, 5:110]  # padded rows, bottom-up
    frame[:] = rng.integers(0, 256, frame.shape)
    three = np.ascontiguousarray(frame[..., :3])
    boxes, turns = [[-9.5, 3, 60, 80], [40, 20, 52, 33]], [turn, turn]
    crop = Crop(resampling=resampling, fill=(9, 80, 7))
    got = crop_normalize(frame, boxes, crop, LEVELS, turns_deg=turns, color="RGBA")
    np.testing.assert_allclose(got, crop_normalize(three, boxes, crop, LEVELS, turns_deg=turns, color="RGB"), atol=0.03)
    h = [[[1.1, 0.2, -3], [-0.1, 0.9, 4], [1e-3, 0, 1]]]
    np.testing.assert_allclose(
        warp_normalize(frame, h, crop, LEVELS, color="RGBA"),
        warp_normalize(three, h, crop, LEVELS, color="RGB"),
        atol=1e-3,
    )


def test_full_range_bt601_agrees_with_opencv(rng: np.random.Generator) -> None:
    """OpenCV has that matrix, of JPEG, for whole pixels, as YCrCb."""
    frame = frame_of(rng, "NV12_601_FULL", 64, 64)
    u, v = (np.kron(frame[64:, i::2], np.ones((2, 2), np.uint8)) for i in (0, 1))
    want = cv2.cvtColor(cv2.merge((frame[:64], v, u)), cv2.COLOR_YCrCb2BGR)
    assert np.abs(levels_of(frame, "NV12_601_FULL") - want).max() < 1.01  # it rounds, in fixed point


@pytest.mark.parametrize("color", reference.YUV_FORMATS)
def test_colors_come_back(rng: np.random.Generator, color: str) -> None:
    """RGB to YUV by the definition, rounded, and back: off by what rounding of Y, U and V by a half can do."""
    red, blue, full = reference.YUV_FORMATS[color]
    bgr = np.kron(rng.integers(0, 256, (32, 32, 3)), np.ones((2, 2, 1)))
    y = bgr @ [blue, 1 - red - blue, red]
    u, v = (bgr[..., 0] - y) / (2 - 2 * blue), (bgr[..., 2] - y) / (2 - 2 * red)
    black, of_y, of_uv = (0, 1, 1) if full else (16, 219 / 255, 224 / 255)
    planes = [np.clip(np.rint(plane), 0, 255) for plane in (black + of_y * y, 128 + of_uv * u, 128 + of_uv * v)]
    chroma = np.stack([planes[1][::2, ::2], planes[2][::2, ::2]], axis=-1).reshape(32, 64)
    got = levels_of(np.concatenate([planes[0], chroma]).astype(np.uint8), color)
    assert np.abs(got - bgr).max() < 0.5 * (1 / of_y + 2 * (1 - blue) / of_uv) + 0.5  # 128 + 127.5 is cut to 255


@pytest.mark.parametrize("color", reference.YUV_FORMATS)
def test_greys_and_the_ends_of_the_range(color: str) -> None:
    """Without colour Y alone counts; below black and above white levels are cut."""
    frame = np.full((96, 64), 128, np.uint8)
    frame[:64] = np.linspace(0, 255, 64).astype(np.uint8)
    got = levels_of(frame, color)
    y = frame[:64].astype(float)
    want = y if color.endswith("FULL") else np.clip((y - 16) * 255 / 219, 0, 255)
    np.testing.assert_allclose(got, np.repeat(want[..., None], 3, axis=2), atol=1e-4)
