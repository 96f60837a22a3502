"""Doubtful faces are asked again in crops that are turned all around."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from compass_backend import CompassBackend

from hpe_edge import Camera, DynamicBatcher, PoseEngine
from hpe_edge.geometry import geodesic_deg
from hpe_edge.upright.search import ASK_AGAIN_SIGMA_DEG, OTHER_LOOKS, Answers, best_answers, turns_of_looks

BOX = np.float32([[60, 60, 140, 140]])
ROLLS = range(-180, 180, 15)


def gradient(roll_deg: float, side: int = 200) -> np.ndarray:
    """A picture that brightens towards the top of a head of that roll."""
    y, x = np.mgrid[:side, :side] - side / 2
    angle = np.deg2rad(roll_deg)
    grey = 128 + (np.sin(angle) * x - np.cos(angle) * y) * (110 / side / 0.75)
    return np.repeat(np.clip(grey, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def turned(*rolls: float) -> np.ndarray:
    return np.stack([reference.rz(roll) for roll in rolls])


@pytest.mark.parametrize("roll", ROLLS)
def test_a_face_of_any_roll_is_found(roll: float) -> None:
    backend = CompassBackend()
    with PoseEngine.of_backend(backend) as engine:
        pose = engine(gradient(roll), BOX)
        assert geodesic_deg(pose.rotation, turned(roll)).max() < 1.5
        assert pose.sigma_rms.max() < 4
        if abs(roll) <= 15:
            assert backend.faces <= 2  # the first look was sure
        seen = engine(gradient(roll), BOX, camera=Camera(200, 200, 100, 100))
        assert geodesic_deg(seen.rotation, turned(roll)).max() < 1.5


def test_wrong_key_points_are_searched_around_too() -> None:
    points = np.float32([[-8, 10], [8, 10], [0, -2], [-6, -10], [6, -10]]) + 100  # upside down
    with PoseEngine.of_backend(CompassBackend()) as engine:
        pose = engine(gradient(10), BOX, keypoints=points[None])
    assert geodesic_deg(pose.rotation, turned(10)).max() < 1.5


def test_frames_that_share_batches_are_searched_alike() -> None:
    rolls = [0.0, 100.0, 180.0, -20.0]
    with PoseEngine.of_backend(CompassBackend()) as engine:
        requests = [engine.request(gradient(roll), np.repeat(BOX, 2, axis=0)) for roll in rolls]
        for roll, poses in zip(rolls, engine.many(requests), strict=True):
            assert geodesic_deg(poses.rotation, turned(roll, roll)).max() < 1.5
        assert len(engine.many([engine.request(gradient(0), np.empty((0, 4)))])[0]) == 0
        with DynamicBatcher(engine) as batcher:
            stream = batcher.stream(capacity=1)
            stream.submit(gradient(100), BOX)
            result = stream.result(20)
            assert result is not None and result.poses is not None
            assert geodesic_deg(result.poses.rotation, turned(100)).max() < 1.5


@pytest.mark.parametrize("below", [True, False])
def test_only_doubtful_faces_are_asked_again(below: bool) -> None:
    backend = CompassBackend(ASK_AGAIN_SIGMA_DEG + (-0.4 if below else 0.4))
    with PoseEngine.of_backend(backend) as engine:
        pose = engine(gradient(180), BOX)
    assert (backend.faces == 1) == below
    assert (geodesic_deg(pose.rotation, turned(180)).max() < 1.5) != below


def test_without_a_calibrated_sigma_nothing_is_doubtful() -> None:
    backend = CompassBackend(calibrated=False)
    with PoseEngine.of_backend(backend) as engine:
        engine(gradient(180), BOX)
    assert backend.faces == 1


def test_upright_none_and_keypoints_never_search() -> None:
    backend = CompassBackend()
    engine = PoseEngine.of_backend(backend)
    for upright in (None, "keypoints"):
        engine.upright = upright
        engine(gradient(180), BOX)
    assert backend.faces == 2


def test_looks_are_all_around() -> None:
    turns = turns_of_looks(np.float32([10, -30])).reshape(2, OTHER_LOOKS)
    for row, first in zip(turns, (10, -30), strict=True):
        assert sorted(np.round(np.append(row, first) % 360)) == sorted((first + 45 * k) % 360 for k in range(8))


def answers(rolls: list[float], sigmas: list[float]) -> Answers:
    return Answers(turned(*rolls)[None].astype(np.float32), np.float32([sigmas]))


def test_an_answer_is_taken_if_it_is_clearly_surer_and_another_agrees() -> None:
    assert best_answers(answers([0, 90, 95, 200], [20, 5, 6, 30])) == 1
    assert best_answers(answers([0, 90, 150, 210], [20, 5, 6, 30])) == 0  # nobody agrees
    assert best_answers(answers([0, 90, 95, 200], [20, 15.9, 18, 30])) == 1
    assert best_answers(answers([0, 90, 95, 200], [20, 16.1, 18, 30])) == 0
    assert best_answers(answers([0, 90, 114, 200], [20, 5, 18, 30])) == 1
    assert best_answers(answers([0, 90, 116, 200], [20, 5, 18, 30])) == 0


def test_an_answer_like_the_first_is_none_of_a_turned_face() -> None:
    assert best_answers(answers([0, 24, 20, 200], [20, 5, 6, 30])) == 0
    assert best_answers(answers([0, 26, 30, 200], [20, 5, 6, 30])) == 1


def test_nan_never_wins() -> None:
    given = answers([0, 90, 95, 200], [20, np.nan, 6, 6])
    given.rotations[0, 1] = np.nan
    assert best_answers(given) == 0
