"""Contrast stretch of dark and flat crops, against percentiles in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import stretch_oracle
from stretch_oracle import PlainStretch
from tiny_model import tiny_spec

from hpe_edge.ops.crop import CropNormalize, planes_of
from hpe_edge.ops.native import native
from hpe_edge.ops.stretch import SMALL_RANGE, ContrastStretch
from hpe_edge.spec import Crop, Input

LEVELS = Input(size=64, color="BGR", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
INPUTS = {
    "levels": LEVELS,
    "imagenet": replace(tiny_spec().input, size=64, color="BGR"),
    "float16": replace(LEVELS, mean=(127.5,) * 3, std=(128.0,) * 3, dtype="float16"),
    "uint8": replace(LEVELS, dtype="uint8"),
}
WHOLE = [[0, 0, 64, 64]]


@pytest.fixture
def scene(rng: np.random.Generator) -> np.ndarray:
    """Levels 0 to 255 of a coloured scene, float64 ``[64, 64, 3]``."""
    return np.kron(rng.uniform(0, 255, (16, 16, 3)), np.ones((4, 4, 1)))


def levels_of(crop: np.ndarray, given: Input) -> np.ndarray:
    mean, std = (np.float64(each)[:, None, None] for each in (given.mean, given.std))
    return (crop.astype(np.float64) * std + mean) / given.scale


def run(frame: np.ndarray, given: Input, boxes: list[list[int]], crop: Crop = Crop(square="none")) -> tuple:  # noqa: B008
    crops = CropNormalize(crop, given)(frame, boxes)
    before, marked = crops.copy(), np.zeros(len(crops), bool)
    ContrastStretch(crop, given)(crops, marked)
    return before, crops, marked


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize(("gain", "offset"), [(0.1, 0), (0.05, 0), (0.2, 0), (0.1, 110), (0.15, 217)])
def test_dark_and_flat_crops_get_the_full_range(scene: np.ndarray, given: Input, gain: float, offset: float) -> None:
    frame = np.rint(scene * gain + offset).astype(np.uint8)
    before, after, marked = run(frame, given, WHOLE)
    assert marked.tolist() == [True]
    levels = levels_of(before[0], given)
    valued = levels[:, (levels > 0.5).any(axis=0)]  # black is the fill of crops that leave the frame
    low, high = np.percentile(valued, (1, 99))
    expected = np.clip((levels - low) * 255 / (high - low), 0, 255)
    expected[:, ~(levels > 0.5).any(axis=0)] = 0
    tolerance = {"float32": 0.05, "float16": 0.3, "uint8": 0.51}[given.dtype]
    tolerance += 255 / (high - low) * (0.1 if given.dtype == "float16" else 0)
    assert np.abs(levels_of(after[0], given) - expected).max() < tolerance


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
def test_crops_in_good_light_stay_to_the_bit(scene: np.ndarray, given: Input) -> None:
    for gain, offset in ((1, 0), (0.5, 0), (0.4, 90)):
        before, after, marked = run(np.rint(scene * gain + offset).astype(np.uint8), given, WHOLE)
        np.testing.assert_array_equal(after, before)
        assert not marked.any()


@pytest.mark.parametrize(("factor", "stretched"), [(0.97, True), (1.03, False)])
def test_the_limit(factor: float, stretched: bool) -> None:
    ramp = np.linspace(20, 20 + SMALL_RANGE * factor / 0.98, 4096).reshape(64, 64)
    crops = np.repeat(ramp[None, None], 3, axis=1).astype(np.float32)
    marked = np.zeros(1, bool)
    ContrastStretch(Crop(), LEVELS)(crops, marked)
    assert marked[0] == stretched


def test_a_lamp_does_not_hide_the_dark(scene: np.ndarray) -> None:
    frame = np.rint(scene * 0.08 + 2).astype(np.uint8)
    frame[40:44, 20:28] = 255  # 0.8 % of the pixels
    _, after, marked = run(frame, LEVELS, WHOLE)
    assert marked[0] and np.median(after) > 80
    frame[:20] = 255  # a third: it is not dark
    assert not run(frame, LEVELS, WHOLE)[2][0]


@pytest.mark.parametrize("fill", [(0.0, 0.0, 0.0), (127.0, 127.0, 127.0), (10.0, 20.0, 30.0)])
@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
def test_the_fill_outside_the_frame_does_not_count(scene: np.ndarray, fill: tuple, resampling: str) -> None:
    crop = Crop(square="none", fill=fill, resampling=resampling)
    frame = np.rint(scene * 0.1 + 200).astype(np.uint8)
    before, after, marked = run(frame, LEVELS, [[-30, -25, 64, 64]], crop)
    assert marked[0]
    np.testing.assert_array_equal(after[:, :, :15], before[:, :, :15])  # the fill stays
    inside = after[0, :, 22:, 26:]
    assert np.percentile(inside, 98) > 240 and np.percentile(inside, 2) < 15


def test_each_crop_is_judged_by_itself(scene: np.ndarray) -> None:
    frame = np.concatenate([scene, scene * 0.1], axis=1).astype(np.uint8)
    before, after, marked = run(frame, LEVELS, [[0, 0, 64, 64], [64, 0, 128, 64], [0, 0, 60, 60]])
    assert marked.tolist() == [False, True, False]
    np.testing.assert_array_equal(after[[0, 2]], before[[0, 2]])


@pytest.mark.parametrize("level", [0, 1, 100, 255])
def test_a_crop_without_contrast_stays(level: int) -> None:
    before, after, marked = run(np.full((64, 64, 3), level, np.uint8), LEVELS, [*WHOLE, [200, 200, 230, 230]])
    assert not marked.any()
    np.testing.assert_array_equal(after, before)
    assert not run(np.zeros((64, 64, 3), np.uint8), LEVELS, [])[2].any()


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("size", [1, 2, 15, 17, 31, 33, 64, 100])
def test_equals_the_oracle(rng: np.random.Generator, given: Input, size: int) -> None:
    """Any light, any part of the crop outside the frame, pixels of the fill's colour within."""
    input = replace(given, size=size)
    seen = []
    for _ in range(60):
        width, height = rng.integers(8, 90, 2)
        range_, offset = rng.choice([1, 3, 10, 40, 60, 64, 70, 120]), rng.choice([0, 5, 90, 130])
        frame = (offset + rng.uniform(0, range_, (height, width, 3))).astype(np.uint8)
        crop = Crop(square="none", fill=tuple(rng.choice([0.0, 5.0, 127.0], 3)))
        corner = rng.uniform(-60, 60, 2)
        box = np.concatenate([corner, corner + rng.uniform(20, 120, 2)])
        before, after, marked = run(frame, input, [box], crop)
        wanted, wanted_mark = before.copy(), np.zeros(1, bool)
        PlainStretch(crop, input)(wanted, wanted_mark)
        assert marked == wanted_mark
        if marked:
            near = {"float32": 0.01, "float16": 0.3, "uint8": 1.01}[given.dtype]
            assert np.abs(levels_of(after[0], input) - levels_of(wanted[0], input)).max() < near
        else:
            np.testing.assert_array_equal(after, before)
        seen.append(marked[0])
    assert size < 15 or 5 < np.count_nonzero(seen) < 55


def test_padded_pixels_are_stretched_alike(scene: np.ndarray) -> None:
    given, crop = INPUTS["float16"], Crop(square="none")
    frame, boxes = np.rint(scene * 0.1 + 30).astype(np.uint8), [[0, 0, 64, 64], [-10, 3, 60, 50]]
    _, wanted, _ = run(frame, given, boxes, crop)
    pixels = CropNormalize(crop, given, channels_last=True)(frame, boxes)
    marked = np.zeros(2, bool)
    ContrastStretch(crop, given, channels_last=True)(planes_of(pixels), marked)
    assert marked.all()
    np.testing.assert_array_equal(planes_of(pixels), wanted)
    assert not pixels[..., 3:].any()


def test_the_constants_are_the_oracles() -> None:
    assert {
        "SMALL_RANGE": stretch_oracle.SMALL_RANGE,
        "LOW_PERCENT": stretch_oracle._PERCENTILES[0],
        "HIGH_PERCENT": stretch_oracle._PERCENTILES[1],
        "FLAT": stretch_oracle._FLAT,
        "SAMPLES": stretch_oracle._SAMPLES,
        "TRIMMED": 1 / stretch_oracle._TRIMMED,
        "WIDER": stretch_oracle._WIDER,
        "FEWEST": 1 / stretch_oracle._FEWEST,
        "BLENDED": stretch_oracle._BLENDED,
    } == native.STRETCH
