"""Common properties of the families with a 6D rotation head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from export import zoo
from hpe_edge.ops.crop import crop_normalize
from hpe_edge.spec import Rot6dDecode

NAMES = [
    *("6drepnet", "6drepnet-a0", "6drepnet360", "6drepnet2"),
    *("resnet18-6d", "resnet34-6d", "resnet50-6d"),
    *("mobilenetv2-6d", "mobilenetv3-small-6d", "mobilenetv3-large-6d"),
]


def published_window(x1, y1, x2, y2):
    """The box as the published test code grows it, scaled so that the shorter side is 256; of that, the central 224."""
    k = 0.2
    x1 -= 2 * k * (x2 - x1)
    y1 -= 2 * k * (y2 - y1)
    x2 += 2 * k * (x2 - x1)
    y2 += 0.6 * k * (y2 - y1)
    scale = 256 / min(x2 - x1, y2 - y1)
    centre = np.array([x1 + x2, y1 + y2]) / 2
    half = 224 / 2 / scale
    return np.concatenate([centre - half, centre + half])


def central_square(crop, x1, y1, x2, y2):
    left, top, right, bottom = crop.margins
    width, height = x2 - x1, y2 - y1
    x1, y1, x2, y2 = x1 - left * width, y1 - top * height, x2 + right * width, y2 + bottom * height
    centre = np.array([x1 + x2, y1 + y2]) / 2
    half = min(x2 - x1, y2 - y1) / 2
    return np.concatenate([centre - half, centre + half])


@pytest.mark.parametrize("width", [60.0, 80.0, 100.0, 140.0])  # narrow, at the turn, square, wide
@pytest.mark.parametrize("name", NAMES)
def test_crop_is_its_test_codes_window(name, width):
    crop = zoo.get(name).crop
    box = (300.0, 200.0, 300.0 + width, 300.0)
    assert (crop.square, crop.clip, crop.fill, crop.resampling) == ("shrink", False, (0.0,) * 3, "antialias")
    assert central_square(crop, *box) == pytest.approx(published_window(*box))


# Boxes whose window has whole sides and scales to whole sides, so that nothing is rounded on PIL's way: one that is
# enlarged, one that leaves the picture, one that is shrunk.
@pytest.mark.parametrize("box", [(100, 140, 225, 265), (20, 40, 145, 165), (250, 280, 500, 530)])
def test_crop_shows_what_pil_cuts(rng, box):
    levels = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    image = Image.fromarray(levels).resize((800, 600), Image.Resampling.BICUBIC)
    x1, y1, x2, y2 = box
    size = x2 - x1
    window = (x1 - size * 50 // 125, y1 - size * 50 // 125, x2 + size * 70 // 125, y2 + size * 21 // 125)
    cut = image.crop(window).resize((320, 256), Image.Resampling.BILINEAR)
    wanted = np.asarray(cut.crop((48, 16, 272, 240)), np.float32).transpose(2, 0, 1)

    family = zoo.get("6drepnet")
    plain = replace(family.input, scale=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    found = crop_normalize(np.asarray(image), np.array([box], np.float32), family.crop, plain, color="RGB")[0]
    # PIL rounds to whole levels twice, once per direction; half a pixel off makes ten times this.
    assert np.abs(found - wanted).mean() < 0.4


@pytest.mark.parametrize("name", NAMES)
def test_output_is_the_head_before_orthonormalisation(name):
    family = zoo.get(name)
    assert family.decode == Rot6dDecode(output="rot6d")
    assert family.outputs == ("rot6d",)
    head = next(shape for key, shape in reversed(family.layouts[0].items()) if key.startswith("linear_reg."))
    assert head == (6,)
