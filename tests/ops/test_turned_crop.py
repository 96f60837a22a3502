"""Turned crops against the float64 oracle, OpenCV and the plain crop."""

from __future__ import annotations

from typing import get_args

import cv2
import numpy as np
import pytest
import reference
from frames_of import frame_of
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import every_loop  # noqa: F401

from hpe_edge import InputError
from hpe_edge.ops.crop import CropNormalize, crop_normalize
from hpe_edge.ops.frames import FrameColor
from hpe_edge.spec import Crop, Input

LEVELS = Input(size=20, color="BGR", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))

# In levels. The four weights of a sample have 14 bits: each wrong by half a unit, they are wrong by 2 / 2^14 of 255.
# Means of more than 11 x 11 pixels are summed with their last bits rounded away.
TOLERANCE = 0.1


def sized(size: int, **changes: object) -> Input:
    return Input(**{**LEVELS.__dict__, "size": size, **changes})


def picture(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def check(frame: np.ndarray, box: list[float], turn: float, crop: Crop, input: Input, color: str = "BGR") -> None:
    got = CropNormalize(crop, input)(frame, [box], turns_deg=[turn], color=color)[0]
    levels, order, fill = reference.frame_levels(frame, color, crop, input)
    want = reference.turned_levels(levels, np.float32(box), turn, crop, input.size, fill)
    gain = max(input.scale / s for s in input.std)
    np.testing.assert_allclose(got, reference.normalize(want, order, input), atol=TOLERANCE * gain, rtol=0)


BOXES = {
    "inside": [50, 45, 90, 85],
    "tall": [60.25, 35.5, 81.75, 90.125],
    "wide": [33.3, 50.1, 100.9, 71.7],
    "one pixel": [60, 62, 61, 63],
    "over the left edge": [-15.5, 10, 20, 50],
    "over the corner": [110, 90, 151.5, 140],
    "larger than the frame": [-40, -50, 210, 180],
    "huge": [-1700, -1500, 1900, 1800],
    "beside the frame": [-160, 10, -120, 40],
}
TURNS = [-172.0, -90.0, -45.001, -33.3, -1.0, 5.5, 45.0, 60.0, 90.0, 134.5, 180.0]


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_boxes_and_turns_of_every_kind(rng: np.random.Generator, box: list[float], resampling: str) -> None:
    frame = picture(rng, 120, 140)
    for i, turn in enumerate(TURNS):
        square, clip = ("extend", "shrink", "none")[i % 3], i % 2 == 0
        crop = Crop((0.1, 0.2, 0.3, 0.05), square=square, clip=clip, fill=(10.3, 200, 90.6), resampling=resampling)
        check(frame, box, turn, crop, LEVELS)


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
@pytest.mark.parametrize("size", [1, 7, 16, 33])
@pytest.mark.parametrize("scale", [0.3, 1.0, 1.4, 1.9, 2.0, 2.6, 3.7, 5.2, 12.5, 17.0])
def test_enlarging_and_shrinking(rng: np.random.Generator, scale: float, size: int, resampling: str) -> None:
    side = scale * size
    frame = picture(rng, 300, 310)
    x, y = 155.2 - side / 2, 149.7 - side / 2
    check(frame, [x, y, x + side, y + side], 29.0, Crop(resampling=resampling), sized(size))


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
@pytest.mark.parametrize("color", get_args(FrameColor))
@pytest.mark.parametrize("order", ["BGR", "RGB"])
def test_frame_formats(rng: np.random.Generator, color: str, order: str, resampling: str) -> None:
    frame = frame_of(rng, color, 120, 180)
    crop = Crop(margins=(0.2,) * 4, fill=(255, 10, 60), resampling=resampling)
    input = sized(24, color=order, scale=1 / 255, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
    for box in ([60.5, 48, 100, 80], [-20, -10, 40, 55], [20, 10, 160, 110], [120, 60, 190, 110]):
        check(frame, box, -38.0, crop, input, color)


def test_padded_and_bottom_up_rows(rng: np.random.Generator) -> None:
    view = picture(rng, 130, 201)[3:123, 7:186]
    for frame in (view, view[::-1], view[::2]):
        check(frame, [60, 20, 110, 50], 20.0, Crop(), LEVELS)


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_other_types_are_the_rounded_float32(rng: np.random.Generator, dtype: str) -> None:
    frame = picture(rng, 120, 140)
    for box in ([50, 45, 90, 85], [-10, -10, 120, 110]):
        for crop in (Crop(), Crop(resampling="antialias")):
            exact = crop_normalize(frame, [box], crop, LEVELS, turns_deg=[25])
            rounded = crop_normalize(frame, [box], crop, sized(20, dtype=dtype), turns_deg=[25])
            # The result of another loop than float32's own may be rounded the other way.
            np.testing.assert_allclose(rounded.astype(np.float32), exact, atol=0.51 if dtype == "uint8" else 0.07)


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
def test_faces_that_are_not_turned_get_the_plain_crop(rng: np.random.Generator, resampling: str) -> None:
    frame = picture(rng, 120, 140)
    boxes = [[50, 45, 90, 85], [-10, 5, 44.5, 60], [30, 3, 70, 60]]
    crop = Crop(margins=(0.1,) * 4, clip=True, resampling=resampling)
    plain = crop_normalize(frame, boxes, crop, LEVELS)
    mixed = crop_normalize(frame, boxes, crop, LEVELS, turns_deg=[0, 30, 0])
    np.testing.assert_array_equal(mixed[[0, 2]], plain[[0, 2]])
    assert np.abs(mixed[1] - plain[1]).max() > 10
    alone = crop_normalize(frame, boxes[1:2], crop, LEVELS, turns_deg=[30])
    np.testing.assert_array_equal(mixed[1:2], alone)
    np.testing.assert_array_equal(crop_normalize(frame, boxes, crop, LEVELS, turns_deg=[0, 0, 0]), plain)


def test_agrees_with_opencv(rng: np.random.Generator) -> None:
    frame = cv2.GaussianBlur(picture(rng, 120, 160), (0, 0), 3)
    got = crop_normalize(frame, [[60, 40, 100, 80]], Crop(), LEVELS, turns_deg=[35])[0]
    # From the window's corner to the frame; OpenCV counts from pixel centres.
    turn = reference.rz(35)[:2, :2]
    matrix = np.column_stack([2 * turn, [80, 60] + turn @ [-20 + 1, -20 + 1] - 0.5])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    want = cv2.warpAffine(frame.astype(np.float32), matrix, (20, 20), flags=flags)
    # OpenCV rounds positions to 1/32 pixel.
    np.testing.assert_allclose(got, want.transpose(2, 0, 1), atol=2.0)


@pytest.mark.parametrize("scale", [1.3, 1.9, 2.2, 3.0, 4.5])
def test_antialias_is_as_smooth_as_the_plain_crops(rng: np.random.Generator, scale: float) -> None:
    """Turning the picture, and the crop with it, changes nothing but how finely the filter is drawn."""
    coarse = cv2.resize(picture(rng, 60, 60), (420, 420), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(coarse + rng.normal(0, 30, coarse.shape), 0, 255).astype(np.float32)
    half, size = 24 * scale, 48
    turned = cv2.warpAffine(noisy, cv2.getRotationMatrix2D((209.5, 209.5), -40, 1), (420, 420), flags=cv2.INTER_CUBIC)
    turned = np.clip(np.rint(turned), 0, 255).astype(np.uint8)
    box = [[210 - half, 210 - half, 210 + half, 210 + half]]
    crop = Crop(resampling="antialias")
    plain = crop_normalize(np.rint(noisy).astype(np.uint8), box, crop, sized(size))[0, :, 3:-3, 3:-3]
    upright = crop_normalize(turned, box, crop, sized(size), turns_deg=[40])[0, :, 3:-3, 3:-3]
    aliased = crop_normalize(turned, box, Crop(), sized(size), turns_deg=[40])[0, :, 3:-3, 3:-3]
    assert np.abs(upright - plain).mean() < 4.5
    assert np.abs(upright - plain).mean() < 0.6 * np.abs(aliased - plain).mean() or scale < 1.5


@settings(max_examples=40, deadline=None)
@given(
    x=st.floats(-2000, 2000),
    y=st.floats(-2000, 2000),
    wide=st.floats(0.1, 3000),
    high=st.floats(0.1, 3000),
    turn=st.floats(-720, 720, width=32),
    size=st.integers(1, 40),
    antialias=st.booleans(),
)
def test_anywhere(x: float, y: float, wide: float, high: float, turn: float, size: int, antialias: bool) -> None:
    frame = picture(np.random.default_rng(5), 40, 52)
    box = np.float32([x, y, x + wide, y + high])
    if not (box[2] > box[0] and box[3] > box[1]) or abs(turn % 90 - 45) < 1e-3 or turn % 360 == 0:
        return  # no box; which side is which depends on rounding; the plain crop
    check(frame, box.tolist(), turn, Crop(resampling="antialias" if antialias else "bilinear"), sized(size))


@pytest.mark.parametrize(
    ("turns", "fragment"),
    [([1, 2], "one number per box"), ([np.nan], "finite"), ("x", "numbers")],
)
def test_bad_turns(turns: object, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        crop_normalize(np.zeros((20, 20, 3), np.uint8), [[0, 0, 9, 9]], Crop(), LEVELS, turns_deg=turns)
