"""Crops in JavaScript against the float64 oracle and the native operation."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import reference
from js_calls import Js, rgba
from test_crop_normalize import BOXES as PLAIN_BOXES
from test_crop_normalize import IMAGENET, RESAMPLINGS, SQUARES, picture, sized
from test_turned_crop import BOXES as TURNED_BOXES
from test_turned_crop import TURNS

from hpe_edge.ops.crop import crop_normalize
from hpe_edge.spec import Crop, Input

TOLERANCE = 2e-4  # levels: float32 holds them to 1.5e-5, and rows are kept as such once between
# The native turned crop has weights of 14 bits.
NATIVE_TURNED = 0.1


def crop_in_js(
    js: Js, frame: np.ndarray, box: list[float], crop: Crop, input: Input, turn_deg: float = 0
) -> np.ndarray:
    given = {"box": [float(at) for at in np.float32(box)], "turn_deg": turn_deg, "frame": rgba(frame)}
    found = js("crop", crop=asdict(crop), input=asdict(input), **given)
    return found.reshape(3, input.size, input.size)


def check(js: Js, frame: np.ndarray, box: list[float], crop: Crop, input: Input, turn_deg: float = 0) -> None:
    got = crop_in_js(js, frame, box, crop, input, turn_deg)
    levels, order, fill = reference.frame_levels(frame, "BGR", crop, input)
    if turn_deg:
        want = reference.turned_levels(levels, np.float32(box), turn_deg, crop, input.size, fill)
        native = crop_normalize(frame, [box], crop, input, turns_deg=[turn_deg])[0]
    else:
        want = reference.crop_levels(levels, np.float32(box), crop, input.size, fill)
        native = crop_normalize(frame, [box], crop, input)[0]
    gain = max(input.scale / s for s in input.std)
    np.testing.assert_allclose(got, reference.normalize(want, order, input), atol=TOLERANCE * gain, rtol=1e-6)
    near = NATIVE_TURNED if turn_deg else 2e-3
    np.testing.assert_allclose(got, native, atol=near * gain, rtol=0)


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize("box", PLAIN_BOXES.values(), ids=PLAIN_BOXES)
def test_boxes_of_every_kind(js: Js, rng: np.random.Generator, box: list[float], resampling: str) -> None:
    frame = picture(rng, 64, 80)
    for square in SQUARES:
        for clip in (False, True):
            crop = Crop((0.1, 0.2, 0.3, 0.05), square, clip, (10, 200, 90), resampling)
            check(js, frame, box, crop, sized(IMAGENET, 16))


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize("side", [5.3, 30, 61.7, 190])
def test_enlarging_and_shrinking(js: Js, rng: np.random.Generator, side: float, resampling: str) -> None:
    frame = picture(rng, 200, 200)
    for size in (1, 2, 33, 112):
        for color in ("RGB", "BGR"):
            crop = Crop(resampling=resampling)
            check(js, frame, [4.1, 3.2, 4.1 + side, 3.2 + side], crop, sized(IMAGENET, size, color=color))


@pytest.mark.parametrize("resampling", RESAMPLINGS)
@pytest.mark.parametrize("box", TURNED_BOXES.values(), ids=TURNED_BOXES)
def test_turned_crops(js: Js, rng: np.random.Generator, box: list[float], resampling: str) -> None:
    frame = picture(rng, 120, 160)
    for i, turn in enumerate(TURNS):
        crop = Crop((0.1, 0.2, 0.3, 0.05), SQUARES[i % 3], bool(i % 2), (10, 200, 90), resampling)
        check(js, frame, box, crop, sized(IMAGENET, 20), turn)


def test_levels_of_a_uint8_input(js: Js, rng: np.random.Generator) -> None:
    frame = picture(rng, 60, 50)
    input = Input(size=24, color="BGR", scale=1, mean=(0, 0, 0), std=(1, 1, 1), dtype="uint8")
    for turn_deg in (0.0, 30.0):
        got = crop_in_js(js, frame, [5, 6, 47.5, 40], Crop(), input, turn_deg)
        want = crop_normalize(frame, [[5, 6, 47.5, 40]], Crop(), input, turns_deg=[turn_deg])[0]
        assert got.dtype == np.uint8
        assert np.abs(got.astype(int) - want).max() <= 1  # where a level lies halfway
        assert (got != want).mean() < 0.01


def test_alpha_is_not_looked_at(js: Js, rng: np.random.Generator) -> None:
    frame = np.dstack([picture(rng, 40, 40), rng.integers(0, 256, (40, 40, 1), dtype=np.uint8)])
    opaque = np.dstack([frame[..., :3], np.full((40, 40), 255, np.uint8)])
    input, crop = asdict(sized(IMAGENET, 8)), asdict(Crop())
    box = [3, 3, 30, 30]
    one, other = (js("crop", frame=each, box=box, turn_deg=0, crop=crop, input=input) for each in (frame, opaque))
    np.testing.assert_array_equal(one, other)
