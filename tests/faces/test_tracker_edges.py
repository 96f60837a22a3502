"""The tracker at the edges of its times, scores and gates."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hpe_edge import InputError
from hpe_edge.faces.tracker import Tracker

SIDE = 100.0


def box(x: float, y: float = 0.0, side: float = SIDE) -> list[float]:
    return [x, y, x + side, y + side]


def ids(tracker: Tracker, time_s: float, boxes: list[list[float]], scores: list[float] | None = None) -> list[int]:
    return tracker.update(time_s, np.reshape(boxes, (-1, 4)), scores).ids.tolist()


@pytest.mark.parametrize("name", ["survive_s", "confirm_s"])
@pytest.mark.parametrize("value", [-1e-9, math.inf, math.nan])
def test_times_that_cannot_be(name: str, value: float) -> None:
    with pytest.raises(InputError, match=name):
        Tracker(**{name: value})
    Tracker(**{name: 0.0})


def test_a_face_survives_for_its_time_and_the_rounding_of_frame_times() -> None:
    for later, kept in ((1.0, True), (1.0 + 5e-7, True), (1.005, False)):
        tracker = Tracker(survive_s=1.0)
        assert ids(tracker, 0.0, [box(0)]) == [0]
        assert (ids(tracker, later, [box(0)]) == [0]) is kept, later


def test_a_face_is_confirmed_at_its_time_and_not_before() -> None:
    tracker = Tracker(confirm_s=0.25)
    ids(tracker, 0.0, [])
    assert ids(tracker, 1.0, [box(0)]) == [-1]
    assert ids(tracker, 1.2, [box(0)]) == [-1]
    assert ids(tracker, 1.25, [box(0)]) == [0]


def test_an_unconfirmed_face_waits_for_its_time_and_no_longer() -> None:
    for gap, identity in ((0.25, 0), (0.26, -1)):
        tracker = Tracker(confirm_s=0.25)
        ids(tracker, 0.0, [])
        ids(tracker, 1.0, [box(0)])
        ids(tracker, 1.0 + gap, [])  # the detector misses it
        assert ids(tracker, 1.0 + gap, [box(0)]) == [identity], gap


def test_a_second_look_at_the_same_time_confirms_no_new_face() -> None:
    tracker = Tracker()
    assert ids(tracker, 0.0, [box(0)]) == [0]
    assert ids(tracker, 0.0, [box(0), box(500)]) == [0, -1]
    assert ids(tracker, -1.0, [box(0), box(500)]) == [1, 2]  # a step back begins anew


@pytest.mark.parametrize(("score", "identity"), [(0.59, -1), (0.6, 0), (0.61, 0), (math.nan, 0)])
def test_the_default_score_that_starts_a_face(score: float, identity: int) -> None:
    tracker = Tracker()
    assert ids(tracker, 0.0, [box(0)], [score]) == [identity]
    assert ids(tracker, 1.0, [box(0)], [score]) == [identity]  # however often it is seen


def test_a_low_score_does_not_confirm_a_face() -> None:
    tracker = Tracker(confirm_s=0.1)
    ids(tracker, 0.0, [])
    assert ids(tracker, 1.0, [box(0)], [0.9]) == [-1]
    for later in (1.05, 1.1, 1.15, 1.2):
        assert ids(tracker, later, [box(0)], [0.3]) == [-1]


def test_a_hidden_neighbour_takes_no_detection_of_another_face() -> None:
    tracker = Tracker()
    assert ids(tracker, 0.0, [box(0), box(45)]) == [0, 1]
    assert ids(tracker, 0.03, [box(0)], [0.9]) == [0]


@pytest.mark.parametrize(("way", "identity"), [(0.95, 0), (1.05, -1), (3.0, -1)])
def test_after_a_long_time_a_face_is_looked_for_within_one_size(way: float, identity: int) -> None:
    tracker = Tracker(survive_s=5.0)
    assert ids(tracker, 0.0, [box(0)]) == [0]
    assert ids(tracker, 3.0, [box(way * SIDE)]) == [identity]


def test_rolls_stay_with_their_faces_when_a_false_detection_goes() -> None:
    tracker = Tracker(confirm_s=0.1)
    ids(tracker, 0.0, [])
    ids(tracker, 1.0, [box(900)])  # seen once
    ids(tracker, 1.05, [box(0)])
    assert ids(tracker, 1.2, [box(0)]) == [0]
    tracker.carry(np.array([30], np.float32))
    assert tracker.predict(1.25).rolls.tolist() == [30]


def test_rolls_stay_with_their_faces_when_a_hidden_one_ends() -> None:
    tracker = Tracker(survive_s=1.0)
    assert ids(tracker, 0.0, [box(0), box(500)]) == [0, 1]
    assert ids(tracker, 0.9, [box(500)]) == [1]  # 0 is hidden and remembered
    assert tracker.predict(1.5).ids.tolist() == [1]  # 0 is forgotten by then
    tracker.carry(np.array([40], np.float32))
    assert tracker.update(0.95, [box(0), box(500)]).rolls.tolist() == pytest.approx([math.nan, 40], nan_ok=True)


def test_unknown_rolls_and_rows_without_a_face_change_none() -> None:
    tracker = Tracker()
    ids(tracker, 0.0, [box(0), box(500)])
    tracker.carry(np.array([10, 20], np.float32))
    tracks = tracker.update(0.1, [box(0), box(500), box(2000)], [0.9, 0.9, 0.2])
    assert tracks.ids.tolist() == [0, 1, -1]
    tracker.carry(np.array([math.nan, math.nan, 50], np.float32))
    assert tracker.predict(0.2).rolls.tolist() == [10, 20]


@pytest.mark.parametrize("shape", [(0,), (3,), (2, 1)])
def test_a_roll_per_row(shape: tuple[int, ...]) -> None:
    tracker = Tracker()
    ids(tracker, 0.0, [box(0), box(500)])
    with pytest.raises(InputError, match="one roll per row of the last tracks, 2"):
        tracker.carry(np.zeros(shape, np.float32))


def test_a_face_that_shrinks_keeps_a_size() -> None:
    tracker = Tracker()
    for frame, side in enumerate((40.0, 36.0, 32.0, 28.0, 24.0, 20.0)):
        assert ids(tracker, frame / 30, [box(-side / 2, -side / 2, side)]) == [0]
    for later in (0.2, 0.5, 1.0):
        x1, y1, x2, y2 = tracker.predict(later).boxes[0].tolist()
        assert x2 - x1 >= 0.999 and y2 - y1 >= 0.999
