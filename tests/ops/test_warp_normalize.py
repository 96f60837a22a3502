"""warp_normalize against the float64 oracle, OpenCV and crop_normalize."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import reference
from frames_of import frame_of
from loops import every_loop  # noqa: F401

from hpe_edge import InputError
from hpe_edge.ops.crop import CropNormalize, crop_normalize, warp_normalize
from hpe_edge.spec import Crop, Input

LEVELS = Input(size=20, color="BGR", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))

HOMOGRAPHIES = {
    "shift": [[1, 0, 7.25], [0, 1, 3.5], [0, 0, 1]],
    "turn": [[0.8, -0.5, 30], [0.5, 0.8, 5], [0, 0, 1]],
    "perspective": [[1.5, 0.2, 5], [-0.1, 1.4, 8], [4e-3, -3e-3, 1]],
    "over the edge": [[3, 0, -20], [0, 3, -15], [0, 0, 1]],
    "outside": [[1, 0, 500], [0, 1, 0], [0, 0, 1]],
    "horizon in the picture": [[1, 0, 5], [0, 1, 5], [0.1, 0, -1]],
    "shrinking": [[3.3, 0.3, 2], [-0.2, 2.9, 1], [0, 1e-3, 1]],
    "numbers near the end of their range": [[1e308, 0, 0], [0, 1, 0], [0, 0, 1]],
    "mirrored": [[-1.2, 0, 50], [0, 1.2, 4], [0, 0, 1]],
}


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
@pytest.mark.parametrize("homography", HOMOGRAPHIES.values(), ids=HOMOGRAPHIES)
@pytest.mark.parametrize("color", ["BGR", "BGRA", "GRAY8", "NV12", "NV12_709"])
def test_against_the_oracle(
    rng: np.random.Generator, color: str, homography: list[list[float]], resampling: str
) -> None:
    frame = frame_of(rng, color, 50, 64)
    crop = Crop(fill=(40, 90, 200), resampling=resampling)
    levels, _, _ = reference.frame_levels(frame, color, crop, LEVELS)
    got = CropNormalize(crop, LEVELS).warp(frame, [homography], color=color)[0]
    want = reference.warp_levels(
        levels, np.array(homography, float), 20, resampling == "antialias", np.array(crop.fill)
    )
    np.testing.assert_allclose(got, want.transpose(2, 0, 1), atol=5e-3)


def test_channel_order_fill_and_normalisation(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (50, 64, 3), dtype=np.uint8)
    input = Input(size=20, color="RGB", scale=1 / 255, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    h = np.array(HOMOGRAPHIES["over the edge"], float)
    got = warp_normalize(frame, [h], Crop(fill=(40, 90, 200)), input)[0]
    levels = reference.warp_levels(frame.astype(np.float64), h, 20, False, np.array([200, 90, 40]))
    np.testing.assert_allclose(got, reference.normalize(levels, "BGR", input), atol=1e-4)


def test_agrees_with_opencv(rng: np.random.Generator) -> None:
    frame = cv2.GaussianBlur(rng.integers(0, 256, (120, 160, 3), dtype=np.uint8), (0, 0), 3)
    h = np.array([[1.5, 0.2, 25], [-0.1, 1.4, 28], [1e-3, -1e-3, 1]])
    # OpenCV counts from pixel centres, hpe_edge from the corner.
    to_center, from_center = np.eye(3), np.eye(3)
    to_center[:2, 2], from_center[:2, 2] = 0.5, -0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    want = cv2.warpPerspective(frame.astype(np.float32), from_center @ h @ to_center, (20, 20), flags=flags)
    got = warp_normalize(frame, [h], Crop(), LEVELS)[0]
    # OpenCV rounds positions to 1/32 pixel.
    np.testing.assert_allclose(got, want.transpose(2, 0, 1), atol=2.0)
    assert np.abs(got - want.transpose(2, 0, 1)).mean() < 0.2


def test_channels_last_holds_the_values_of_the_planes(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (50, 64, 3), dtype=np.uint8)
    input = Input(size=20, color="RGB", scale=1 / 255, mean=(0.1,) * 3, std=(0.5,) * 3, dtype="float16")
    h = np.array([HOMOGRAPHIES["over the edge"], HOMOGRAPHIES["perspective"]], float)
    planes = CropNormalize(Crop(), input).warp(frame, h)
    pixels = CropNormalize(Crop(), input, channels_last=True).warp(frame, h)
    np.testing.assert_array_equal(pixels[..., :3], planes.transpose(0, 2, 3, 1))
    assert not pixels[..., 3:].any()


def test_a_box_written_as_a_homography(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (50, 64, 3), dtype=np.uint8)
    h = [[2.0, 0, 10], [0, 1.5, 8], [0, 0, 1]]
    box = [[10, 8, 50, 38]]
    warped = warp_normalize(frame, [h], Crop(), LEVELS)
    np.testing.assert_allclose(warped, crop_normalize(frame, box, Crop(square="none"), LEVELS), atol=2e-3)


def test_antialias_removes_what_aliases() -> None:
    stripes = np.zeros((120, 120, 3), np.uint8)
    stripes[:, ::2] = 255
    h = [[[6.0, 0, 0.3], [0, 6.0, 0.3], [0, 0, 1]]]
    smooth = warp_normalize(stripes, h, Crop(resampling="antialias"), LEVELS)[0, :, 2:-2, 2:-2]
    boxed = crop_normalize(stripes, [[0.3, 0.3, 120.3, 120.3]], Crop(resampling="antialias"), LEVELS)[0, :, 2:-2, 2:-2]
    assert np.abs(smooth - 127.5).max() < 8
    assert np.abs(smooth - boxed).max() < 8


def test_many_and_none(rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (50, 64, 3), dtype=np.uint8)
    assert warp_normalize(frame, [], Crop(), LEVELS).shape == (0, 3, 20, 20)
    all_h = np.array(list(HOMOGRAPHIES.values()), float)
    together = warp_normalize(frame, all_h, Crop(), LEVELS)
    for i, h in enumerate(all_h):
        np.testing.assert_array_equal(together[i], warp_normalize(frame, [h], Crop(), LEVELS)[0])


@pytest.mark.parametrize(
    ("homographies", "fragment"),
    [(np.eye(3), "put a single one into a list"), ([np.eye(3) * np.nan], "homography 0"), ("x", "numbers")],
)
def test_bad_homographies(homographies: object, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        warp_normalize(np.zeros((20, 20, 3), np.uint8), homographies, Crop(), LEVELS)
