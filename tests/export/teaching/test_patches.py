"""Faces cut from pictures: upright by their key points, at a known place, from one detector or several."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn_faces import clockwise, dots, face, place_of, read
from numpy.typing import NDArray

from export.teaching.arrays import FACE, MIDDLE, SIDE
from export.teaching.patches import cut_patch, read_patches
from hpe_edge.errors import SourceError
from hpe_edge.faces.detector import Detections
from hpe_edge.samples import BOXES, FOLDER

SIDE_PX = 55  # of the faces' boxes
# Eyes, nose and corners of the mouth of an upright face, in box sides; of a pair the one to the left first.
FIVE = np.array([[-0.2, -0.25], [0.2, -0.25], [0.0, 0.0], [-0.15, 0.25], [0.15, 0.25]])


class Finder:
    """A detector that finds a face drawn by drawn_faces, and its roll by the marks; shift and turn are its errors."""

    def __init__(self, shift: float = 0.0, points: bool = True, size: float = 1.0, turn: float = 0.0) -> None:
        self.shift, self.points, self.size, self.turn = shift, points, size, turn

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        if not frame_bgr.any():
            return Detections(
                *(np.empty(shape, np.float32) for shape in ((0, 4), (0, 4), 0)), np.empty((0, 5, 2), np.float32)
            )
        eyes, chin = place_of(frame_bgr, (0, 0, 255)), place_of(frame_bgr, (255, 0, 0))
        side = 2 * np.linalg.norm(eyes - chin) * self.size
        middle = (eyes + chin) / 2 + self.shift * side
        box = np.concatenate([middle - side / 2, middle + side / 2]).astype(np.float32)[None]
        five = (FIVE @ clockwise(read(frame_bgr)[2] + self.turn).T * side + middle).astype(np.float32)[None]
        return Detections(box, box, np.ones(1, np.float32), five if self.points else None)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four pictures: three faces that are turned in the picture, and no face."""
    for name, pose in {"a": (20, 10, 35), "b": (-10, 0, -50), "c": (0, 20, 120)}.items():
        cv2.imwrite(str(tmp_path / f"{name}.png"), face(np.array(pose), np.array([85.0, 60.0]), SIDE_PX, 130, 165))
    cv2.imwrite(str(tmp_path / "b_empty.png"), np.zeros((100, 100, 3), np.uint8))
    return tmp_path


def test_faces_stand_upright_by_their_key_points(photos: Path) -> None:
    patches = read_patches([photos], None, "landmarks", [Finder()])
    assert patches.pictures.shape == (3, SIDE, SIDE, 3)
    for picture, wanted in zip(patches.pictures, ([20, 10, 0], [-10, 0, 0], [0, 20, 0]), strict=True):
        np.testing.assert_allclose(read(picture), wanted, atol=1.5)
    half = FACE / 2
    np.testing.assert_allclose(
        patches.boxes, [[MIDDLE - half, MIDDLE - half, MIDDLE + half, MIDDLE + half]] * 3, atol=0.01
    )
    assert patches.sources.tolist() == [0, 1, 3]


def test_without_key_points_or_by_boxes_they_stay_as_they_are(photos: Path, tmp_path: Path) -> None:
    rolls = [35, -50, 120]
    found = read_patches([photos], None, "landmarks", [Finder(points=False)])
    np.testing.assert_allclose([read(each)[2] for each in found.pictures], rolls, atol=1)
    rows = [f"{name}.png,57.5,32.5,112.5,87.5" for name in ("a", "b", "c", "zzz")]
    (tmp_path / "boxes.csv").write_text("\n".join(["file,x1,y1,x2,y2", *rows]))
    given = read_patches([photos], tmp_path / "boxes.csv", "landmarks", [])
    np.testing.assert_allclose([read(each)[2] for each in given.pictures], rolls, atol=1)
    assert any(note.startswith("1 boxes") for note in given.notes)


def test_a_face_that_two_detectors_find_is_one_with_the_mean_box(photos: Path) -> None:
    one, both = (
        read_patches([photos], None, "landmarks", list(each)) for each in ([Finder()], [Finder(0.1), Finder(-0.1)])
    )
    assert len(both) == 3
    np.testing.assert_allclose(both.boxes, one.boxes, atol=0.2)
    assert np.abs(both.pictures.astype(int) - one.pictures).mean() < 0.5
    # The second knows the key points, which the first lacks.
    joined = read_patches([photos], None, "landmarks", [Finder(points=False), Finder()])
    np.testing.assert_allclose([read(each)[2] for each in joined.pictures], 0, atol=1)
    apart = read_patches([photos], None, "landmarks", [Finder(), Finder(0.8)])
    assert len(apart) == 6 and apart.sources.tolist() == [0, 0, 1, 1, 3, 3]


def test_of_three_detectors_each_counts_a_third(photos: Path) -> None:
    unturned = [Finder(shift, points=False) for shift in (0.09, 0.0, -0.03)]  # 0.02 on average
    for picture in read_patches([photos], None, "landmarks", unturned).pictures:
        middle = (place_of(picture, (0, 0, 255)) + place_of(picture, (255, 0, 0))) / 2
        np.testing.assert_allclose(middle, MIDDLE - 0.02 * FACE, atol=0.5)
    turning = [Finder(turn=12.0), Finder(points=False), Finder(), Finder(turn=-3.0)]  # 3 degrees on average
    for picture in read_patches([photos], None, "landmarks", turning).pictures:
        assert read(picture)[2] == pytest.approx(-3.0, abs=1.0)


def test_several_folders_number_their_pictures_on(photos: Path) -> None:
    found = read_patches([photos, photos / "b.png"], None, "landmarks", [Finder()])
    assert found.sources.tolist() == [0, 1, 3, 4]
    np.testing.assert_array_equal(found.pictures[1], found.pictures[3])


def test_small_faces_teach_nothing_and_no_face_is_an_error(photos: Path) -> None:
    with pytest.raises(SourceError, match=r"36 pixels.*--detector.*--boxes"):
        read_patches([photos], None, "landmarks", [Finder(size=35 / SIDE_PX)])
    with pytest.raises(SourceError, match="b_empty"):
        read_patches([photos / "b_empty.png"], None, "landmarks", [Finder()])


def test_the_bundled_faces_are_cut_by_their_boxes() -> None:
    found = read_patches([FOLDER], BOXES, "landmarks", [])
    assert len(found) == 2
    assert np.abs(found.boxes[:, :2] + found.boxes[:, 2:] - SIDE).max() < 1e-3
    assert found.pictures.std(axis=(1, 2, 3)).min() > 20


@pytest.mark.parametrize(("height", "width"), [(200, 300), (800, 900)])
def test_a_patch_shows_the_box_in_its_middle(height: int, width: int) -> None:
    """Also where the picture is first shrunk by a whole factor."""
    box = np.array([0.3, 0.25, 0.6, 0.7], np.float32) * np.float32([width, height, width, height])
    corners = np.array([box[:2], box[2:], [box[0], box[3]]]).astype(np.float64)
    colors = [(0, 0, 255), (0, 255, 0), (255, 0, 0)]
    picture = dots(corners, colors, height, width, height / 25)
    patch, place = cut_patch(picture, box, 0.0)
    assert place[2:] - place[:2] == pytest.approx((box[2:] - box[:2]) * FACE / max(box[2:] - box[:2]), abs=1e-3)
    for color, wanted in zip(colors, ([place[0], place[1]], [place[2], place[3]], [place[0], place[3]]), strict=True):
        np.testing.assert_allclose(place_of(patch, color), wanted, atol=0.3)
