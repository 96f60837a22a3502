"""YuNet against OpenCV's FaceDetectorYN, and its decode against float64 loops."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from grid_model import STRIDES, Face, grid_numbers, plain_nms, sigmoid, write_grid_model
from media import noise
from reference_frames import compare, frames

from hpe_edge.faces.grids.yunet import YunetDetector
from hpe_edge.faces.open_detector import open_detector

FILES = ["yunet_n_320_320.onnx", "yunet_n_640_640.onnx"]


def write_model(path: Path, size_hw: tuple[int, int] | None = (64, 96)) -> Path:
    return write_grid_model(path, (1, 1, 4, 10), 1, size_hw=size_hw, gain=1 / 128, offset=127.5)


def oracle(picture_bgr: np.ndarray, score: float) -> list[Face]:
    """Wu et al.: centre as an offset from the cell's corner and size as a logarithm, in strides; levels as they are."""
    x = (picture_bgr.astype(np.float64).transpose(2, 0, 1) - 127.5) / 128  # the shift is in the graph
    faces: list[Face] = []
    for stride in STRIDES:
        is_face, is_object = (grid_numbers(x, stride, 1, 1, which) for which in (0, 1))
        numbers, offset = grid_numbers(x, stride, 4, 1, 2), grid_numbers(x, stride, 10, 1, 3)
        for row, col in np.ndindex(is_face.shape[:2]):
            dx, dy, log_w, log_h = numbers[row, col, 0]
            cx, cy = (col + dx) * stride, (row + dy) * stride
            w, h = np.exp(log_w) * stride, np.exp(log_h) * stride
            points = [((col + px) * stride, (row + py) * stride) for px, py in offset[row, col, 0].reshape(5, 2)]
            here = float(np.sqrt(sigmoid(is_face[row, col, 0, 0]) * sigmoid(is_object[row, col, 0, 0])))
            if here >= score:
                faces.append((here, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], points))
    return plain_nms(faces, 0.3)


@pytest.mark.parametrize("score", [0.4, 0.7])
@pytest.mark.parametrize("size_hw", [(64, 96), None])
def test_decode_equals_the_oracle(tmp_path: Path, score: float, size_hw: tuple[int, int] | None) -> None:
    detector = open_detector(write_model(tmp_path / "a.onnx", size_hw), min_score=None if score == 0.7 else score)
    assert isinstance(detector, YunetDetector)
    frame = noise(200, 130)  # neither the file's size nor a multiple of 32
    canvas = np.zeros((160, 224, 3), np.uint8)
    canvas[:130, :200] = frame
    found, expected = detector(frame), oracle(canvas, score)
    assert len(found) == len(expected) > 5
    np.testing.assert_allclose(found.drawn, [box for _, box, _ in expected], rtol=1e-5, atol=5e-3)
    np.testing.assert_allclose(found.scores, [score for score, _, _ in expected], atol=1e-5)
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints, [points for _, _, points in expected], atol=5e-3)


def test_frames_above_the_limit_are_shrunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(YunetDetector, "LARGEST", np.inf)  # one look alone
    detector = open_detector(write_model(tmp_path / "a.onnx"))
    blocks = noise(1280, 64)
    expected = detector(blocks)
    found = detector(blocks.repeat(2, axis=0).repeat(2, axis=1))
    assert len(found) == len(expected) > 100
    np.testing.assert_allclose(found.drawn, 2 * expected.drawn, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("file", FILES)
def test_finds_the_reference_faces(data: Path, file: str) -> None:
    ious, points, scores = compare(data, open_detector(data / "detectors" / file, threads=1), "yunet")
    assert len(ious) == 23
    assert ious.min() > 0.999  # 0.9997; the reference is rounded to 0.01 pixels
    assert points.max() < 0.05 and scores.max() < 1e-3


def test_equals_opencv_on_other_sizes_and_thresholds(data: Path) -> None:
    path = data / "detectors" / FILES[1]
    detector = open_detector(path, min_score=0.3, threads=1)
    for frame in (frames(data)[80][:613, :801].copy(), cv2.resize(frames(data)[80], (333, 187))):
        theirs = cv2.FaceDetectorYN.create(str(path), "", frame.shape[1::-1], 0.3, YunetDetector.NMS_IOU, 5000)
        faces = theirs.detect(frame)[1]
        faces = faces[np.argsort(faces[:, 0])]
        ours = detector(frame)
        boxes = np.concatenate([faces[:, :2], faces[:, :2] + faces[:, 2:4]], axis=1)
        np.testing.assert_allclose(ours.drawn, boxes, atol=0.05)
        assert ours.keypoints is not None
        np.testing.assert_allclose(ours.keypoints.reshape(-1, 10), faces[:, 4:14], atol=0.05)
        np.testing.assert_allclose(ours.scores, faces[:, 14], atol=1e-3)


def test_huge_frames(data: Path) -> None:
    ious, _, _ = compare(data, open_detector(data / "detectors" / FILES[0], threads=1), "yunet", scale=3)
    assert np.mean(ious >= 0.9) >= 0.95
