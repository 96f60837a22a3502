"""The embedded detector's decode, input size and looks against float64 loops, and its regions against whole frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from grid_model import Face, grid_numbers, plain_nms, sigmoid, write_grid_model
from media import noise

from hpe_edge.errors import InputError
from hpe_edge.faces.detector import VideoDetector
from hpe_edge.faces.grids.embedded import EmbeddedDetector
from hpe_edge.faces.open_detector import open_detector

STRIDES = (8, 16, 32, 64)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_grid_model(tmp_path / "a.onnx", (1, 4, 10), 1, size_hw=None, strides=STRIDES)


def every_cell(picture_bgr: np.ndarray) -> list[Face]:
    """One box per cell: distances from its corner to the four sides, points as offsets, in strides."""
    x = (picture_bgr.astype(np.float64).transpose(2, 0, 1) - 127.5) / 128
    faces: list[Face] = []
    for stride in STRIDES:
        confidence, distance, offset = (grid_numbers(x, stride, n, 1, i) for i, n in enumerate((1, 4, 10)))
        for row, col in np.ndindex(confidence.shape[:2]):
            left, top, right, bottom = distance[row, col, 0] * stride
            at = np.array([col, row]) * stride
            box = [at[0] - left, at[1] - top, at[0] + right, at[1] + bottom]
            points = at + offset[row, col, 0].reshape(5, 2) * stride
            faces.append((sigmoid(confidence[row, col, 0, 0]), box, [(x, y) for x, y in points]))
    return faces


def cells(picture_bgr: np.ndarray, score: float) -> list[Face]:
    """Those that count as faces."""
    return [
        (here, box, points)
        for here, box, points in every_cell(picture_bgr)
        if here >= score and box[0] < box[2] and box[1] < box[3]
    ]


def wide(frame: np.ndarray, score: float) -> list[Face]:
    """The second look: the frame's longer side 224 pixels long, 0.3 of it around, only large faces."""
    height, width = frame.shape[:2]
    assert max(height, width) == 224
    canvas = np.zeros((*(-(-int(side * 1.6) // 64) * 64 for side in (height, width)), 3), np.uint8)
    top, left = ((canvas.shape[i] - frame.shape[i]) // 2 for i in (0, 1))
    canvas[top : top + height, left : left + width] = frame
    shift = np.array([left, top, left, top])
    found = []
    for here, box, points in cells(canvas, score):
        if max(box[2] - box[0], box[3] - box[1]) >= 0.4 * min(height, width):
            found.append((here, list(box - shift), [(x - left, y - top) for x, y in points]))
    return found


def part_of(face: Face, whole: list[Face]) -> bool:
    """A face of the first look of which 0.6 lie in a surer one of the second."""
    score, (x1, y1, x2, y2), _ = face
    for other, (left, top, right, bottom), _ in whole:
        shared = max(0, min(x2, right) - max(x1, left)) * max(0, min(y2, bottom) - max(y1, top))
        if other > score and shared > 0.6 * (x2 - x1) * (y2 - y1):
            return True
    return False


@pytest.mark.parametrize("score", [0.5, 0.8])
def test_decode_equals_the_oracle(model: Path, score: float) -> None:
    frame = noise(224, 192)
    detector = open_detector(model, min_score=score)
    assert isinstance(detector, EmbeddedDetector)
    canvas = np.zeros((192, 256, 3), np.uint8)
    canvas[:, :224] = frame
    whole = wide(frame, score)
    expected = plain_nms([face for face in cells(canvas, score) if not part_of(face, whole)] + whole, 0.4)
    found = detector(frame)
    assert len(found) == len(expected) > 5
    np.testing.assert_allclose(found.drawn, [box for _, box, _ in expected], atol=5e-3)
    np.testing.assert_allclose(found.scores, [here for here, _, _ in expected], atol=1e-5)
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints, [points for _, _, points in expected], atol=5e-3)
    # Chin to eyebrows as drawn.
    np.testing.assert_allclose(found.boxes, found.drawn, atol=1e-4)


@pytest.mark.parametrize(
    ("min_face", "width", "longer"),
    [
        (None, 1280, 640),
        (None, 400, 448),
        (16, 1280, 960),
        (12, 1280, 1280),
        (4, 1280, 1280),
        (4, 4096, 1920),
        (100, 1280, 320),
    ],
)
def test_min_face_sets_the_size_of_the_input(model: Path, min_face: float | None, width: int, longer: int) -> None:
    detector = open_detector(model, min_face=min_face)
    assert isinstance(detector, EmbeddedDetector)
    (in_width, in_height), scale = detector._canvas(width, width // 2)
    assert in_width == longer and in_width % 64 == in_height % 64 == 0
    assert in_width * scale >= width and in_height * scale >= width // 2
    assert scale >= 1  # pixels are never invented


def test_a_region_gives_its_best_cell(model: Path) -> None:
    frame = noise(256, 256)
    detector = open_detector(model, min_score=0.0)
    assert isinstance(detector, EmbeddedDetector)
    corners = np.random.default_rng(1).integers(0, 128, (12, 2))
    regions = np.concatenate([corners, corners + 128], axis=1).astype(np.float32)
    found = detector.find_in(frame, regions)
    detector.min_score = float(np.median(found.scores)) + 1e-6  # of those that a threshold of 0 leaves
    assert len(detector.find_in(frame, regions)) == np.sum(found.scores >= detector.min_score) > 0
    expected = []
    for x, y in corners:
        here, box, points = max(every_cell(frame[y : y + 128, x : x + 128]), key=lambda face: face[0])
        if box[0] < box[2] and box[1] < box[3]:
            expected.append((here, list(np.add(box, [x, y, x, y])), [(px + x, py + y) for px, py in points]))
    expected = plain_nms(expected, 0.4)
    assert len(found) == len(expected) > 2
    np.testing.assert_allclose(found.boxes, [box for _, box, _ in expected], atol=5e-3)
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints, [points for _, _, points in expected], atol=5e-3)


def test_regions_are_checked(model: Path) -> None:
    frame = noise(128, 128)
    detector = open_detector(model, min_score=0.0)
    assert isinstance(detector, EmbeddedDetector)
    none = detector.find_in(frame, np.empty((0, 4), np.float32))
    assert len(none) == 0 and none.keypoints is not None and none.keypoints.shape == (0, 5, 2)
    for end in (np.nan, np.inf, 1e9, 0):  # the kernel would loop for long, or for ever
        with pytest.raises(InputError, match="box 0 must be finite"):
            detector.find_in(frame, np.array([[0, 0, end, end]], np.float32))
    whole = detector.find_in(frame, np.array([[0, 0, 128, 128]]))
    assert whole.boxes.dtype == np.float32 and whole.keypoints is not None and whole.keypoints.dtype == np.float32


def test_regions_give_no_box_far_off(tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4, 10), 1, size_hw=None, strides=STRIDES, gain=1e7)
    detector = open_detector(path, min_score=0.0)
    assert isinstance(detector, EmbeddedDetector)
    corners = np.random.default_rng(1).integers(0, 128, (40, 2))
    regions = np.concatenate([corners, corners + 128], axis=1).astype(np.float32)
    assert len(detector.find_in(noise(256, 256), regions)) == 0  # those of the next frame would lie around them


def test_the_threshold_of_its_card() -> None:
    detector = open_detector("face-detector")
    assert isinstance(detector, EmbeddedDetector) and detector.min_score == 0.6


def test_it_has_a_schedule_for_videos(model: Path) -> None:
    assert isinstance(open_detector(model), VideoDetector)
