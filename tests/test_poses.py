"""Poses: rows, selection, doubt, dicts, drawing."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hpe_edge import InputError, Pose, Poses
from hpe_edge.geometry import rotation_from_euler


def poses_of(count: int = 3, *, max_sigma: float = math.inf, faces: bool = True) -> Poses:
    rng = np.random.default_rng(3)
    angles = rng.uniform(-80, 80, (count, 3)).astype(np.float32)
    sigma = rng.uniform(1, 9, (count, 3)).astype(np.float32)
    rotation = rotation_from_euler(angles).astype(np.float32)
    if not faces:
        return Poses(angles, sigma, rotation, max_sigma=max_sigma)
    boxes = np.float32([[10 * i, 20, 10 * i + 30, 60] for i in range(count)]).reshape(-1, 4)
    scores, ids = np.linspace(0.5, 0.9, count, dtype=np.float32), np.arange(count) - 1
    return Poses(angles, sigma, rotation, boxes=boxes, scores=scores, ids=ids, max_sigma=max_sigma)


def test_rows_hold_the_numbers_of_their_face() -> None:
    poses = poses_of()
    rows = list(poses)
    assert all(isinstance(row, Pose) for row in rows) and len(rows) == 3
    for i, row in enumerate(rows):
        assert (row.yaw, row.pitch, row.roll) == tuple(poses.angles[i].tolist())
        assert row.sigma == tuple(poses.sigma[i].tolist()) and row.box == tuple(poses.boxes[i].tolist())
        assert row.score == poses.scores[i] and row.id == i - 1
        x, y, z, w = Rotation.from_matrix(poses.rotation[i]).as_quat(canonical=True)
        np.testing.assert_allclose(row.quaternion, (w, x, y, z), atol=1e-6)
    assert poses[-1] == rows[2] == poses[np.int64(2)]
    for index in (3, -4):
        with pytest.raises(IndexError, match="poses of 3"):
            poses[index]


def test_iteration_of_no_face_ends_at_once() -> None:
    assert list(poses_of(0)) == [] and poses_of(0).to_rows() == []


@pytest.mark.parametrize(
    ("index", "which"),
    [
        (slice(1, None), [1, 2]),
        ([2, 0], [2, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([False, False, False], []),
        ([], []),
        (slice(None, None, -1), [2, 1, 0]),
    ],
)
def test_a_selection_keeps_every_array_in_step(index: object, which: list[int]) -> None:
    poses = poses_of(max_sigma=5.0)
    part = poses[index]  # type: ignore[call-overload]
    for name in ("angles", "sigma", "rotation", "boxes", "scores", "ids", "doubtful"):
        np.testing.assert_array_equal(getattr(part, name), getattr(poses, name)[which])
    assert part.max_sigma == 5.0


def test_unknown_faces_are_nan_and_without_identity() -> None:
    poses = poses_of(faces=False)
    assert np.isnan(poses.boxes).all() and poses.boxes.shape == (3, 4) and np.isnan(poses.scores).all()
    assert (poses.ids == -1).all() and poses[0].id == -1 and math.isnan(poses[0].score)
    row = poses[1:].to_rows()[0]
    assert row["x1"] is row["score"] is row["id"] is None and row["yaw_deg"] == poses.yaw[1]


def test_doubt_is_the_root_mean_square_of_sigma_beyond_the_limit() -> None:
    angles = np.zeros((4, 3), np.float32)
    sigma = np.float32([[3, 4, 5], [3, 4, 5.1], [np.nan] * 3, [1, 1, 1]])
    angles[3] = np.nan
    limit = math.sqrt((9 + 16 + 25) / 3) + 1e-6
    poses = Poses(angles, sigma, np.tile(np.eye(3, dtype=np.float32), (4, 1, 1)), max_sigma=limit)
    assert poses.doubtful.tolist() == [False, True, False, True]
    poses.max_sigma = math.inf
    assert poses.doubtful.tolist() == [False, False, False, True]


def test_dicts_are_plain_numbers() -> None:
    poses = poses_of(max_sigma=5.0)
    poses.sigma[0] = np.nan
    rows = json.loads(json.dumps(poses.to_rows(), allow_nan=False))
    assert [row["id"] for row in rows] == [None, 0, 1]
    assert [row["doubtful"] for row in rows] == poses.doubtful.tolist()
    assert rows[0]["yaw_sigma_deg"] is None
    for i, row in enumerate(rows):
        np.testing.assert_array_equal([row[k] for k in ("x1", "y1", "x2", "y2")], poses.boxes[i])
        np.testing.assert_array_equal([row[k] for k in ("qw", "qx", "qy", "qz")], poses.quaternion[i])
        np.testing.assert_array_equal([row[f"{k}_deg"] for k in ("yaw", "pitch", "roll")], poses.angles[i])


def test_a_copy_has_arrays_of_its_own() -> None:
    poses = poses_of(max_sigma=4.0)
    copy = poses.copy()
    for name in ("angles", "sigma", "rotation", "boxes", "scores", "ids"):
        assert not np.shares_memory(getattr(copy, name), getattr(poses, name))
        np.testing.assert_array_equal(getattr(copy, name), getattr(poses, name))
    assert copy.max_sigma == 4.0


def test_draw_marks_the_faces_and_needs_their_boxes() -> None:
    frame = np.full((120, 160, 3), 90, np.uint8)
    poses_of(2).draw(frame)
    assert (frame[20:60, 10:40] != 90).any()
    with pytest.raises(InputError, match="no boxes"):
        poses_of(2, faces=False).draw(frame)


def test_doubtful_faces_are_paler() -> None:
    """Each pixel lies between the plain frame and the drawing of a sure face, about in the middle."""
    frame = np.full((240, 320, 3), 90, np.uint8)
    boxes = np.float32([[100, 60, 200, 180]])
    angles, sigma = np.float32([[20, 10, 5]]), np.full((1, 3), 4, np.float32)
    poses = Poses(angles, sigma, rotation_from_euler(angles).astype(np.float32), boxes=boxes)
    sure, pale = frame.copy(), frame.copy()
    poses.draw(sure)
    poses.max_sigma = 3.0
    poses.draw(pale)
    inside = np.s_[61:179, 101:199]  # without the label, which has a mark more
    changes = [np.abs(drawn[inside].astype(float) - 90) for drawn in (sure, pale)]
    assert changes[0].max() > 100
    np.testing.assert_allclose(changes[1], 0.45 * changes[0], atol=1)


@pytest.mark.parametrize(
    "faces", [{"boxes": np.zeros((2, 4), np.float32)}, {"scores": np.zeros(3)}, {"ids": np.zeros(3, np.int32)}]
)
def test_arrays_that_do_not_fit_are_refused(faces: dict[str, np.ndarray]) -> None:
    angles = np.zeros((3, 3), np.float32)
    with pytest.raises(InputError, match=next(iter(faces))):
        Poses(angles, angles.copy(), np.zeros((3, 3, 3), np.float32), **faces)


def test_translations_go_with_their_faces() -> None:
    """Through slices, copies, rows and dicts; poses without any say so."""
    poses = poses_of()
    assert np.isnan(poses.translation).all() and poses[0].translation is None and "x_m" not in poses.to_rows()[0]
    given = np.arange(9, dtype=np.float32).reshape(3, 3)
    placed = Poses(poses.angles, poses.sigma, poses.rotation, boxes=poses.boxes, translation=given)
    assert placed[2].translation == (6.0, 7.0, 8.0)
    assert placed[[2, 0]].copy().translation.tolist() == [[6, 7, 8], [0, 1, 2]]
    assert [placed.to_rows()[1][name] for name in ("x_m", "y_m", "z_m")] == [3, 4, 5]
    moved = placed.at(poses.boxes + np.float32(1), np.array([4, 5, 6]))
    assert moved.ids.tolist() == [4, 5, 6] and np.shares_memory(moved.translation, given)
    assert placed.ids.tolist() == [-1, -1, -1] and (moved.boxes == poses.boxes + 1).all()
    with pytest.raises(InputError, match="translation"):
        Poses(poses.angles, poses.sigma, poses.rotation, translation=given[:2])
