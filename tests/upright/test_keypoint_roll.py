"""In-plane roll from key points and from rotations, against a head of known pose."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import reference

from hpe_edge import InputError, open_detector
from hpe_edge.geometry import difference_deg
from hpe_edge.ops.turns import roll_from_keypoints
from hpe_edge.upright.keypoint_roll import check_keypoints, roll_of_rotation

# Eyes, nose, corners of the mouth in the head's axes: x to the image's right, y down, z away from the camera.
HEAD = np.array([[-32, -30, 0], [32, -30, 0], [0, 8, -25], [-24, 38, 0], [24, 38, 0]], np.float64)


def seen_from_afar(rotation: np.ndarray) -> np.ndarray:
    return np.float32([HEAD @ rotation.T[:, :2] * 0.7 + [300, 200]])


@pytest.mark.parametrize("yaw", [0, 45, -75, 90])
@pytest.mark.parametrize("pitch", [0, 35, -35])
@pytest.mark.parametrize("turn", [-170, -60, -7, 0, 25, 90, 135])
def test_the_roll_is_the_turn_of_the_picture_at_any_yaw_and_pitch(yaw: float, pitch: float, turn: float) -> None:
    upright = reference.rotation(0, pitch, 0) @ reference.ry(yaw)
    rotation = reference.rz(turn) @ upright
    assert abs(difference_deg(roll_from_keypoints(seen_from_afar(rotation))[0], turn)) < 1e-3
    assert abs(difference_deg(roll_of_rotation(rotation[None])[0], turn)) < 1e-3


def test_a_head_that_faces_the_camera_rolls_by_the_angle_roll() -> None:
    for roll in (-80.0, -10.0, 33.0):
        assert roll_of_rotation(reference.rotation(0, 0, roll)[None])[0] == pytest.approx(roll, abs=1e-4)


def test_unknown_rolls() -> None:
    points = np.repeat(seen_from_afar(np.eye(3)), 4, axis=0)
    points[1, 3, 0] = np.nan
    points[2] = 5
    points[3, 2] = np.nan  # the nose plays no part
    np.testing.assert_array_equal(np.isnan(roll_from_keypoints(points)), [False, True, True, False])
    assert roll_from_keypoints(points[:0]).shape == (0,)
    assert np.isnan(roll_of_rotation(np.full((1, 3, 3), np.nan)))


@pytest.mark.parametrize(
    ("points", "fragment"),
    [
        (np.zeros((5, 2)), r"got shape \(5, 2\) for 2 boxes"),
        (np.zeros((1, 5, 2)), "for 2 boxes"),
        ("x", "numbers"),
        (np.full((2, 5, 2), np.inf), "face 0 are infinite"),
    ],
)
def test_bad_key_points(points: object, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        check_keypoints(points, 2)


def test_none_for_no_boxes() -> None:
    assert check_keypoints([], 0).shape == (0, 5, 2)


def test_turned_photos(data: Path) -> None:
    """Profiles as well: the eyes' line would be wrong by 8 degrees in the mean there."""
    rows = list(csv.DictReader((data / "faces" / "pointing04_labels.csv").open()))
    detector = open_detector(data / "detectors" / "scrfd_500m_kps.onnx", threads=1)
    rng, off = np.random.default_rng(3), []
    for i in rng.choice(len(rows), 40, replace=False):
        photo = cv2.imread(str(data / "faces" / rows[i]["file"]))
        height, width = photo.shape[:2]
        middle = (width / 2 - 0.5, height / 2 - 0.5)
        turned = cv2.warpAffine(
            photo, cv2.getRotationMatrix2D(middle, -25, 1), (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        before, after = detector(photo), detector(turned)
        if len(before) == len(after) == 1:
            rolls = [roll_from_keypoints(found.keypoints)[0] for found in (before, after)]
            off.append(float(difference_deg(rolls[1], rolls[0] + 25)))
    assert len(off) > 15 and np.abs(off).mean() < 5
