"""Profiles for the detector's training: single faces turned in depth, as photos of people hold few."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.detection.pictures import Picture, Pictures
from export.labelling.fuse import Labels
from export.labelling.hull import bounds
from export.step import need
from export.teaching.arrays import SEED, SIDE, Float64Array, Patches
from export.teaching.cache import cached
from export.teaching.patches import cut_patch
from export.turning.head_shape import landmarks_of, mean_head, placed
from export.turning.turned_faces import HeadMesh, Placed
from export.zoo.threeddfa import ThreeDdfa
from hpe_edge.engine import PoseEngine
from hpe_edge.geometry import rotation_from_zxy, zxy_from_rotation
from hpe_edge.ops.turns import roll_from_keypoints

_CACHE_FORMAT = 1
_LEAST_SIDE = 64.0  # pixels; smaller faces are too coarse to be drawn anew
_UPRIGHT_DEG = 15.0
_MOST = 8000
_FARTHEST_ERROR = 0.08  # of the mean head from the landmarks, in face sizes
_SHOWN_DEG = 45.0  # faces beyond this |yaw| show too little of their other side to be turned back
_YAW_DEG, _NOD_DEG = (30.0, 100.0), (-35.0, 20.0)  # people look down more than up
_EITHER_SIDE_DEG = 12.0
# 68 landmarks to five points: the person's right eye, left eye, nose, right and left corner of the mouth.
_FIVE = ((36, 37, 38, 39, 40, 41), (42, 43, 44, 45, 46, 47), (30,), (48,), (54,))


def with_profiles(pictures: Pictures, net: ThreeDdfa, cache: Path) -> Pictures:
    """Add faces of ``pictures`` turned towards profile to its single faces; they are drawn as often as all the others.

    Args:
        pictures: for training, or held out.
        net: gives landmarks.
        cache: folder that keeps the turned faces.

    Raises:
        OutputError: the cache cannot be written.
    """
    patches = _patches([*pictures.faces, *pictures.people])
    if patches is None:
        return pictures
    turned = _turned(patches, net, cache)
    weight = sum(each.chance for each in pictures.faces) / max(len(turned), 1)
    return replace(pictures, faces=[*pictures.faces, *(replace(each, weight=weight) for each in turned)])


def _patches(pictures: Iterable[Picture]) -> Patches | None:
    """The large upright faces; None if there is none."""
    cut, sources = [], []
    for number, picture in enumerate(pictures):
        boxes = bounds(picture.labels.outlines).astype(np.float32)
        roll = np.nan_to_num(roll_from_keypoints(picture.labels.points), nan=180.0)
        for box, own in zip(boxes, roll, strict=True):
            if max(box[2:] - box[:2]) >= _LEAST_SIDE and abs(own) <= _UPRIGHT_DEG:
                cut.append(cut_patch(picture.image, box, float(own)))
                sources.append(number)
    if not cut:
        return None
    chosen = np.random.default_rng(SEED).permutation(len(cut))[:_MOST]
    images, places = zip(*(cut[i] for i in chosen), strict=True)
    return Patches(np.stack(images), np.stack(places), np.array(sources)[chosen])


def _turned(patches: Patches, net: ThreeDdfa, cache: Path) -> Sequence[Picture]:
    points, rotations = landmarks_of(net, patches), _rotations(patches)
    shape = mean_head(points, rotations)
    scale, shift, error = placed(shape, points.astype(np.float64), rotations)
    before = np.asarray(zxy_from_rotation(rotations), np.float64)
    faces = np.flatnonzero((error < _FARTHEST_ERROR) & (np.abs(before[:, 0]) < _SHOWN_DEG))
    turns = rotation_from_zxy(_drawn_poses(before[faces])) @ np.swapaxes(rotations[faces], 1, 2)
    mesh = HeadMesh(shape)
    places = [Placed(points[face], rotations[face], float(scale[face]), shift[face]) for face in faces]
    outlines = [mesh.outline(*each) for each in zip(places, turns, strict=True)]

    def draw() -> NDArray[np.uint8]:
        drawn = np.empty((len(faces), SIDE, SIDE, 3), np.uint8)
        for row, face in enumerate(tqdm(faces, desc="turning faces", unit="face", disable=None)):
            drawn[row] = mesh.turn(patches.pictures[face], places[row], turns[row])
        return drawn

    content = f"{_CACHE_FORMAT} {patches.digest} {hashlib.sha256(np.array(outlines).tobytes()).hexdigest()}"
    drawn, _ = cached(cache, "profiles", content, draw)
    return [
        Picture(f"profile_{row}", np.asarray(image), _labels(outline))
        for row, (image, outline) in enumerate(zip(drawn, outlines, strict=True))
    ]


def _labels(landmarks: Float64Array) -> Labels:
    five = np.stack([landmarks[list(each)].mean(axis=0) for each in _FIVE])
    return Labels(landmarks[None], five[None], np.ones(1), np.zeros((0, 4)))


def _rotations(patches: Patches) -> Float64Array:
    """Poses ``[N, 3, 3]`` by the embedded model."""
    need("onnxruntime", "turning faces to profiles")
    pairs = zip(patches.pictures, patches.boxes, strict=True)
    with PoseEngine(threads=1, upright=None) as engine:
        poses = [engine(image, box[None], boxes_from="landmarks").rotation[0] for image, box in pairs]
    return np.asarray(poses, np.float64)


def _drawn_poses(before: Float64Array) -> Float64Array:
    """New poses ``[N, 3]`` in the order zxy, on the side where the face looks."""
    rng = np.random.default_rng(SEED)
    side = np.where(
        np.abs(before[:, 0]) < _EITHER_SIDE_DEG, rng.choice((-1.0, 1.0), len(before)), np.sign(before[:, 0])
    )
    nod = rng.uniform(*_NOD_DEG, len(before))
    return np.stack([side * rng.uniform(*_YAW_DEG, len(before)), before[:, 1] + nod, before[:, 2]], axis=1)
