"""Doubtful faces in JavaScript are asked again all around, as in Python."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from js_calls import Js, rgba
from test_dark_faces import samples
from test_js_engine import check, turned_about

from hpe_edge import PoseEngine
from hpe_edge.models import DEFAULT
from hpe_edge.upright.search import ASK_AGAIN_SIGMA_DEG, Answers, best_answers, turns_of_looks

# The native turned crop has weights of 14 bits, and a second pass is turned by the answer to the first.
TURNED_DEG = 0.1


def chosen(js: Js, rolls: list[float], sigmas: list[float]) -> int:
    """Return the answer taken of those; check that it is Python's."""
    rotations = np.stack([reference.rz(roll) for roll in rolls])
    given = Answers(rotations[None].astype(np.float32), np.float32([sigmas]))
    plain = [sigma if np.isfinite(sigma) else None for sigma in sigmas]
    found = js("bestAnswer", rotations=rotations.reshape(-1, 9).tolist(), sigmas=plain)
    assert found == best_answers(given)[0]
    return int(found)


def test_the_answer_is_the_one_that_python_takes(node_js: Js, rng: np.random.Generator) -> None:
    assert chosen(node_js, [0, 90, 95, 200], [20, 5, 6, 30]) == 1
    taken = [
        chosen(node_js, rng.uniform(-60, 60, 8).tolist(), np.append(20, rng.uniform(10, 30, 7)).tolist())
        for _ in range(60)
    ]
    assert 10 < np.count_nonzero(taken) < 60


def test_looks_are_those_of_python(node_js: Js) -> None:
    for turn in (0.0, 12.5, -170.0):
        np.testing.assert_allclose(
            node_js("turnsOfLooks", turn_deg=turn), turns_of_looks(np.float32([turn])), atol=1e-4
        )


@pytest.mark.parametrize("wrong_points", [False, True])
def test_turned_faces_that_the_first_look_does_not_know(js: Js, wrong_points: bool) -> None:
    """Of two faces that share the frame, one may be sure; then a box without a face."""
    js("loadPose", file=DEFAULT.read_bytes())
    searched = 0
    with PoseEngine(threads=1) as engine, PoseEngine(threads=1, upright=None) as once:
        for picture, box in samples():
            x1, y1, x2, y2 = box[0]
            boxes = np.float32([box[0], [x1 - 60, y1 - 50, x2 - 70, y2 - 60]])
            up, across = np.float32([(x1 + x2) / 2, (y1 + y2) / 2]), (x2 - x1) / 5
            five = up - across * np.float32([[-1, -1], [1, -1], [0, 0], [-1, 1], [1, 1]])  # upside down
            points = np.stack([five, np.full((5, 2), np.nan, np.float32)])
            for degrees in (-150, -100, 60, 120, 175):
                frame = turned_about(picture, box[0].tolist(), degrees)
                faces = [{"box": each} for each in boxes.tolist()]
                if wrong_points:
                    faces[0]["keypoints"] = five.tolist()
                found = js("estimate", frame=rgba(frame), faces=faces)
                check(found, engine(frame, boxes, keypoints=points if wrong_points else None), TURNED_DEG)
                searched += np.count_nonzero(once(frame, boxes).sigma_rms > ASK_AGAIN_SIGMA_DEG)
    assert searched > 5
