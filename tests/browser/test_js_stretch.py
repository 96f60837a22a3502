"""Dark and flat crops in JavaScript: the stretch against Python's, and the engine's poses in the dark."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest
from js_calls import Js, rgba
from test_dark_faces import dimmed, samples
from test_js_engine import check
from test_stretch import INPUTS, LEVELS

from hpe_edge import PoseEngine
from hpe_edge.models import DEFAULT
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.stretch import SMALL_RANGE, ContrastStretch
from hpe_edge.spec import Crop, Input

DARK_DEG = (
    0.2  # a level half a level from the fill is in one of both crops, where it is stretched, and not in the other
)
WINDOWS = {"inside": [[0, 0, 64, 64]], "beside": [[-30, -25, 64, 64]], "corner": [[40, 45, 300, 320]]}
INPUTS = {name: given for name, given in INPUTS.items() if given.dtype != "float16"}  # browsers lack it


@pytest.fixture
def scene(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.uniform(0, 255, (16, 16, 3)), np.ones((4, 4, 1)))


def check_crop(js: Js, pixels: np.ndarray, crop: Crop, given: Input) -> bool:
    """Compare a stretch with Python's; return True if the crop was stretched."""
    found, stretched = js("stretch", pixels=pixels.ravel(), crop=asdict(crop), input=asdict(given))
    wanted, marked = pixels[None].copy(), np.zeros(1, bool)
    ContrastStretch(crop, given)(wanted, marked)
    assert stretched == marked[0]
    if stretched:
        near = 1 if given.dtype == "uint8" else 0.01 * given.scale / min(given.std)  # a rounded half; else levels
        np.testing.assert_allclose(found.reshape(pixels.shape).astype(float), wanted[0], atol=near)
    else:
        np.testing.assert_array_equal(found, pixels.ravel())
    return bool(stretched)


@pytest.mark.parametrize("given", INPUTS.values(), ids=INPUTS)
@pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
def test_crops_are_stretched_as_in_python(js: Js, scene: np.ndarray, given: Input, window: list[list[int]]) -> None:
    seen = []
    for gain, offset in (
        (1, 0),
        (0.4, 90),
        (0.3, 30),
        (0.25, 60),
        (0.1, 0),
        (0.02, 0),
        (0.05, 120),
        (0.1, 220),
        (0.004, 9),
    ):
        for fill in ((0.0, 0.0, 0.0), (10.0, 200.0, 90.0)):
            crop = Crop(square="none", fill=fill)
            frame = np.rint(scene * gain + offset).astype(np.uint8)
            seen.append(check_crop(js, CropNormalize(crop, given)(frame, window)[0], crop, given))
    assert True in seen or window == WINDOWS["corner"]  # of which too little lies in the frame
    assert False in seen


@pytest.mark.parametrize(("factor", "stretched"), [(0.97, True), (1.03, False)])
def test_the_limit(js: Js, factor: float, stretched: bool) -> None:
    ramp = np.linspace(20, 20 + SMALL_RANGE * factor / 0.98, 4096).reshape(64, 64)
    assert check_crop(js, np.repeat(ramp[None], 3, axis=0).astype(np.float32), Crop(), LEVELS) == stretched


def test_values_that_are_not_finite_stay(node_js: Js, scene: np.ndarray) -> None:
    pixels = np.ascontiguousarray(scene.transpose(2, 0, 1) * 0.1, np.float32)
    assert check_crop(node_js, pixels, Crop(), LEVELS)
    pixels[0, 5, 5] = np.inf
    assert not check_crop(node_js, pixels, Crop(), LEVELS)


@pytest.mark.parametrize("size", [1, 2, 15, 17, 33])
def test_sizes(node_js: Js, rng: np.random.Generator, size: int) -> None:
    pixels = (40 + 10 * rng.uniform(0, 1, (3, size, size))).astype(np.float32)
    assert check_crop(node_js, pixels, Crop(), replace(LEVELS, size=size))


@pytest.mark.parametrize(("gain", "offset"), [(0.1, 0), (0.05, 0), (0.05, 120), (0.1, 220), (1, 0)])
def test_poses_in_the_dark(js: Js, gain: float, offset: float) -> None:
    js("loadPose", file=DEFAULT.read_bytes())
    with PoseEngine(threads=1) as engine:
        for picture, box in samples():
            frame = dimmed(picture, gain, offset)
            found = js("estimate", frame=rgba(frame), faces=[{"box": box[0].tolist()}])
            poses = engine(frame, box)
            check(found, poses, DARK_DEG)
            assert [pose["stretched"] for pose in found] == poses.stretched.tolist() == [gain < 1]
