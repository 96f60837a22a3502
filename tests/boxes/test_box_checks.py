"""Boxes from elsewhere: refused as fractions, warned about where something else is likely."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path

import numpy as np
import pytest

from hpe_edge import BoxesWarning, InputError
from hpe_edge.boxes.box_checks import BoxChecks

WIDTH, HEIGHT = 640, 480


def warned(*boxes: list[float], fitted: bool = False) -> str:
    """The warning, empty if there is none."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        BoxChecks()(np.float32(boxes).reshape(-1, 4), WIDTH, HEIGHT, fitted=fitted)
    assert all(issubclass(one.category, BoxesWarning) for one in caught)
    return " | ".join(str(one.message) for one in caught)


@pytest.mark.parametrize("box", [[0.2, 0.3, 0.5, 0.7], [0, 0, 1, 1], [-0.1, 0.4, 1.2, 1.0]])
def test_fractions_are_refused(box: list[float]) -> None:
    with pytest.raises(InputError, match=r"multiply x by 640 and y by 480"):
        warned(box)
    assert warned(box, [100, 100, 200, 200], fitted=True) == ""  # one of several is a tiny box, not a fraction


def test_a_strip_whose_numbers_are_a_face_looks_like_x_y_width_height() -> None:
    assert warned([600, 10, 605, 470]) == ""
    assert "width, height" in warned([100, 60, 110, 150])  # 110 x 150 at (100, 60)
    assert "width, height" in warned([100, 100, 200, 200], [300, 30, 310, 250])
    assert warned([200, 30, 460, 60]) == ""  # 460 x 60 is no face, nor is the strip


@pytest.mark.parametrize("box", [[700, 10, 800, 110], [-100, 10, 0, 110], [10, 480, 110, 580], [10, -90, 110, 0]])
def test_boxes_outside_the_frame_are_warned_about(box: list[float]) -> None:
    assert "outside the frame of 640 x 480" in warned(box)


def test_a_box_that_leaves_the_frame_is_usual() -> None:
    assert warned([-50, -50, 60, 50], [600, 400, 700, 500]) == ""


def test_high_boxes_need_a_name() -> None:
    assert "boxes_from" in warned([100, 100, 200, 240])
    assert warned([100, 100, 200, 240], fitted=True) == ""
    assert warned() == ""


def test_each_warning_is_given_once() -> None:
    checks = BoxChecks()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for shift in range(3):
            checks(np.float32([[700 + shift, 0, 800, 100]]), WIDTH, HEIGHT, fitted=False)
    assert len(caught) == 1


def test_landmark_boxes_of_labelled_photos_pass(data: Path) -> None:
    """At most one in fifty photos of faces up to 90 degrees is warned about."""
    with (data / "aflw2000_dev" / "labels.csv").open() as file:
        boxes = [[float(row[name]) for name in ("x1", "y1", "x2", "y2")] for row in csv.DictReader(file)]
    assert sum(warned(box) != "" for box in boxes) <= len(boxes) / 50
