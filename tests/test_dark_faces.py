"""The engine on dark, flat and grey pictures."""

from __future__ import annotations

import csv

import cv2
import numpy as np
import pytest

from hpe_edge import Camera, PoseEngine
from hpe_edge.geometry import geodesic_deg
from hpe_edge.samples import FOLDER


def samples() -> list[tuple[np.ndarray, np.ndarray]]:
    rows = csv.DictReader((FOLDER / "boxes.csv").open())
    return [
        (cv2.imread(str(FOLDER / row["file"])), np.float32([[float(row[k]) for k in ("x1", "y1", "x2", "y2")]]))
        for row in rows
    ]


@pytest.fixture(scope="module")
def engine() -> PoseEngine:
    return PoseEngine(threads=1)


def dimmed(picture: np.ndarray, gain: float, offset: float) -> np.ndarray:
    return np.clip(np.rint(picture * gain + offset), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("gain", "offset"), [(0.1, 0), (0.05, 0), (0.03, 0), (0.05, 120), (0.1, 220)])
@pytest.mark.parametrize("options", [{}, {"camera": Camera(600, 600, 256, 256)}], ids=["plain", "camera"])
def test_dark_and_flat_faces_get_the_pose_of_daylight(
    engine: PoseEngine, gain: float, offset: float, options: dict[str, Camera]
) -> None:
    for picture, box in samples():
        light = engine(picture, box, **options)
        dark = engine(dimmed(picture, gain, offset), box, **options)
        assert geodesic_deg(dark.rotation, light.rotation).max() < 1.3  # 0.7 to 4.1 without the stretch
        assert dark.stretched.all() and not light.stretched.any()


def test_the_mark_follows_its_face(engine: PoseEngine) -> None:
    picture, box = samples()[0]
    frame = np.concatenate([picture, dimmed(picture, 0.05, 0)], axis=1)
    shift = np.float32([picture.shape[1], 0] * 2)
    poses = engine(frame, np.concatenate([box, box + shift, box]))
    assert poses.stretched.tolist() == [False, True, False]
    assert poses[1:].stretched.tolist() == [True, False] and poses.copy().stretched.tolist() == [False, True, False]
    many = engine.many([engine.request(frame, box), engine.request(frame, box + shift)])
    assert [each.stretched.tolist() for each in many] == [[False], [True]]
    assert engine(frame, np.empty((0, 4))).stretched.shape == (0,)


def test_infrared_by_grey_frames(engine: PoseEngine) -> None:
    for picture, box in samples():
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        want = engine(grey, box, color="GRAY8")
        flat = engine(dimmed(grey, 0.06, 90), box, color="GRAY8")
        assert flat.stretched.all() and geodesic_deg(flat.rotation, want.rotation).max() < 1.3
