"""Looks at a frame: turns, tiles, and faces that only another look shows."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import reference
from grid_model import plain_iou, write_grid_model

from hpe_edge import Detector, InputError, PoseEngine, open_detector
from hpe_edge.boxes.overlap import iou
from hpe_edge.faces.grids.anchor_free import GridDetector
from hpe_edge.faces.grids.looks import (
    Candidates,
    Look,
    fitted,
    parts_of_faces,
    tiles,
    turned_boxes,
    turned_points,
    uncut,
    without_rivals,
)
from hpe_edge.geometry import geodesic_deg
from hpe_edge.samples import FOLDER

FACE = np.float32([[178, 86, 271, 174]])  # of the astronaut, 512 x 512
PHOTO = cv2.imread(str(FOLDER / "astronaut.jpg"))
FILES = ["face-detector", "yunet_n_640_640.onnx", "scrfd_500m_kps.onnx"]


@pytest.fixture(scope="module", params=FILES)
def detector(request: pytest.FixtureRequest) -> Detector:
    if request.param == "face-detector":
        return open_detector(request.param)
    return open_detector(request.getfixturevalue("data") / "detectors" / request.param)


def placed(scale: float, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """The photo enlarged so that the face lies in the middle of a frame; and the face's box."""
    middle = (FACE[0, :2] + FACE[0, 2:]) / 2
    shift = np.array([width, height]) / 2 - scale * middle
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    shrunk = cv2.resize(PHOTO, None, fx=scale, fy=scale, interpolation=how)
    moved = cv2.warpAffine(shrunk, np.float64([[1, 0, shift[0]], [0, 1, shift[1]]]), (width, height))
    return moved, FACE * scale + np.tile(matrix[:, 2], 2).astype(np.float32)


@pytest.mark.parametrize("quarters", range(4))
def test_points_turn_with_the_picture(quarters: int) -> None:
    picture = np.zeros((5, 8), int)
    picture[1, 6] = 1
    ((row, column),) = np.argwhere(np.rot90(picture, quarters))
    at = turned_points(np.float32([[6.5, 1.5]]), quarters, (8, 5))
    np.testing.assert_array_equal(at, [[column + 0.5, row + 0.5]])
    box = turned_boxes(np.float32([[6, 1, 7, 2]]), quarters, (8, 5))
    np.testing.assert_array_equal(box, [[column, row, column + 1, row + 1]])
    look = Look((8, 5), 2.0, (1.0, -3.0), quarters)
    np.testing.assert_array_equal(look.in_frame(at), [[(6.5 - 1) * 2, (1.5 + 3) * 2]])


def test_a_fit_moves_boxes_along_the_faces_own_axes() -> None:
    def lower(boxes: np.ndarray) -> np.ndarray:
        return boxes + np.float32([0, 3, 0, 1])  # towards the chin, at the top more

    boxes = np.repeat(np.float32([[10, 20, 30, 50]]), 4, axis=0)
    got = fitted(lower, boxes, np.arange(4))
    # A head turned clockwise has its chin on the left; one quarter counterclockwise makes it upright.
    np.testing.assert_array_equal(got, [[10, 23, 30, 51], [9, 20, 27, 50], [10, 19, 30, 47], [13, 20, 31, 50]])


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_faces_that_lie_are_found_with_their_pose(detector: Detector, quarters: int) -> None:
    engine = PoseEngine(threads=1)
    upright = engine(PHOTO, detector(PHOTO))
    frame = np.ascontiguousarray(np.rot90(PHOTO, -quarters))  # clockwise
    found = detector(frame)
    want = turned_boxes(FACE, -quarters, (512, 512))
    best = int(iou(want, found.boxes)[0].argmax())
    assert iou(want, found.boxes)[0, best] > 0.3
    pose = engine(frame, found)
    turn = reference.rz(90 * quarters)
    assert (
        geodesic_deg(pose.rotation[best], turn @ upright.rotation[0]).max() < 12
    )  # YuNet's box of a head upside down is off


@pytest.mark.parametrize("size", [(640, 480), (1280, 720), (1200, 1200)])
@pytest.mark.parametrize("part", [0.5, 0.7, 0.9, 1.05])
def test_close_faces_are_found_once(detector: Detector, size: tuple[int, int], part: float) -> None:
    width, height = size
    frame, face = placed(part * height / 124, width, height)  # the whole face is 124 pixels high
    found = detector(frame)
    assert len(found) == 1 and iou(face, found.boxes)[0, 0] > 0.5


def test_small_faces_are_found_by_a_closer_look(detector: Detector, request: pytest.FixtureRequest) -> None:
    at = 2560 if request.node.callspec.params["detector"].startswith("yunet") else 1280  # twice the usual size
    frame, face = placed(20 / 88 * (at / 1280), at, at // 2)
    found = detector(frame)
    best = iou(face, found.boxes)[0].max(initial=0)
    assert best > 0.4


@pytest.mark.parametrize("file", FILES)
def test_detect_size_sets_the_only_size(data: Path, file: str) -> None:
    path = file if file == "face-detector" else data / "detectors" / file
    frame, face = placed((12 if file == "face-detector" else 11) / 88, 1280, 720)
    coarse, fine = open_detector(path, detect_size=640), open_detector(path, detect_size=2560)
    assert isinstance(coarse, GridDetector) and isinstance(fine, GridDetector)
    assert coarse._canvas(1280, 720)[1] == 2 and fine._canvas(1280, 720)[1] == 0.5
    assert len(coarse(frame)) == 0
    assert iou(face, fine(frame).boxes)[0].max(initial=0) > 0.3


@pytest.mark.parametrize("size", [0, -640, 63, 5000, 640.0, "640", True, float("nan")])
def test_detect_size_is_checked(size: object) -> None:
    with pytest.raises(InputError, match=r"detect_size.*64 to 4096"):
        open_detector("face-detector", detect_size=size)  # type: ignore[arg-type]


def test_a_graph_of_one_size_takes_no_other(data: Path) -> None:
    path = data / "detectors" / "scrfd_2.5g_kps.onnx"
    with pytest.raises(InputError, match=r"runs at 640 x 640 pixels only, and detect_size is 320"):
        open_detector(path, detect_size=320)
    assert len(open_detector(path, detect_size=640)(PHOTO)) == 1


def test_tiles_cover_the_frame_and_drop_what_they_cut() -> None:
    for width, height in ((1920, 1080), (1080, 1920), (2000, 2000)):
        covered = np.zeros((height, width), int)
        looks = list(tiles(Look((640, 640), max(width, height) / 640), width, height))
        for look in looks:
            left, top = (int(-side * look.scale) for side in look.corner)
            span = int(640 * look.scale)
            covered[top : top + span, left : left + span] += 1
        assert covered.min() >= 1 and 2 <= len(looks) <= 4
    look = looks[0]  # the upper left of 2000 x 2000: 1200 pixels
    boxes = np.float32([[-5, 0, 20, 20], [1180, 5, 1199, 20], [500, 500, 600, 600], [500, 1150, 600, 1200]])
    assert uncut(look, boxes, 2000, 2000).tolist() == [True, False, True, False]


def test_parts_of_a_surer_face_are_left_out() -> None:
    def candidates(boxes: list[list[float]], scores: list[float]) -> Candidates:
        count = len(boxes)
        return Candidates(
            np.float32(scores), np.float32(boxes), np.zeros((count, 5, 2), np.float32), np.zeros(count, np.intp)
        )

    wide = candidates([[100, 100, 500, 500]], [0.9])
    inside, half_out, surer = [200, 200, 300, 300], [450, 200, 550, 300], [110, 110, 400, 400]
    found = candidates([inside, half_out, surer], [0.8, 0.8, 0.95])
    assert parts_of_faces(found, wide).tolist() == [True, False, False]


def test_a_turned_look_must_be_clearly_surer_on_the_same_spot() -> None:
    def candidates(boxes: list[list[float]], scores: list[float]) -> Candidates:
        count = len(boxes)
        points, turns = np.zeros((count, 5, 2), np.float32), np.zeros(count, np.intp)
        return Candidates(np.float32(scores), np.float32(boxes).reshape(-1, 4), points, turns)

    here, beside, away = [100, 100, 200, 200], [110, 170, 210, 270], [400, 100, 500, 200]
    for score, upright, turned in ((0.78, [0.7], [0.9]), (0.82, [], [0.82, 0.9])):
        both = without_rivals(candidates([here], [0.7]), candidates([beside, away], [score, 0.9]))
        assert [each.scores.tolist() for each in both] == [pytest.approx(upright), pytest.approx(turned)]
    for one, other in (
        (candidates([], []), candidates([here], [0.8])),
        (candidates([here], [0.8]), candidates([], [])),
    ):
        assert sum(len(each.scores) for each in without_rivals(one, other)) == 1


def test_the_turned_looks_of_a_graph_that_is_not_square(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = open_detector(write_grid_model(tmp_path / "a.onnx", (1, 4, 10), 2, size_hw=(96, 128)))
    assert isinstance(detector, GridDetector)
    monkeypatch.setattr(type(detector), "UNSURE", 2.0)
    monkeypatch.setattr(type(detector), "TURNED_SCORE", 0.0)
    frame = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
    (turned,) = detector._turned_looks(frame)
    upside_down = detector._look(np.ascontiguousarray(frame[::-1, ::-1]), Look((128, 96), 1.0))
    back = turned_boxes(upside_down.boxes, 2, (128, 96))
    assert len(turned.boxes) > 3
    for box in turned.boxes:
        assert max(plain_iou(box.tolist(), other.tolist()) for other in back) > 0.999
