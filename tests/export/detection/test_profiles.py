"""Faces turned to profile for the detector, with 3DDFA's real landmarks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from export.detection.pictures import Picture, Pictures
from export.detection.profiles import with_profiles
from export.labelling.fuse import NO_LABELS, Labels
from export.labelling.hull import bounds, outline
from export.teaching.teachers import open_teacher
from export.zoo.threeddfa import ThreeDdfa
from hpe_edge import PoseEngine
from hpe_edge.faces.open_detector import open_detector


@pytest.fixture(scope="module")
def net(data: Path) -> ThreeDdfa:
    found = open_teacher(data / "checkpoints" / "3ddfa_v2" / "mb05_120x120.pth").net
    assert isinstance(found, ThreeDdfa)
    return found


@pytest.fixture(scope="module")
def pictures(data: Path) -> Pictures:
    yunet = open_detector(data / "detectors" / "yunet_n_640_640.onnx", threads=1)
    faces: list[Picture] = []
    for path in sorted((data / "faces").glob("face_*.webp")):
        image = np.asarray(cv2.imread(str(path)), np.uint8)
        found = yunet(image)
        if len(found) == 1 and found.keypoints is not None:
            labels = Labels(
                outline(found.boxes.astype(np.float64), np.zeros(1)),
                found.keypoints.astype(np.float64),
                np.ones(1),
                np.zeros((0, 4)),
            )
            faces.append(Picture(path.name, image, labels, 1.0 + len(faces) % 2))
        if len(faces) == 40:
            break
    return Pictures([], [], faces)


def test_faces_are_turned_and_their_labels_with_them(pictures: Pictures, net: ThreeDdfa, tmp_path: Path) -> None:
    faces = with_profiles(pictures, net, tmp_path).faces
    assert faces[: len(pictures.faces)] == pictures.faces
    turned = faces[len(pictures.faces) :]
    assert len(turned) >= 15
    assert sum(each.weight for each in turned) == pytest.approx(sum(each.weight for each in pictures.faces))
    # A network that never saw a mesh finds them turned, and its own detector of key points agrees where it finds them.
    with PoseEngine(threads=1, upright=None) as engine:
        yaws = [engine(each.image, bounds(each.labels.outlines).astype(np.float32)).yaw[0] for each in turned]
    assert np.median(np.abs(yaws)) > 35
    for each in turned:
        (five,) = each.labels.points
        low, high = bounds(each.labels.outlines)[0].reshape(2, 2)
        assert ((five >= low - 1) & (five <= high + 1)).all()
        # The nose is on the side where the face looks; yaw > 0 is to the left of the image.
        side = np.sign(five[[0, 1, 3, 4], 0].mean() - five[2, 0])
        assert side == np.sign(yaws[turned.index(each)]) or abs(yaws[turned.index(each)]) < 25


def test_the_same_faces_come_from_the_cache(pictures: Pictures, net: ThreeDdfa, tmp_path: Path) -> None:
    few = Pictures([], [], pictures.faces[:25])
    first = with_profiles(few, net, tmp_path).faces
    (kept,) = tmp_path.glob("profiles-*.npy")
    changed = kept.stat().st_mtime_ns
    again = with_profiles(few, net, tmp_path).faces
    assert kept.stat().st_mtime_ns == changed and len(list(tmp_path.iterdir())) == 1
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.image, other.image)


def test_small_and_rolled_faces_stay_as_they_are(net: ThreeDdfa, tmp_path: Path) -> None:
    image = np.zeros((200, 200, 3), np.uint8)
    points = np.array([[[0.3, 0.3], [0.7, 0.3], [0.5, 0.55], [0.35, 0.8], [0.65, 0.8]]])
    small = Labels(outline(np.array([[20.0, 20, 60, 70]]), np.zeros(1)), points * 40 + 20, np.ones(1), np.zeros((0, 4)))
    rolled = Labels(
        outline(np.array([[20.0, 20, 150, 160]]), np.zeros(1)), points[..., ::-1] * 120, np.ones(1), NO_LABELS.ignored
    )
    pictures = Pictures([], [], [Picture("a", image, small), Picture("b", image, rolled)])
    assert with_profiles(pictures, net, tmp_path) is pictures
