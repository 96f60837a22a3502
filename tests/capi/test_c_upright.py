"""Turns of crops in libhpe_edge against plain formulas, and the whole way against PoseEngine."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest
import reference
from specs import SPECS

from benchmarks.c_interface.library import SEARCH_LOOKS, UPRIGHT, CError, Library, Spec, frame_view, pose_arrays
from hpe_edge import PoseEngine
from hpe_edge.geometry import difference_deg, euler_full_yaw, geodesic_deg, rotation_from_euler
from hpe_edge.models import DEFAULT
from hpe_edge.ops.turns import SECOND_PASS_ROLL_DEG
from hpe_edge.poses import Poses
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.spec import METADATA_KEY
from hpe_edge.upright.keypoint_roll import roll_of, roll_of_rotation
from hpe_edge.upright.search import ASK_AGAIN_SIGMA_DEG, Answers, best_answers, turns_of_looks

SAMPLES = {
    name: np.float32([numbers]) for name, *numbers in (line.split(",") for line in BOXES.read_text().splitlines()[1:])
}
POINTS = np.float32([[-8, -10], [8, -10], [0, 2], [-6, 10], [6, 10]])


def test_turns_of_keypoints(library: Library, rng: np.random.Generator) -> None:
    points = rng.normal(0, 30, (500, 5, 2)).astype(np.float32)
    points[::7, rng.integers(0, 5)] = np.nan
    points[5] = 3  # both middles on one spot
    want = np.nan_to_num(roll_of(points[:, 3:].mean(axis=1) - points[:, :2].mean(axis=1)))
    assert np.abs(difference_deg(library.turns_from_keypoints(points), want)).max() < 1e-4
    assert (want == 0).sum() > 70 and want[5] == 0


def test_a_clockwise_face_has_a_positive_turn(library: Library) -> None:
    for turn in (30.0, -75.0, 179.0):
        points = np.float32([100 + POINTS @ reference.rz(turn)[:2, :2].T])
        assert abs(library.turns_from_keypoints(points)[0] - turn) < 1e-3


def rotations(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Angles and rotations of heads of any pose, some in profile, at the gimbal and from behind."""
    angles = rng.uniform([-180, -89, -180], [180, 89, 180], (count, 3)).astype(np.float32)
    angles[::5, 0] = rng.choice([90, -90, 89.9999, 90.001], len(angles[::5]))
    return angles, rotation_from_euler(angles)


def test_turns_are_undone(library: Library, rng: np.random.Generator) -> None:
    angles, rotation = rotations(rng, 400)
    turns = rng.uniform(-180, 180, 400).astype(np.float32)
    turns[::3] = 0
    angles[7], rotation[7] = np.nan, np.nan
    about_z = np.zeros((400, 3))
    about_z[:, 2] = turns
    turned = (rotation_from_euler(about_z) @ rotation).astype(np.float32)
    want_rotation = np.where(turns[:, None, None] == 0, rotation, turned)
    want_angles = np.where(turns[:, None] == 0, angles, euler_full_yaw(turned.astype(np.float64)))
    sigma = np.ones_like(angles)
    library.undo_turns(turns, [angles, sigma, rotation])
    np.testing.assert_allclose(rotation, want_rotation, atol=2e-7, rtol=0)
    # At the gimbal pitch and roll alone are not unique, the rotation is.
    assert np.nanmax(geodesic_deg(rotation_from_euler(angles), rotation)) < 1e-4
    sure = np.abs(np.abs(want_angles[:, 0]) - 90) > 0.01
    assert np.nanmax(np.abs(difference_deg(angles, want_angles))[sure]) < 1e-4
    assert sure.sum() > 200 and np.isnan(angles[7]).all()
    np.testing.assert_array_equal(sigma, np.ones_like(sigma))


def test_the_second_pass_takes_the_same_faces(library: Library, rng: np.random.Generator) -> None:
    angles, rotation = rotations(rng, 400)
    rotation[3] = np.nan
    turns = (roll_of_rotation(rotation) + rng.uniform(-30, 30, 400)).astype(np.float32)
    turns[3] = 0
    for given in (None, turns):
        rolls = roll_of_rotation(rotation)
        left = rolls if given is None else difference_deg(rolls, given)
        want = np.flatnonzero(np.abs(left) > SECOND_PASS_ROLL_DEG)
        rows, again = library.second_pass(given, [angles, angles, rotation])
        assert rows.tolist() == want.tolist() and 50 < len(rows) < 400
        assert np.abs(difference_deg(again, rolls[rows])).max() < 1e-4


class Estimator:
    """The way of hpe_edge.h's first comment: libhpe_edge around a session of ONNX Runtime."""

    def __init__(self, library: Library, path: Path) -> None:
        self.session = onnxruntime.InferenceSession(path)
        self.library = library
        self.spec: Spec = library.read_spec(self.session.get_modelmeta().custom_metadata_map[METADATA_KEY])

    def __call__(
        self, frame: np.ndarray, boxes: np.ndarray, turns: np.ndarray, *, upright: str | None
    ) -> list[np.ndarray]:
        found = self._estimate(frame, boxes, turns)
        if upright == "second-pass":
            rows, again = self.library.second_pass(turns, found)
            if len(rows):
                for into, second in zip(found, self._estimate(frame, boxes[rows], again), strict=True):
                    into[rows] = second
        return found

    def search(self, frame: np.ndarray, boxes: np.ndarray, turns: np.ndarray, found: list[np.ndarray]) -> np.ndarray:
        """Search doubtful faces; return the looks that were taken."""
        rows, looks = self.spec.search_turns(turns, found)
        seen = self(frame, np.repeat(boxes[rows], SEARCH_LOOKS, axis=0), looks.ravel(), upright="second-pass")
        return self.library.take_looks(rows, seen, found)

    def _estimate(self, frame: np.ndarray, boxes: np.ndarray, turns: np.ndarray) -> list[np.ndarray]:
        boxes, turns = np.ascontiguousarray(boxes), np.ascontiguousarray(turns)
        if not len(boxes):
            return pose_arrays(0)
        input = self.spec.crop(frame_view(frame), boxes, self.spec.room(len(boxes)), turns)
        self.spec.stretch(input)
        outputs = self.session.run([name for name, _ in self.spec.outputs], {self.spec.info.input_name.decode(): input})
        found = pose_arrays(len(boxes))
        self.spec.decode(outputs, found)
        self.library.undo_turns(turns, found)
        return found


def compare(found: list[np.ndarray], poses: Poses) -> None:
    """Compare arrays with the engine's poses.

    ONNX Runtime runs here and native code there, which add in other orders.
    """
    for ours, theirs, limit in zip(found, (poses.angles, poses.sigma, poses.rotation), (1e-4, 1e-3, 2e-6), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=limit, rtol=0)


@pytest.mark.parametrize("turn", [0, 30, 90, 160, -100])
@pytest.mark.parametrize("name", SAMPLES)
def test_angles_equal_pose_engines_on_turned_pictures(library: Library, name: str, turn: int) -> None:
    """The embedded model is a second-pass one, so pictures that are turned need the second pass."""
    photo, (box,) = cv2.imread(str(FOLDER / name)), SAMPLES[name]
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -turn, 1.0)
    frame = cv2.warpAffine(photo, matrix, (width, height))
    center = matrix @ [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, 1]
    half = (box[2] - box[0]) / 2
    boxes = np.float32([[*(center - half), *(center + half)], [*(center - half + 3), *(center + half + 1)]])
    estimator = Estimator(library, DEFAULT)
    assert UPRIGHT[estimator.spec.info.upright] == "second-pass"
    with PoseEngine() as engine:
        poses = engine(frame, boxes)
        found = estimator(frame, boxes, np.zeros(2, np.float32), upright="second-pass")
        estimator.search(frame, boxes, np.zeros(2, np.float32), found)
        compare(found, poses)
        if turn == 30:  # the second pass has run, and mattered
            first = estimator(frame, boxes, np.zeros(2, np.float32), upright=None)
            assert np.abs(first[0] - found[0]).max() > 0.1
        points = np.float32([center + POINTS * 2 @ reference.rz(float(turn))[:2, :2].T] * 2)
        points[1, 0] = np.nan  # unknown for the second face
        poses = engine(frame, boxes, keypoints=points)
        turns = library.turns_from_keypoints(points)
        assert abs(turns[0] - turn) < 1e-3 and turns[1] == 0
        found = estimator(frame, boxes, turns, upright="second-pass")
        estimator.search(frame, boxes, turns, found)
        compare(found, poses)
    with PoseEngine(upright="keypoints") as engine:
        poses = engine(frame, boxes, keypoints=points)
        compare(estimator(frame, boxes, turns, upright="keypoints"), poses)


@pytest.mark.parametrize("gain", [0.05, 1.0])
@pytest.mark.parametrize("name", SAMPLES)
def test_dark_faces_with_wrong_key_points(library: Library, name: str, gain: float) -> None:
    """Upside down by their key points, so that they are doubtful."""
    photo, (box,) = cv2.imread(str(FOLDER / name)), SAMPLES[name]
    frame = np.rint(photo * gain).astype(np.uint8)
    boxes = np.float32([box, [box[0] - 60, box[1] - 50, box[2] - 70, box[3] - 60]])
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    points = (middle[:, None] - POINTS * 2).astype(np.float32)
    estimator = Estimator(library, DEFAULT)
    with PoseEngine() as engine:
        poses = engine(frame, boxes, keypoints=points)
    turns = library.turns_from_keypoints(points)
    found = estimator(frame, boxes, turns, upright="second-pass")
    estimator.search(frame, boxes, turns, found)
    compare(found, poses)
    assert poses.stretched.all() == (gain < 1)


def test_the_search_takes_the_same_answers(library: Library, rng: np.random.Generator) -> None:
    spec = library.read_spec(SPECS["everything"].to_json())
    count, looks = 300, 1 + SEARCH_LOOKS
    rolls = rng.uniform(-180, 180, (count, looks)).astype(np.float32)
    rolls[:, 2:5] = rolls[:, 1:2] + rng.uniform(-30, 30, (count, 3))
    sigma = np.repeat(rng.uniform(2, 30, (count, looks, 1)), 3, axis=2).astype(np.float32)
    angles = np.stack([0 * rolls, 0 * rolls, rolls], axis=-1)
    rotation = rotation_from_euler(angles)
    sigma[5, 0], sigma[6, 3], rotation[7, 1] = np.nan, np.nan, np.nan
    turns = rng.uniform(-90, 90, count).astype(np.float32)
    poses = [np.ascontiguousarray(each[:, 0]) for each in (angles, sigma, rotation)]
    rows, look_turns = spec.search_turns(turns, poses)
    rms = np.sqrt(np.square(sigma[:, 0]).mean(axis=1))
    assert rows.tolist() == np.flatnonzero(rms > ASK_AGAIN_SIGMA_DEG).tolist() and 100 < len(rows) < count
    np.testing.assert_allclose(look_turns.ravel(), turns_of_looks(turns[rows]), atol=1e-4)
    given = [each[rows, 1:].reshape(-1, *each.shape[2:]).copy() for each in (angles, sigma, rotation)]
    taken = library.take_looks(rows, given, poses)
    want = best_answers(Answers(rotation[rows], np.sqrt(np.square(sigma[rows]).mean(axis=2)))) - 1
    assert taken.tolist() == want.tolist() and 20 < np.count_nonzero(taken >= 0) < len(rows) - 20
    for array, arrays in zip(poses, (angles, sigma, rotation), strict=True):
        np.testing.assert_array_equal(array[rows], arrays[rows, 1 + taken])
    for other in ("bins", "zxy"):  # no calibrated sigma, no second pass
        assert len(library.read_spec(SPECS[other].to_json()).search_turns(turns, poses)[0]) == 0


def test_bad_turns_are_refused(library: Library) -> None:
    spec = library.read_spec(SPECS["bins"].to_json())
    frame, boxes = np.zeros((60, 80, 3), np.uint8), np.float32([[3, 4, 30, 40]])
    with pytest.raises(CError, match="turn 0 must be finite"):
        spec.crop(frame_view(frame), boxes, spec.room(1), np.float32([np.nan]))
    points = np.zeros((2, 5, 2), np.float32)
    points[1, 2, 0] = np.inf
    with pytest.raises(CError, match="key points of face 1 are infinite"):
        library.turns_from_keypoints(points)
