"""Cuts between scenes, and what is none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hpe_edge.faces.detector import Detections
from hpe_edge.faces.scene_cut import SceneCut
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.faces.tracker import Tracker
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.pipeline.frame_step import Analysis
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.poses import Poses
from hpe_edge.sources.frame import Frame


def scene(seed: int, width: int = 1600, height: int = 360) -> np.ndarray:
    """A wide picture of smooth things in a few colours of its own."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(20, 235, 3)
    small = rng.normal(0, 45, (9, 40, 3)) + base
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 255).astype(np.uint8)


def cuts(frames: list[np.ndarray]) -> list[int]:
    is_cut = SceneCut()
    return [index for index, frame in enumerate(frames) if is_cut(frame)]


@pytest.mark.parametrize("seed", range(8))
def test_cuts_are_found(seed: int) -> None:
    a, b = (scene(100 + 2 * seed + k)[:, :640] for k in range(2))
    assert cuts([a, a, a, b, b, a]) == [3, 5]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("step", [0.02, 0.1, 0.25])
def test_a_pan_is_no_cut(seed: int, step: float) -> None:
    wide = scene(seed)
    assert cuts([wide[:, x : x + 640] for x in range(0, 960, int(step * 640))]) == []


@pytest.mark.parametrize("seed", range(8))
def test_changes_within_a_scene_are_no_cuts(seed: int) -> None:
    """A flash, a lamp that goes out, exposure, a person who passes, noise."""
    rng = np.random.default_rng(seed)
    still = scene(seed)[:, :640]
    bright, dark = cv2.convertScaleAbs(still, alpha=1.4, beta=20), cv2.convertScaleAbs(still, alpha=0.3)
    assert cuts([still, bright, still, dark, dark, still]) == []
    passing = []
    for x in range(-200, 640, 80):
        passing.append(still.copy())
        cv2.ellipse(passing[-1], (x + 100, 220), (90, 160), 0, 0, 360, (40, 60, 90), -1)
    assert cuts(passing) == []
    noisy = [np.clip(still + rng.normal(0, 12, still.shape), 0, 255).astype(np.uint8) for _ in range(4)]
    assert cuts(noisy) == []


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (900, 3), (20, 20), (1081, 1923)])
def test_frames_of_any_size(shape: tuple[int, int]) -> None:
    """Plain ones are alike, and one of another size is no cut."""
    black, white = (np.full((*shape, 3), level, np.uint8) for level in (0, 255))
    assert cuts([black, black, white, np.zeros((64, 64, 3), np.uint8)]) in ([], [2])


def analysis(angles: dict[int, float], tracker: Tracker) -> Analysis:
    """An engine that tells the pose by the colour of the picture."""

    def engine(image: np.ndarray, faces: Detections, **_: object) -> Poses:
        triples = np.full((len(faces), 3), [angles[int(image[0, 0, 0])], 0, 0], np.float32)
        rotations = rotation_from_euler(triples).astype(np.float32)
        return Poses(
            triples, np.full_like(triples, 3), rotations, boxes=faces.boxes, scores=faces.scores, ids=faces.ids
        )

    return Analysis(engine, tracker=tracker, smoother=PoseSmoother())


def test_tracks_end_and_smoothing_starts_anew_at_a_cut() -> None:
    """Two people at the same place by turns: neither gets the other's identity or a blend of the poses."""
    pictures = [scene(100)[:, :640].copy(), scene(101)[:, :640].copy()]
    for index, picture in enumerate(pictures):
        picture[0, 0] = index
    step = analysis({0: 30.0, 1: -30.0}, Tracker())
    found = Detections.from_boxes([[200, 100, 300, 220]])
    ids, yaws = [], []
    for index in range(20):
        result = step(Frame("v.mp4", index, index / 25, pictures[index // 5 % 2]), found, Stopwatch())
        ids.append(int(result.ids[0]))
        yaws.append(float(result.poses.yaw[0]))
    assert ids == list(np.repeat([0, 1, 2, 3], 5)) and step.cuts == 3
    np.testing.assert_allclose(yaws, np.repeat([30, -30, 30, -30], 5), atol=1e-3)


def test_a_cut_between_detections() -> None:
    """Faces of the scene before are not predicted into the new one; its first detection gets an identity at once."""
    pictures = [scene(100)[:, :640].copy(), scene(101)[:, :640].copy()]
    for index, picture in enumerate(pictures):
        picture[0, 0] = index
    step = analysis({0: 30.0, 1: -30.0}, Tracker())
    found = Detections.from_boxes([[200, 100, 300, 220]])
    ids = []
    for index in range(12):
        seen = found if index % 3 == 0 else None
        ids.append(step(Frame("v.mp4", index, index / 25, pictures[index // 7]), seen, Stopwatch()).ids.tolist())
    assert ids == [[0]] * 7 + [[], []] + [[1]] * 3
