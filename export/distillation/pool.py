"""The faces that a student learns from: the patches, and the same faces turned out of the picture's plane."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.distillation.views import Pool
from export.teaching.arrays import SEED, SIDE, Float64Array, Labels, Patches
from export.teaching.cache import cached
from export.teaching.consensus import Consensus, Opinion, agree
from export.turning.head_shape import mean_head, placed
from export.turning.turned_faces import HeadMesh, Placed
from hpe_edge.errors import ModelError
from hpe_edge.geometry import rotation_from_zxy, zxy_from_rotation

_DOUBTED_DEG = 14.0  # faces on which the teachers disagree more are not learned from
_TURNED_DEG = 9.0  # faces with a smaller disagreement are turned
_TURNS = 2  # of each of them
_CACHE_FORMAT = 1
_SHAPE_DEG, _LEAST_SHAPE_FACES = 5.0, 20  # faces with a smaller disagreement shape the mean head
_FARTHEST_ERROR = 0.08  # of the mean head from the landmarks, in face sizes
_OUTWARDS_DEG, _NOD_DEG = (10.0, 60.0), 20.0  # change of the yaw; largest change of the pitch
_LARGEST_YAW_DEG, _LARGEST_PITCH_DEG = 105.0, 60.0
_TURNED_BACK = 0.25  # share of the turns that go towards the camera
_SHOWN_DEG = 30.0  # beyond this |yaw| half of the face is not in the picture: it turns further away only
_EITHER_SIDE_DEG = 12.0
_TURN_WIDTH = 0.06  # share of a turn that its result is unsure by
_TURN_WEIGHTS = (0.4, 0.6, 1.0)  # of the turn beside the teachers, who see the turned face


def make_pool(
    patches: Patches,
    faces: NDArray[np.intp],
    points: NDArray[np.float32] | None,
    consensus: Consensus,
    cache: Path,
    ask: Callable[[Patches], list[Opinion]] | None = None,
) -> Pool:
    """Collect the faces.

    Args:
        patches: all faces.
        faces: the numbers of those to learn from.
        points: ``[N, 68, 2]``, the landmarks of all; None: no face is turned.
        consensus: on all.
        cache: folder for the turned faces.
        ask: what the teachers say of the turned faces; None: the turn alone gives their poses. A mesh of few points
            makes a face look further turned than it is at small angles (15 degrees as 20, to all teachers alike), so
            the teachers have the larger say there, and the turn in profile, where they shrink angles.

    Raises:
        ModelError: the teachers disagree on every face.
        OutputError: the cache cannot be written to.
    """
    kept = faces[consensus.disagreement_deg[faces] < _DOUBTED_DEG]
    if not len(kept):
        raise ModelError(
            f"the teachers disagree by {_DOUBTED_DEG:g} degrees or more on every face to learn from; check the boxes "
            "(chin to eyebrows), and name a teacher with a convention of its own with --aligned-teacher"
        )
    plain = pool_of(patches, kept, points, consensus)
    turned = None if points is None else _turned(patches, faces, points, consensus, cache, ask)
    return plain if turned is None else _joined(plain, turned)


def can_turn(consensus: Consensus) -> bool:
    """Tell if the teachers agree on enough faces to shape a mean head."""
    return int((consensus.disagreement_deg < _SHAPE_DEG).sum()) >= _LEAST_SHAPE_FACES


def pool_of(
    patches: Patches, faces: NDArray[np.intp], points: NDArray[np.float32] | None, consensus: Consensus
) -> Pool:
    """Faces as they are, each with the box that it was cut by and, where known, that of its landmarks."""
    boxes = patches.boxes[faces, None]
    if points is not None:
        boxes = np.concatenate([boxes, _boxes_of(points[faces])[:, None]], axis=1)
    labels = Labels(consensus.labels.rotations[faces], consensus.labels.widths[faces])
    return Pool(patches.pictures[faces], boxes, labels, np.ones(len(faces)))


def _turned(
    patches: Patches,
    taught: NDArray[np.intp],
    points: NDArray[np.float32],
    consensus: Consensus,
    cache: Path,
    ask: Callable[[Patches], list[Opinion]] | None,
) -> Pool | None:
    """Turned faces; None where the mean head fits none."""
    rotations, doubt = consensus.labels.rotations, consensus.disagreement_deg
    sure = doubt < _SHAPE_DEG
    shape = mean_head(points[sure], rotations[sure])
    scale, shift, error = placed(shape, points.astype(np.float64), rotations)
    faces = np.repeat(taught[(doubt < _TURNED_DEG)[taught] & (error < _FARTHEST_ERROR)[taught]], _TURNS)
    if not len(faces):
        return None
    before = np.asarray(zxy_from_rotation(rotations[faces]), np.float64)
    after = _drawn_poses(before)
    turns = rotation_from_zxy(after) @ np.swapaxes(rotations[faces], 1, 2)
    mesh = HeadMesh(shape)
    places = [Placed(points[face], rotations[face], float(scale[face]), shift[face]) for face in faces]
    outlines = np.stack([mesh.outline(*each) for each in zip(places, turns, strict=True)])

    def draw() -> NDArray[np.uint8]:
        pictures = np.empty((len(faces), SIDE, SIDE, 3), np.uint8)
        for row, face in enumerate(tqdm(faces, desc="turning faces", unit="face", disable=None)):
            pictures[row] = mesh.turn(patches.pictures[face], places[row], turns[row])
        return pictures

    content = f"{_CACHE_FORMAT} {patches.digest} {hashlib.sha256(outlines.tobytes()).hexdigest()}"
    pictures, _ = cached(cache, "turned", content, draw)
    widths = np.hypot(consensus.labels.widths[faces], _TURN_WIDTH * np.abs(after - before).sum(axis=1, keepdims=True))
    labels = Labels(np.asarray(rotation_from_zxy(after), np.float64), widths)
    boxes = _boxes_of(outlines)
    if ask is None:
        return Pool(pictures, boxes[:, None], labels, np.ones(len(faces)))
    said = ask(Patches(pictures, boxes, np.arange(len(faces))))
    turn = Opinion("the turn", labels.rotations[:, None].astype(np.float32), _TURN_WEIGHTS, aligned=False)
    agreed = agree([*said, turn])
    kept = np.flatnonzero(agreed.disagreement_deg < _DOUBTED_DEG)
    labels = Labels(agreed.labels.rotations[kept], agreed.labels.widths[kept])
    return Pool(pictures[kept], boxes[kept, None], labels, np.ones(len(kept))) if len(kept) else None


def _drawn_poses(before: Float64Array) -> Float64Array:
    """New poses ``[N, 3]`` in the order zxy; most faces turn further away from the camera."""
    rng = np.random.default_rng(SEED)
    count = len(before)
    back = (rng.random(count) < _TURNED_BACK) & (np.abs(before[:, 0]) < _SHOWN_DEG)
    away = np.where(back, -1.0, 1.0)
    side = np.where(before[:, 0] == 0, 1.0, np.sign(before[:, 0]))
    # A nearly frontal face turns to either side.
    side = np.where(np.abs(before[:, 0]) < _EITHER_SIDE_DEG, rng.choice((-1.0, 1.0), count), side)
    yaw = before[:, 0] + side * away * rng.uniform(*_OUTWARDS_DEG, count)
    pitch = before[:, 1] + rng.uniform(-_NOD_DEG, _NOD_DEG, count)
    return np.stack(
        [
            np.clip(yaw, -_LARGEST_YAW_DEG, _LARGEST_YAW_DEG),
            np.clip(pitch, -_LARGEST_PITCH_DEG, _LARGEST_PITCH_DEG),
            before[:, 2],
        ],
        axis=1,
    )


def _boxes_of(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Bounding boxes ``[N, 4]`` of points ``[N, 68, 2]``."""
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1).astype(np.float32)


def _joined(one: Pool, two: Pool) -> Pool:
    boxes = np.broadcast_to(two.boxes, (len(two.boxes), one.boxes.shape[1], 4))
    return Pool(
        np.concatenate([one.pictures, two.pictures]),
        np.concatenate([one.boxes, boxes]),
        Labels(
            np.concatenate([one.labels.rotations, two.labels.rotations]),
            np.concatenate([one.labels.widths, two.labels.widths]),
        ),
        np.concatenate([one.weights, two.weights]),
    )
