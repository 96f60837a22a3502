"""SCRFD against the boxes that the published pipeline drew, and its decode against float64 loops."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from grid_model import STRIDES, Face, grid_numbers, plain_iou, plain_nms, sigmoid, write_grid_model
from media import noise
from reference_frames import compare, frames

import hpe_edge
from hpe_edge.backends.onnx.dynamic_size import free_size
from hpe_edge.errors import ModelError
from hpe_edge.faces.grids.looks import wide_look
from hpe_edge.faces.grids.scrfd import ScrfdDetector
from hpe_edge.faces.open_detector import open_detector

NETWORKS = [
    ("scrfd_2.5g_kps.onnx", "scrfd_2.5g_bnkps_cospectrum"),
    ("scrfd_500m_kps.onnx", "scrfd_500m_kps_hpc203"),
]


def oracle(picture_rgb: np.ndarray, keypoints: bool, score: float) -> list[Face]:
    """Guo et al.: two anchors at each cell's corner; distances to the four sides, points as offsets, in strides."""
    x = (picture_rgb.astype(np.float64).transpose(2, 0, 1) - 127.5) / 128
    faces: list[Face] = []
    for stride in STRIDES:
        confidence = grid_numbers(x, stride, 1, 2, 0)
        distance = grid_numbers(x, stride, 4, 2, 1)
        offset = grid_numbers(x, stride, 10, 2, 2) if keypoints else None
        for row, col, anchor in np.ndindex(confidence.shape[:3]):
            left, top, right, bottom = distance[row, col, anchor] * stride
            at_x, at_y = col * stride, row * stride
            box = [at_x - left, at_y - top, at_x + right, at_y + bottom]
            points = []
            if offset is not None:
                pairs = offset[row, col, anchor].reshape(5, 2) * stride
                points = [(at_x + dx, at_y + dy) for dx, dy in pairs]
            here = sigmoid(confidence[row, col, anchor, 0])
            if here >= score and box[0] < box[2] and box[1] < box[3]:
                faces.append((here, box, points))
    return plain_nms(faces, 0.4)


def check(detector: ScrfdDetector, frame: np.ndarray, expected: list[Face], scale: float) -> None:
    found = detector(frame)
    assert len(found) == len(expected) > 5
    assert found.boxes.dtype == found.scores.dtype == np.float32
    np.testing.assert_allclose(found.drawn, np.array([box for _, box, _ in expected]) * scale, atol=2e-3 * scale)
    np.testing.assert_allclose(found.scores, [score for score, _, _ in expected], atol=1e-5)
    if expected[0][2]:
        assert found.keypoints is not None and found.keypoints.dtype == np.float32
        np.testing.assert_allclose(found.keypoints, np.array([p for _, _, p in expected]) * scale, atol=2e-3 * scale)
    else:
        assert found.keypoints is None


@pytest.mark.parametrize("keypoints", [True, False])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("score", [0.5, 0.8])
def test_decode_equals_the_oracle(tmp_path: Path, keypoints: bool, batched: bool, score: float) -> None:
    columns = (1, 4, 10) if keypoints else (1, 4)
    path = write_grid_model(tmp_path / "a.onnx", columns, 2, size_hw=(64, 96), batched=batched)
    frame = noise(96, 64)
    detector = open_detector(path, min_score=None if score == 0.5 else score)
    assert isinstance(detector, ScrfdDetector)
    check(detector, frame, oracle(frame[..., ::-1], keypoints, score), 1.0)


def test_frames_are_padded_below_and_scaled_back(tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4, 10), 2, size_hw=(96, 128))
    blocks = noise(128, 64)
    canvas = np.zeros((96, 128, 3), np.uint8)
    canvas[:64] = blocks
    frame = blocks.repeat(2, axis=0).repeat(2, axis=1)  # shrinks to the blocks exactly
    check(open_detector(path), frame, oracle(canvas[..., ::-1], True, 0.5), 2.0)


def test_an_open_size_takes_the_frames_shape(tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4), 2, size_hw=None)
    blocks = noise(640, 70)
    canvas = np.zeros((96, 640, 3), np.uint8)
    canvas[:70] = blocks
    frame = blocks.repeat(2, axis=0).repeat(2, axis=1)
    check(open_detector(path, min_score=0.9), frame, oracle(canvas[..., ::-1], False, 0.9), 2.0)


@pytest.mark.parametrize(("file", "reference"), NETWORKS)
def test_finds_the_reference_faces(data: Path, file: str, reference: str) -> None:
    ious, points, scores = compare(data, open_detector(data / "detectors" / file, threads=1), reference)
    assert len(ious) == 23
    assert ious.min() > 0.98  # 0.996
    assert points.max() < 0.5 and scores.max() < 0.01  # 0.15 pixels, 0.002


def test_an_open_size_finds_the_reference_faces(data: Path, tmp_path: Path) -> None:
    """The canvas is 640 x 384 in place of 640 x 640: what lies below the frame is cut off."""
    freed = tmp_path / "freed.onnx"
    freed.write_bytes(free_size((data / "detectors/scrfd_500m_kps.onnx").read_bytes(), "images"))
    model = onnx.load(freed)
    for output, columns in zip(model.graph.output, [1, 1, 1, 4, 4, 4, 10, 10, 10], strict=True):
        output.type.tensor_type.shape.dim[2].dim_value = columns
    onnx.save(model, freed)
    ious, _, _ = compare(data, open_detector(freed, threads=1), "scrfd_500m_kps_hpc203")
    assert np.mean(ious >= 0.9) >= 0.95


def test_without_key_points(data: Path, tmp_path: Path) -> None:
    whole = data / "detectors/scrfd_2.5g_kps.onnx"
    model = onnx.load(whole)
    del model.graph.output[6:]
    onnx.save(model, tmp_path / "bare.onnx")
    frame = frames(data)[0]
    bare, full = open_detector(tmp_path / "bare.onnx", threads=1)(frame), open_detector(whole, threads=1)(frame)
    assert bare.keypoints is None and full.keypoints is not None
    np.testing.assert_array_equal(bare.boxes, full.boxes)


def test_huge_frames(data: Path) -> None:
    ious, _, _ = compare(data, open_detector(data / "detectors" / NETWORKS[1][0], threads=1), NETWORKS[1][1], scale=3)
    assert np.mean(ious >= 0.9) >= 0.95


@pytest.mark.parametrize("score_op", ["Identity", "Tanh", "Exp"])  # beyond 0..1 on both sides, below, above
def test_scores_that_are_no_probabilities_are_refused(tmp_path: Path, score_op: str) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4), 2, size_hw=(64, 96), score_op=score_op, offset=1.0)
    with pytest.raises(ModelError, match=r"scores 'o\d' are .*sigmoid"):
        open_detector(path)


def test_one_anchor_per_cell_is_refused(tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4), 1, size_hw=(64, 96))
    with pytest.raises(ModelError, match=r"192 rows at stride 8.*o5 \(96, 1\)"):
        open_detector(path)


def test_sizes_that_the_grids_do_not_divide_are_refused(tmp_path: Path) -> None:
    path = write_grid_model(tmp_path / "a.onnx", (1, 4), 2, size_hw=(64, 100))
    with pytest.raises(ModelError, match="100 x 64, a multiple of 32"):
        open_detector(path)


def test_a_graph_with_stale_shapes_is_understood(tmp_path: Path) -> None:
    """InsightFace's own files leave the size open, but state the rows of the size at which they were traced."""
    path = write_grid_model(tmp_path / "a.onnx", (1, 4), 2, size_hw=None, batched=False)
    model = onnx.load(path)
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[0].dim_value = 12800
    onnx.save(model, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert session.get_outputs()[0].shape[0] == 12800
    assert len(open_detector(path)(noise(320, 200))) > 0


@pytest.mark.parametrize(("file", "_"), NETWORKS)
@pytest.mark.parametrize("margin", [0.0, 0.1])
def test_a_face_that_fills_its_picture_is_found_by_the_second_look(
    data: Path, file: str, _: str, margin: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = cv2.imread(str(Path(hpe_edge.__file__).parent / "samples" / "astronaut.jpg"))
    detector = open_detector(data / "detectors" / file)
    (whole,) = detector(photo).boxes
    x1, y1, x2, y2 = 178, 62, 268, 185  # the face
    left, top = round(x1 - margin * (x2 - x1)), round(y1 - margin * (y2 - y1))
    close = np.ascontiguousarray(photo[top : round(y2 + margin * (y2 - y1)), left : round(x2 + margin * (x2 - x1))])
    (found,) = detector(close).boxes
    shift = np.array([left, top, left, top])
    assert plain_iou((found + shift).tolist(), whole.tolist()) > 0.85
    monkeypatch.setattr(ScrfdDetector, "WIDE_LOOK", "never")
    monkeypatch.setattr(ScrfdDetector, "TURNED_SCORE", 2.0)
    assert len(detector(close)) == 0
    assert len(detector(photo)) == 1


def test_the_second_look_of_a_fixed_size_takes_that_size() -> None:
    size, scale, (left, top), _ = wide_look(640, 360, (128, 96), 32)
    assert size == (128, 96) and scale == pytest.approx(1.6 * 640 / 128)
    # The frame lies in the middle, with 0.3 of its sides around it.
    assert left == int((128 - 640 / scale) / 2) and top == int((96 - 360 / scale) / 2)
