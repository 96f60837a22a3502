"""Labels: readable, inside the frame, and not on faces or each other where there is room."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from hpe_edge.drawing.labels import Label, draw_labels

GREY = 128
COLORS = [(0, 0, 200), (0, 200, 0), (200, 0, 0), (0, 200, 200)]


def label(name: str, color: tuple[int, int, int] = (0, 0, 200), lines: tuple[str, ...] = ("Y+10 P-10 R+0",)) -> Label:
    return Label(name, color, lines, 10.0)


def drawn(size_wh: tuple[int, int], boxes: list[list[float]], labels: list[Label]) -> np.ndarray:
    frame = np.full((size_wh[1], size_wh[0], 3), GREY, np.uint8)
    draw_labels(frame, np.array(boxes, np.float64).reshape(-1, 4), labels)
    return frame


def test_usual_place_is_above_the_forehead() -> None:
    frame = drawn((400, 300), [[150, 150, 250, 250]], [label("#3")])
    rows, columns = np.nonzero((frame != GREY).any(axis=2))
    assert rows.min() > 80 and rows.max() < 150 - 0.2 * 100
    assert (columns.min() + columns.max()) / 2 == pytest.approx(200, abs=1.5)


def test_size_is_what_is_drawn() -> None:
    for one in (label("#3"), label(""), label("#12", lines=("Y+1 P+2 R+3", "sigma 10 10 10"))):
        rows, columns = np.nonzero((drawn((400, 300), [[150, 150, 250, 250]], [one]) != GREY).any(axis=2))
        assert one.size == (np.ptp(columns) + 1, np.ptp(rows) + 1)


FACES = {
    "rows of a class": [[100, 300, 180, 390], [230, 300, 310, 390], [160, 170, 230, 250], [90, 60, 150, 120]],
    "at the top": [[100, 2, 180, 82], [300, 5, 380, 85], [500, 0, 570, 70], [300, 200, 380, 280]],
    "in the corners": [[0, 0, 60, 60], [580, 0, 640, 60], [0, 420, 60, 480], [580, 420, 640, 480]],
    "leaving the frame": [[-40, 200, 40, 280], [600, 200, 680, 280], [300, -40, 380, 40], [300, 440, 380, 520]],
}


@pytest.mark.parametrize("boxes", FACES.values(), ids=FACES)
def test_labels_hide_no_face_and_no_label(boxes: list[list[float]]) -> None:
    labels = [label(f"#{k}", color) for k, color in enumerate(COLORS)]
    frame = drawn((640, 480), boxes, labels)
    for x1, y1, x2, y2 in boxes:
        assert (frame[max(0, y1) : max(0, y2), max(0, x1) : max(0, x2)] == GREY).all()
    for one in labels:
        alone = drawn((640, 480), [[200, 200, 300, 300]], [one])
        color = np.array(one.color)
        assert (frame == color).all(axis=2).sum() == (alone == color).all(axis=2).sum() > 100


def test_nearest_face_has_the_first_choice() -> None:
    """Given last. Both would like the same place."""
    near, far = label("#1", COLORS[0]), label("#2", COLORS[1])
    alone = drawn((640, 480), [[202, 200, 302, 300]], [near])
    both = drawn((640, 480), [[200, 200, 300, 300], [202, 200, 302, 300]], [far, near])
    place = (alone == COLORS[0]).all(axis=2)
    assert place.any() and (both[place] == COLORS[0]).all()


@pytest.mark.parametrize("size_wh", [(1, 1), (30, 20), (320, 240)])
def test_frames_that_are_too_small_are_no_error(size_wh: tuple[int, int]) -> None:
    frame = drawn(size_wh, [[0, 0, 10, 10], [5, 5, 600, 600]], [label("#1"), label("#2")])
    assert (frame != GREY).any()


def test_name_can_be_read_on_every_color() -> None:
    for color in itertools.product((0, 90, 160, 255), repeat=3):
        one = Label("#8", color, ("",), 20.0)
        frame = np.empty((one.size[1], one.size[0], 3), np.uint8)
        one.draw(frame, 0, 0)
        luma = frame[:, :30] @ [0.114, 0.587, 0.299]
        assert np.abs(luma - luma[0, 0]).max() >= 99, color
