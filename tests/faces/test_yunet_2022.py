"""YuNet of 2021 and 2022 against OpenCV 4.7, which read its files, and its decode against float64 loops."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from grid_model import PRIORS, Face, grid_numbers, plain_nms, write_prior_model
from media import noise

from hpe_edge.errors import ModelError
from hpe_edge.faces.grids.yunet import Yunet2022Detector
from hpe_edge.faces.open_detector import open_detector

# FaceDetectorYN of OpenCV 4.7.0 on write_prior_model's file and noise(128, 64, seed=3): score 0.7, no suppression, 88
# boxes; the best four as x, y, width, height, five points, score. All 88, and 482 of a 256 x 192 picture, differed from
# ours by at most 0.0002 pixels and 2e-6 of the score.
OPENCV_47 = [
    "114.008 14.393 17.321 26.316 122.583 27.613 123.331 25.319 118.783 25.129 119.841 21.277 124.088 33.584 0.999",
    "87.518 18.601 8.423 19.335 89.805 27.342 93.900 27.382 94.898 31.672 96.531 29.100 93.648 27.269 0.998",
    "72.050 11.229 51.119 42.787 71.356 48.565 71.149 47.708 71.091 55.391 65.396 31.252 57.565 33.238 0.995",
    "16.526 -24.569 57.335 68.561 49.469 28.182 53.108 9.588 49.347 23.749 42.754 14.672 52.303 15.262 0.992",
]


def oracle(picture_bgr: np.ndarray, score: float) -> list[Face]:
    """Square priors round each cell's centre; offsets in tenths of their side, sizes exp(0.1 w) and exp(0.2 h)."""
    x = (picture_bgr.astype(np.float64).transpose(2, 0, 1) - 127.5) / 128  # the shift is in the graph
    faces: list[Face] = []
    for stride, sides in PRIORS.items():
        loc, conf, iou = (grid_numbers(x, stride, n, len(sides), which) for which, n in enumerate((14, 2, 1)))
        for row, col, which in np.ndindex(iou.shape[:3]):
            side, at_x, at_y = sides[which], (col + 0.5) * stride, (row + 0.5) * stride
            no_face, face = np.exp(conf[row, col, which])
            here = float(np.sqrt(face / (face + no_face) * min(max(iou[row, col, which, 0], 0), 1)))
            dx, dy, w, h, *offsets = loc[row, col, which]
            cx, cy = at_x + 0.1 * side * dx, at_y + 0.1 * side * dy
            w, h = side * np.exp(0.1 * w), side * np.exp(0.2 * h)
            points = [(at_x + 0.1 * side * px, at_y + 0.1 * side * py) for px, py in np.reshape(offsets, (5, 2))]
            if here >= score:
                faces.append((here, [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], points))
    return plain_nms(faces, 0.3)


@pytest.mark.parametrize("score", [0.4, 0.7])
def test_decode_equals_the_oracle(tmp_path: Path, score: float) -> None:
    detector = open_detector(write_prior_model(tmp_path / "a.onnx"), min_score=None if score == 0.7 else score)
    assert isinstance(detector, Yunet2022Detector)
    frame = noise(200, 130)  # neither the file's size nor a multiple of 64
    canvas = np.zeros((192, 256, 3), np.uint8)
    canvas[:130, :200] = frame
    found, expected = detector(frame), oracle(canvas, score)
    assert len(found) == len(expected) > 5
    np.testing.assert_allclose(found.drawn, [box for _, box, _ in expected], rtol=1e-5, atol=5e-3)
    np.testing.assert_allclose(found.scores, [score for score, _, _ in expected], atol=1e-5)
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints, [points for _, _, points in expected], atol=5e-3)


def test_equals_opencv_4_7(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Yunet2022Detector, "NMS_IOU", 1.0)
    found = open_detector(write_prior_model(tmp_path / "a.onnx"))(noise(128, 64, seed=3))
    assert len(found) == 88
    best = np.argsort(-found.scores)[:4]
    theirs = np.array([line.split() for line in OPENCV_47], float)
    np.testing.assert_allclose(found.drawn[best][:, :2], theirs[:, :2], atol=2e-3)
    np.testing.assert_allclose((found.drawn[:, 2:] - found.drawn[:, :2])[best], theirs[:, 2:4], atol=2e-3)
    assert found.keypoints is not None
    np.testing.assert_allclose(found.keypoints[best].reshape(4, 10), theirs[:, 4:14], atol=2e-3)
    np.testing.assert_allclose(found.scores[best], theirs[:, 14], atol=1e-3)


def test_a_graph_for_one_size_runs_at_that_size(tmp_path: Path) -> None:
    fixed = open_detector(write_prior_model(tmp_path / "a.onnx", size_hw=(64, 128), fixed=True))
    free = open_detector(write_prior_model(tmp_path / "b.onnx"))
    frame = noise(128, 64)
    np.testing.assert_allclose(fixed(frame).drawn, free(frame).drawn, atol=1e-3)
    twice = frame.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_allclose(fixed(twice).drawn, 2 * free(frame).drawn, atol=1e-2)


def test_scores_without_softmax_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"scores 'conf' are .*softmax"):
        open_detector(write_prior_model(tmp_path / "a.onnx", softmax=False))


def test_rows_that_are_no_priors_are_refused(data: Path) -> None:
    with pytest.raises(ModelError, match=r"should give 705 rows of 14, 2 and 1 columns.*loc \(1, 14\)"):
        open_detector(data / "reports" / "models" / "yunet_2022_outputs.onnx")
