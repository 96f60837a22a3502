"""Places far from a frame's corner and far outside it against the float64 oracle, in a frame of 8192 x 8192."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from loops import every_loop  # noqa: F401

from hpe_edge.ops.crop import CropNormalize
from hpe_edge.spec import Crop, Input

SIDE = 8192
LEVELS = Input(size=16, color="BGR", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))
FILL = (10, 200, 90)
# As for small frames; see test_crop_normalize.py, test_turned_crop.py and test_warp_normalize.py.
LEVEL_TOLERANCE, TURNED_TOLERANCE, WARP_TOLERANCE = 2e-3, 0.1, 5e-3

FAR = {
    "the last pixels": [8150.3, 8140.7, 8191.9, 8180.2],
    "over the corner": [8170.3, 8160.6, 8230.1, 8220.4],
    "fractions of a pixel": [8001.01, 7999.97, 8003.3, 8002.2],
    "a strip of the whole width": [3.7, 8160.2, 8189.3, 8190.9],
    "far outside": [900000.5, -700000.25, 900040.5, -699960.25],
    "from far outside to inside": [-20000.4, 8150.4, 8150.6, 8180.6],
}


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """Noise on the last rows; the rest is one level."""
    rng = np.random.default_rng(5)
    pixels = np.full((SIDE, SIDE, 3), 77, np.uint8)
    pixels[7900:] = rng.integers(0, 256, (SIDE - 7900, SIDE, 3), dtype=np.uint8)
    return pixels


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
@pytest.mark.parametrize("box", FAR.values(), ids=FAR)
def test_boxes(frame: np.ndarray, box: list[float], resampling: str) -> None:
    crop = Crop(square="none", fill=FILL, resampling=resampling)
    got = CropNormalize(crop, LEVELS)(frame, [box])[0]
    want = reference.crop_levels(frame, np.float32(box), crop, LEVELS.size, np.array(FILL))
    np.testing.assert_allclose(got, want.transpose(2, 0, 1), atol=LEVEL_TOLERANCE, rtol=0)


@pytest.mark.parametrize("turn", [25.0, -70.0])
@pytest.mark.parametrize("box", [[8120.3, 8110.7, 8160.9, 8150.2], [8170.3, 8160.6, 8230.1, 8220.4]])
def test_turned_boxes(frame: np.ndarray, box: list[float], turn: float) -> None:
    # The oracle makes means of the whole frame, so it is given the corner alone.
    corner, crop = 7936, Crop(fill=FILL)
    got = CropNormalize(crop, LEVELS)(frame, [box], turns_deg=[turn])[0]
    near = np.float32(box) - np.float32(corner)
    want = reference.turned_levels(frame[corner:, corner:], near, turn, crop, LEVELS.size, np.array(FILL))
    np.testing.assert_allclose(got, want.transpose(2, 0, 1), atol=TURNED_TOLERANCE, rtol=0)


VIEWS = {
    "a shift": [[1, 0, 8150.3], [0, 1, 8140.7], [0, 0, 1]],
    "a turn": [[0.8, -0.5, 8160.1], [0.5, 0.8, 8120.7], [0, 0, 1]],
    "perspective": [[33.5, 8.1, 8141.3], [24.3, 9.6, 8135.9], [4e-3, 1e-3, 1]],
    "over the corner": [[3, 0.2, 8165.3], [0.1, 3, 8160.7], [1e-4, 0, 1]],
    "scaled by 1e9": [[1.1e9, 1e8, 8.1503e12], [-1e8, 1.1e9, 8.1407e12], [0, 0, 1e9]],
    "scaled by 1e-30": [[1.1e-30, 1e-31, 8.1503e-27], [-1e-31, 1.1e-30, 8.1407e-27], [0, 0, 1e-30]],
    "far outside": [[1, 0, 9e8], [0, 1, 8140.7], [0, 0, 1]],
}


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_homographies(frame: np.ndarray, view: list[list[float]], resampling: str) -> None:
    crop = Crop(fill=FILL, resampling=resampling)
    got = CropNormalize(crop, LEVELS).warp(frame, [view])[0]
    antialias = resampling == "antialias"
    want = reference.warp_levels(frame, np.array(view, float), LEVELS.size, antialias, np.array(FILL))
    np.testing.assert_allclose(got, want.transpose(2, 0, 1), atol=WARP_TOLERANCE, rtol=0)
