"""Windows around a box, compared with those of the original pipelines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from tiny_model import tiny_spec

from benchmarks.inputs.crops import AS_CUT, crop_rule, hopenet, square
from hpe_edge import Crop
from hpe_edge.ops.crop import crop_normalize


@pytest.fixture(scope="module")
def reference(data: Path) -> list[dict]:
    return json.loads((data / "reference_aflw2000.json").read_text())["images"]


@pytest.mark.parametrize("side", ["1.2", "1.3", "1.5"])
def test_whole_squares_are_the_originals(reference: list[dict], side: str) -> None:
    rule = crop_rule(f"whole-{side}")
    for entry in reference:
        x, y, width, height = entry["lightweight"][f"square{side}"]["rect"]
        size_wh = entry["width"], entry["height"]
        wanted = [x, y, min(x + width, size_wh[0]), min(y + height, size_wh[1])]
        assert rule.window(np.array(entry["box"], np.float32), size_wh).tolist() == wanted


def test_hopenets_margins_are_the_originals(reference: list[dict]) -> None:
    for entry in reference:
        x1, y1, x2, y2 = entry["fsanet"]["hopenet_exact"]["rect"]  # the last column and row included
        found = hopenet(np.array(entry["box"], np.float32), (entry["width"], entry["height"]))
        assert found.tolist() == [x1, y1, x2 + 1, y2 + 1]


def test_windows_by_hand() -> None:
    box = np.array([100, 200, 200, 260], np.float32)
    assert square(box, 1.5).tolist() == [75, 155, 225, 305]
    # 100 wide: 60 to 240 + 0.4 * 140 on the right; 60 high: 176 to 260 + 0.12 * 84.
    assert hopenet(box, (1000, 1000)).tolist() == [60, 176, 257, 271]
    assert hopenet(box, (230, 1000)).tolist() == [60, 176, 230, 271]
    near = np.array([10, 10, 110, 110], np.float32)
    # 25 left and above the photo: the window goes to the edge and keeps its side.
    assert crop_rule("whole-1.5").window(near, (140, 400)).tolist() == [0, 0, 140, 150]


def test_a_square_is_what_a_crop_of_that_margin_cuts(rng: np.random.Generator) -> None:
    photo = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    box, made = np.array([20, 30, 90, 85], np.float32), tiny_spec().input
    by_margin = crop_normalize(photo, [box], Crop((0.15,) * 4), made)
    np.testing.assert_allclose(crop_normalize(photo, [square(box, 1.3)], AS_CUT, made), by_margin, atol=1e-4)


@pytest.mark.parametrize("text", ["", "tight", "0", "-1", "11", "nan", "whole-", "whole-x"])
def test_what_is_no_crop(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is no crop"):
        crop_rule(text)
