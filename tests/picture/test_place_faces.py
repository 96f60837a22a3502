"""Poses and boxes of a picture's faces against SciPy and OpenCV, face by face from the definition."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from hpe_edge.camera import Camera
from hpe_edge.geometry import euler_from_rotation, geodesic_deg, rotation_from_euler
from hpe_edge.ops.rectify import view_rotation
from hpe_edge.picture.picture_spec import FaceRule
from hpe_edge.picture.place_faces import drawn_boxes, in_picture, nearest_rotation, place_faces

Float32 = NDArray[np.float32]

POINTS = np.random.default_rng(2).normal(size=(68, 3)) * [0.6, 0.8, 0.4]
RULE = FaceRule(
    min_score=0.05,
    overlap=0.5,
    mean=(0.1, -0.2, 0.05, 0.02, -0.03, 3.0),
    deviation=(0.5, 1.0, 0.4, 0.3, 0.3, 0.5),
    points=tuple((float(x), float(y), float(z)) for x, y, z in POINTS),
    grown_x=1.1,
    grown_y=1.1,
    forehead=0.3,
    unit_m=0.1,
)


def plain_face(
    numbers: NDArray[np.float64], box: Float32, size_hw: tuple[int, int]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Rotation, translation, tight and drawn box of one face, with the matrices written out."""
    height, width = size_hw
    focal = height + width
    camera = np.array([[focal, 0, width // 2], [0, focal, height // 2], [0, 0, 1.0]])
    x1, y1, x2, y2 = (float(side) for side in box)
    of_box = camera.copy()
    of_box[:2, 2] = x1 + math.floor((x2 - x1) / 2), y1 + math.floor((y2 - y1) / 2)
    shift = numbers[3:].copy()
    shift[2] *= focal / (x2 - x1 + y2 - y1)
    shift = np.linalg.inv(camera) @ of_box @ shift
    turn = Rotation.from_matrix(np.linalg.inv(camera) @ of_box @ Rotation.from_rotvec(numbers[:3]).as_matrix())
    flat, _ = cv2.projectPoints(POINTS, turn.as_rotvec(), shift, camera, None)
    low, high = flat[:, 0].min(axis=0), flat[:, 0].max(axis=0)
    sides = [int((high[k] - low[k]) * 1.1) for k in (0, 1)]
    corners = [(low[k] + high[k]) / 2 + sign * sides[k] / 2 for sign in (-1, 1) for k in (0, 1)]
    roll = turn.as_rotvec()[2]
    if abs(roll) > 2.5:
        corners[3] += 0.3 * (high[1] - low[1])
    elif roll > 1:
        corners[2] += 0.3 * (high[0] - low[0])
    elif roll < -1:
        corners[0] -= 0.3 * (high[0] - low[0])
    else:
        corners[1] -= 0.3 * (high[1] - low[1])
    left, top, right, bottom = (int(side) for side in corners)
    drawn = np.array([max(left, 0), max(top, 0), min(right, width), min(bottom, height)], np.float64)
    return turn.as_matrix(), shift, np.array([*low, *high]), drawn


def regions(rng: np.random.Generator, count: int, size_hw: tuple[int, int]) -> Float32:
    height, width = size_hw
    corner = rng.uniform(0, 0.8, (count, 2)) * [width, height]
    return np.concatenate([corner, corner + rng.uniform(20, 90, (count, 2))], axis=1).astype(np.float32)


@pytest.mark.parametrize("size_hw", [(400, 533), (601, 417)])
def test_each_face_is_the_plain_one(rng: np.random.Generator, size_hw: tuple[int, int]) -> None:
    """Turns of all sizes, so that the forehead is on every side."""
    boxes = regions(rng, 60, size_hw)
    numbers = np.concatenate(
        [rng.normal(0, 1, (60, 3)) * [0.5, 0.5, 1.6], rng.normal(0, 0.3, (60, 2)), rng.uniform(2, 5, (60, 1))], 1
    )
    rotation, translation = in_picture(numbers, boxes, size_hw)
    plain = [plain_face(number, box, size_hw) for number, box in zip(numbers, boxes, strict=True)]
    rolls = Rotation.from_matrix(rotation).as_rotvec()[:, 2]
    assert (np.abs(rolls) > 2.5).any() and (rolls[np.abs(rolls) < 2.5] > 1).any() and (rolls < -1).any()
    assert geodesic_deg(rotation, np.stack([each[0] for each in plain])).max() < 1e-5
    assert np.allclose(translation, np.stack([each[1] for each in plain]), rtol=1e-5, atol=1e-6)
    tight = np.stack([each[2] for each in plain])
    drawn = drawn_boxes(tight, rolls, size_hw, RULE)
    assert np.array_equal(drawn, np.stack([each[3] for each in plain]))


def test_faces_are_scaled_chosen_and_suppressed(rng: np.random.Generator) -> None:
    """One of two alike is dropped, as are a low score and a region without a side."""
    size_hw = (400, 533)
    boxes = np.array(
        [[50, 60, 110, 130], [51, 60, 111, 130], [300, 200, 350, 260], [10, 10, 10, 50], [200, 20, 260, 90]]
    )
    logits = np.array([[0, 1.0], [0, 2.0], [0, 0.5], [0, 3.0], [5.0, 0]], np.float32)
    poses = rng.normal(0, 0.2, (5, 6)).astype(np.float32)
    poses[1] = poses[0]
    found = place_faces(boxes.astype(np.float32), logits, poses, size_hw, RULE)
    assert np.allclose(found.scores, [1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-0.5))], rtol=1e-6)
    for row, of in enumerate((1, 2)):
        numbers = poses[of].astype(np.float64) * RULE.deviation + RULE.mean
        rotation, translation, tight, drawn = plain_face(numbers, boxes[of].astype(np.float32), size_hw)
        assert geodesic_deg(found.rotation[row], rotation) < 1e-5
        assert np.allclose(found.translation[row], translation, rtol=1e-6)
        assert np.abs(found.tight[row] - tight).max() < 0.01
        assert np.array_equal(found.drawn[row], drawn)


def test_no_region_is_no_face() -> None:
    found = place_faces(
        np.zeros((0, 4), np.float32), np.zeros((0, 2), np.float32), np.zeros((0, 6), np.float32), (9, 9), RULE
    )
    assert len(found) == 0 and found.rotation.shape == (0, 3, 3) and found.drawn.shape == (0, 4)


def test_a_nan_stays_with_its_face() -> None:
    boxes = np.array([[50, 60, 110, 130], [300, 200, 350, 260]], np.float32)
    poses = np.zeros((2, 6), np.float32)
    poses[0, 4] = poses[0, 1] = np.nan
    found = place_faces(boxes, np.array([[0, 2.0], [0, 1.0]], np.float32), poses, (400, 533), RULE)
    assert np.isnan(found.rotation[0]).all() and np.isnan(found.tight[0]).any()
    assert np.isfinite(found.rotation[1]).all() and np.isfinite(found.drawn[1]).all()


def test_the_nearest_rotation_is_scipys(rng: np.random.Generator) -> None:
    matrices = np.eye(3) + rng.normal(0, 0.2, (40, 3, 3))
    assert np.abs(nearest_rotation(matrices) - Rotation.from_matrix(matrices).as_matrix()).max() < 1e-12


@pytest.mark.parametrize("off_axis_deg", [5.0, 15.0, 30.0])
def test_its_rectification_turns_by_half_of_ours(off_axis_deg: float) -> None:
    """A face a off the axis: theirs turns by atan(tan(a) / 2), ours by a. Both about the vertical, the same way."""
    height, width = 400, 600
    focal = height + width
    middle = width // 2 + focal * math.tan(math.radians(off_axis_deg))
    box = np.array([[middle - 20, 180, middle + 20, 220]], np.float32)
    rotation, _ = in_picture(np.array([[0, 0, 0, 0, 0, 3.0]]), box, (height, width))
    half = math.degrees(math.atan(math.tan(math.radians(off_axis_deg)) / 2))
    yaw, pitch, roll = euler_from_rotation(rotation[0])
    assert yaw == pytest.approx(half, abs=0.05)  # the middle is in whole pixels
    assert abs(pitch) < 1e-6 and abs(roll) < 1e-6
    ours = view_rotation(Camera(focal, focal, width / 2, height / 2).rays(np.array([[middle, height / 2]])))[0]
    assert euler_from_rotation(ours)[0] == pytest.approx(off_axis_deg, abs=0.01)
    assert geodesic_deg(rotation[0], rotation_from_euler([off_axis_deg, 0, 0])) == pytest.approx(
        off_axis_deg - half, abs=0.05
    )
