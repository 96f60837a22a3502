"""track: identities through motion, gaps, crossings and crowds, and its motion against a plain Kalman filter."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hpe_edge import InputError
from hpe_edge.faces import tracker as track_module
from hpe_edge.faces.tracker import Tracker

Boxes = NDArray[np.float32]


def box(x: float, y: float = 100.0, size: float = 60.0) -> list[float]:
    """A box 1.2 times as tall as wide about a centre."""
    return [x - size / 2, y - 0.6 * size, x + size / 2, y + 0.6 * size]


def centers(boxes: Boxes) -> NDArray[np.float32]:
    return (boxes[:, :2] + boxes[:, 2:]) / 2


def known(*places: list[float], **options: float) -> Tracker:
    """A tracker that knows faces at these places since time 0."""
    tracker = Tracker(**options)
    assert tracker.update(0.0, places).ids.tolist() == list(range(len(places)))
    return tracker


def test_faces_keep_their_identities_whatever_their_order(rng: np.random.Generator) -> None:
    tracker = Tracker()
    for frame in range(75):
        t = frame / 25
        places = [box(100 + 80 * t), box(500 - 60 * t, 120), box(320, 300 + 40 * np.sin(3 * t), 90)]
        order = rng.permutation(3)
        given = np.float32(places)[order] + rng.normal(0, 1, (3, 4)).astype(np.float32)
        tracks = tracker.update(t, given)
        assert tracks.ids.dtype == np.int64 and tracks.boxes.dtype == np.float32
        if frame == 0:
            of_face = tracks.ids[np.argsort(order)]
        np.testing.assert_array_equal(tracks.ids, of_face[order])
        assert np.abs(tracks.boxes - given).max() < 6
    assert sorted(of_face) == [0, 1, 2]


def test_the_filtered_box_is_nearer_to_the_truth_than_the_detection(rng: np.random.Generator) -> None:
    tracker, off, filtered_off = Tracker(), [], []
    for frame in range(200):
        t = frame / 25
        truth = np.float32([box(300 + 60 * np.sin(t), 200)])
        given = truth + rng.normal(0, 1.5, (1, 4)).astype(np.float32)
        tracks = tracker.update(t, given)
        off.append(given - truth)
        filtered_off.append(tracks.boxes - truth)
    assert np.std(filtered_off[20:]) < 0.75 * np.std(off[20:])


@pytest.mark.parametrize("fps", [10, 25, 60])
@pytest.mark.parametrize(("hidden_s", "same"), [(0.3, True), (0.9, True), (1.4, False)])
def test_a_hidden_face_is_remembered_for_some_time_and_not_for_some_frames(
    fps: int, hidden_s: float, same: bool
) -> None:
    tracker = Tracker(survive_s=1.0)
    ids = []
    for frame in range(5 * fps):
        t = frame / fps
        ids.append(tracker.update(t, [] if 2 <= t < 2 + hidden_s else [box(100 + 10 * t)]).ids.tolist())
    seen = {one for row in ids for one in row if one >= 0}
    assert seen == ({0} if same else {0, 1})
    assert ids[-1] == [0 if same else 1]


@pytest.mark.parametrize("fps", [5, 25, 60])
def test_who_appears_later_is_named_after_a_while(fps: int) -> None:
    tracker = known(box(500))
    named_at = None
    for frame in range(1, fps + 1):
        ids = tracker.update(frame / fps, [box(500), box(100)]).ids.tolist()
        assert ids[0] == 0 and ids[1] in (-1, 1)
        if ids[1] == 1 and named_at is None:
            named_at = (frame - 1) / fps
        assert (ids[1] == 1) == (named_at is not None)
    assert named_at is not None and 0.1 <= named_at <= 0.1 + 1 / fps


def test_single_false_detections_get_no_identity() -> None:
    tracker = known(box(500))
    for frame in range(1, 100):
        extra = [box(50 + 3 * frame, 400)] if frame % 12 == 0 else []
        ids = tracker.update(frame / 25, [box(500), *extra]).ids.tolist()
        assert ids == [0] + [-1] * len(extra)
    assert Tracker(confirm_s=0).update(0, [box(1)]).ids.tolist() == [0]


def test_identities_are_never_given_twice() -> None:
    tracker, seen = Tracker(), []
    for round_ in range(4):
        for frame in range(10):
            seen += tracker.update(10 * round_ + frame / 25, [box(100), box(400)]).ids.tolist()
    for frame in range(10):  # from the start again
        seen += tracker.update(frame / 25, [box(100), box(400)]).ids.tolist()
    named = [one for one in seen if one >= 0]
    assert list(dict.fromkeys(named)) == list(range(10))


def test_faces_that_cross_keep_their_ways() -> None:
    tracker = Tracker()
    for frame in range(50):
        t = frame / 25
        left, right = box(100 + 150 * t, 100), box(400 - 150 * t, 100)
        hidden = abs(left[0] - right[0]) < 40  # one is in front of the other
        ids = tracker.update(t, [left] if hidden else [left, right]).ids.tolist()
        if not hidden:
            assert ids == [0, 1]


@pytest.mark.parametrize("every", [2, 5, 10])
def test_between_detections_faces_are_where_they_are_predicted(every: int) -> None:
    tracker = Tracker()
    for frame in range(100):
        t = frame / 25
        truth = np.float32([box(100 + 70 * t), box(700 - 40 * t, 300, 80)])
        tracks = tracker.update(t, truth) if frame % every == 0 else tracker.predict(t)
        assert tracks.ids.tolist() == [0, 1]
        if frame > 50:  # the faster face goes 25 pixels in 9 frames
            assert np.abs(centers(tracks.boxes) - centers(truth)).max() < 8


def test_asking_for_a_prediction_changes_nothing() -> None:
    asked, silent = known(box(100), box(300)), known(box(100), box(300))
    for frame in range(1, 20):
        t = frame / 10
        places = [box(100 + 20 * t), box(300)]
        for ahead in (0.01, 0.5, 5.0, -1.0):
            asked.predict((frame - 1) / 10 + ahead)
        np.testing.assert_array_equal(asked.update(t, places).boxes, silent.update(t, places).boxes)


def test_what_a_prediction_names() -> None:
    assert len(Tracker().predict(3.0)) == 0
    tracker = known(box(100), box(300))
    tracker.update(0.1, [box(100), box(600)])
    assert tracker.predict(0.14).ids.tolist() == [0, -1]  # whoever the last update saw
    assert len(tracker.predict(0.05)) == 0 and len(tracker.predict(1.2)) == 0


def plain_kalman(times: Iterable[float], seen: Iterable[float | None], size: float) -> float:
    """One coordinate, with matrices; the noise of the motion is summed up in small steps."""
    noise, speed, fade = track_module._NOISE * size, track_module._SPEED * size, track_module._FADE_S
    state, spread, now = np.zeros(2), np.diag([0.0, 0.0]), None
    for t, z in zip(times, seen, strict=True):
        if now is None:
            assert z is not None
            state, spread, now = np.array([z, 0.0]), np.diag([noise**2, speed**2]), t
            continue
        steps = 4000
        dt = (t - now) / steps
        step = np.array([[1, dt], [0, 1 - dt / fade]])
        for _ in range(steps):
            state, spread = step @ state, step @ spread @ step.T + np.diag([0, 2 * speed**2 / fade * dt])
        now = t
        if z is not None:
            gain = spread[:, 0] / (spread[0, 0] + noise**2)
            state, spread = state + gain * (z - state[0]), spread - np.outer(gain, spread[0])
    return float(state[0])


def test_the_motion_is_a_kalman_filters() -> None:
    tracker, size = Tracker(), 60 * np.sqrt(1.2)
    times, seen = [0.0, 0.1, 0.15, 0.5, 0.6, 1.2], [100.0, 112.0, 115.0, None, 140.0, 150.0]
    for at, (t, x) in enumerate(zip(times, seen, strict=True)):
        tracks = tracker.update(t, [] if x is None else [box(x)])
        if x is not None:
            wanted = plain_kalman(times[: at + 1], seen[: at + 1], size)
            assert centers(tracks.boxes)[0, 0] == pytest.approx(wanted, abs=0.02)
    wanted = plain_kalman([*times, 1.5], [*seen, None], size)
    assert centers(tracker.predict(1.5).boxes)[0, 0] == pytest.approx(wanted, abs=0.02)


def test_empty_frames_between_change_no_prediction() -> None:
    straight, stopping = known(box(100)), known(box(100))
    for tracker in (straight, stopping):
        tracker.update(0.1, [box(110)])
    for t in (0.2, 0.21, 0.4, 0.55):
        assert len(stopping.update(t, [])) == 0
    boxes = [tracker.update(0.6, [box(150)]).boxes for tracker in (straight, stopping)]
    np.testing.assert_allclose(boxes[0], boxes[1], atol=1e-4)


def test_doubtful_detections_continue_but_do_not_start() -> None:
    tracker = known(box(100), box(300))
    for frame in range(1, 30):
        ids = tracker.update(frame / 25, [box(100), box(300), box(600)], [0.9, 0.3, 0.3]).ids.tolist()
        assert ids == [0, 1, -1]
    tracker.update(1.3, [box(100)], [0.9])
    assert tracker.update(1.4, [box(100), box(300)], [0.9, 0.3]).ids.tolist() == [0, -1]  # it was gone meanwhile
    assert tracker.update(1.5, [box(100), box(300)], [0.9, 0.9]).ids.tolist() == [0, 1]


def test_a_doubtful_detection_comes_second() -> None:
    tracker = known(box(100))
    tracks = tracker.update(0.04, [box(101), box(110)], [0.2, 0.9])
    assert tracks.ids.tolist() == [-1, 0]
    np.testing.assert_array_equal(tracks.boxes[0], np.float32(box(101)))


def test_scores_that_are_nan_count_as_none() -> None:
    tracker = Tracker()
    assert tracker.update(0.0, [box(100), box(300)], [np.nan, 0.9]).ids.tolist() == [0, 1]
    assert tracker.update(0.04, [box(300), box(100)], [np.nan, np.nan]).ids.tolist() == [1, 0]


def test_empty_frames_standing_time_and_jumps() -> None:
    tracker = Tracker()
    for t in (0.0, 0.0, 0.04):
        tracks = tracker.update(t, [])
        assert tracks.ids.shape == (0,) and tracks.boxes.shape == (0, 4)
    tracker = known(box(100))
    assert tracker.update(0.0, [box(102)]).ids.tolist() == [0]
    assert tracker.update(1.0, [box(102)]).ids.tolist() == [0]
    assert tracker.update(60.0, [box(102)]).ids.tolist() == [-1]
    assert tracker.update(60.2, [box(102)]).ids.tolist() == [1]
    assert tracker.update(0.0, [box(102)]).ids.tolist() == [2]  # a new start, so nobody waits to be named


def test_far_or_of_another_size_is_somebody_else() -> None:
    for other in (box(200), box(100, 100, 150)):
        assert known(box(100)).update(0.04, [other]).ids.tolist() == [-1]
    # A jump of 0.4 sizes, as when a detector changes its mind about the forehead
    assert known(box(100)).update(0.04, [box(100, 126)]).ids.tolist() == [0]


def test_a_crowd(rng: np.random.Generator) -> None:
    columns, rows = np.meshgrid(np.arange(20), np.arange(10))
    start = np.stack([90.0 * columns.ravel(), 100.0 * rows.ravel()], axis=1)
    speed = rng.normal(0, 12, start.shape)
    tracker, first = Tracker(), np.arange(200)
    for frame in range(25):
        places = start + speed * frame / 25 + rng.normal(0, 1, start.shape)
        order = rng.permutation(200)
        ids = tracker.update(frame / 25, [box(x, y) for x, y in places[order]]).ids
        if frame == 0:
            first = ids[np.argsort(order)]
        np.testing.assert_array_equal(ids, first[order])
    assert sorted(first) == list(range(200))


# Who is who among YuNet's faces in every 20th frame of a real video, which has 25 a second: told from pictures.
PEOPLE = [
    [0, 1, 2, 3, 4, 5, 6],
    [3, 2, 1, 5, 0, 4, 6],
    [2, 3, 1, 4, 0, 5, 6],
    [5, 2, 3, 0, 4, 1, 6],
    [3, 0, 2, 1, 5, 4, 6],
    [0, 6, 3, 4, 2, 5, 1],
    [0, 1, 3, 2, 6, 4, 5],
    [0, 2, 3, 1, 5, 6, 4],
    [0, 3, 5, 1, 6, 4],
    [0, 3, 6, 1, 5, 4],
    [6, 1, 3, 0, 5, 4],
    [6, 1, 3, 4],
    [1, 3],
    *[[1]] * 4,
]


def test_nobody_becomes_somebody_else_on_a_real_video(data: Path) -> None:
    frames = json.loads((data / "reference_video.json").read_text())["frames"]
    tracker, person_of = Tracker(), {}
    for frame, people in zip(frames, PEOPLE, strict=True):
        faces = frame["faces"]
        tracks = tracker.update(frame["frame"] / 25, [f["box_float"] for f in faces], [f["score"] for f in faces])
        if frame["frame"] <= 120:
            assert tracks.ids.tolist() == people
        # Then the camera moves by more than a face within 0.8 s: some are lost, which is no reason to mix them up.
        for identity, person in zip(tracks.ids.tolist(), people, strict=True):
            assert identity == -1 or person_of.setdefault(identity, person) == person
    assert 7 <= len(person_of) <= 8


def test_the_motion_against_opencvs_kalman_filter(rng: np.random.Generator) -> None:
    """OpenCV's Kalman filter as a second opinion, with the same matrices."""
    frames, dt = 30, 1 / 25
    size, fade = 60 * np.sqrt(1.2), track_module._FADE_S
    left = np.exp(-dt / fade)
    speed2 = (track_module._SPEED * size) ** 2
    other = cv2.KalmanFilter(2, 1, 0, cv2.CV_64F)
    other.transitionMatrix = np.array([[1, fade * (1 - left)], [0, left]])
    both = speed2 * fade * (1 - left) ** 2
    other.processNoiseCov = np.array(
        [[speed2 * fade * (2 * dt - fade * (3 - 4 * left + left**2)), both], [both, speed2 * (1 - left**2)]]
    )
    other.measurementMatrix = np.array([[1.0, 0.0]])
    other.measurementNoiseCov = np.array([[(track_module._NOISE * size) ** 2]])
    other.errorCovPost = np.diag([(track_module._NOISE * size) ** 2, speed2])
    tracker = Tracker()
    for frame in range(frames):
        x = 100 + 2 * frame + rng.normal(0, 1)
        found = centers(tracker.update(frame * dt, [box(x)]).boxes)[0, 0]
        if frame == 0:
            other.statePost = np.array([[x], [0.0]])
        else:
            other.predict()
            other.correct(np.array([[x]]))
        assert found == pytest.approx(float(other.statePost[0, 0]), abs=1e-3)


@pytest.mark.parametrize("time_s", [np.nan, np.inf])
def test_times_that_are_none(time_s: float) -> None:
    with pytest.raises(InputError, match="pictures have none"):
        Tracker().update(time_s, [box(100)])
    with pytest.raises(InputError, match="time_s must be finite"):
        Tracker().predict(time_s)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="one score per box"):
        Tracker().update(0, [box(100)], [0.5, 0.5])
    with pytest.raises(InputError, match="box 0 must be finite"):
        Tracker().update(0, [[0, 0, np.nan, 1]])
    for options in ({"survive_s": -1.0}, {"confirm_s": np.nan}, {"high_score": np.nan}):
        with pytest.raises(InputError, match=next(iter(options))):
            Tracker(**options)
