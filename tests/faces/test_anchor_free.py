"""The letterbox against OpenCV's resize and padding, and NMS against plain loops in float64."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from grid_model import plain_iou, write_grid_model
from media import noise
from onnx import numpy_helper

from hpe_edge import open_detector
from hpe_edge.errors import InputError, ModelError
from hpe_edge.faces.grids import anchor_free
from hpe_edge.faces.grids.anchor_free import best_candidates, letterbox, nms
from hpe_edge.faces.grids.embedded import EmbeddedDetector
from hpe_edge.spec import Input

INPUT = Input(size=1, color="RGB", scale=1.0, mean=(127.5, 100.0, 90.0), std=(128.0, 64.0, 32.0))


def reference(frame: np.ndarray, width: int, height: int, scale: float) -> np.ndarray:
    small = cv2.resize(frame.astype(np.float32), (round(frame.shape[1] / scale), round(frame.shape[0] / scale)))
    canvas = np.zeros((height, width, 3), np.float32)
    canvas[: small.shape[0], : small.shape[1]] = small
    return ((canvas[..., ::-1] - INPUT.mean) / INPUT.std).transpose(2, 0, 1)[None]


@pytest.mark.parametrize(
    ("frame", "width", "height", "scale"),
    [
        (noise(96, 64), 96, 64, 1.0),
        (noise(96, 64), 96, 96, 1.0),
        (noise(64, 96), 96, 96, 1.0),
        (noise(256, 144), 128, 96, 2.0),
        (noise(144, 256), 64, 64, 4.0),
        (noise(255, 153), 85, 64, 3.0),
    ],
)
def test_equals_resize_and_padding(frame: np.ndarray, width: int, height: int, scale: float) -> None:
    out = letterbox(frame, width, height, scale, INPUT)
    assert out.dtype == np.float32 and out.flags.c_contiguous
    np.testing.assert_allclose(out, reference(frame, width, height, scale), atol=1e-3)  # of a level / 32


def test_enlarged_inside() -> None:
    frame = noise(48, 32)
    out = letterbox(frame, 96, 96, 0.5, INPUT)
    # At the seam ours blends with the padding, and OpenCV's repeats the last pixel.
    np.testing.assert_allclose(out[..., :63, :95], reference(frame, 96, 96, 0.5)[..., :63, :95], atol=1e-3)


def plain(boxes: np.ndarray, scores: np.ndarray, iou: float) -> list[int]:
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: -scores[i]):
        if all(plain_iou(boxes[i].tolist(), boxes[j].tolist()) <= iou for j in kept):
            kept.append(i)
    return kept


@pytest.mark.parametrize("iou", [0.0, 0.3, 0.4, 0.7, 1.0])
def test_nms_keeps_what_plain_loops_keep(rng: np.random.Generator, iou: float) -> None:
    faces = np.repeat(rng.uniform(0, 2000, (200, 2)), 8, axis=0)
    corners = faces + rng.normal(0, 8, faces.shape)
    boxes = np.concatenate([corners, corners + rng.uniform(20, 90, faces.shape)], axis=1).astype(np.float32)
    scores = rng.uniform(0, 1, len(boxes)).astype(np.float32)
    kept = nms(boxes, scores, iou).tolist()
    assert kept == plain(boxes, scores, iou)
    assert 100 < len(kept) <= len(boxes)


def test_nms_keeps_the_first_of_equal_scores() -> None:
    x = np.arange(60, dtype=np.float32) // 2 * 100 + np.tile([0, 1], 30)  # thirty pairs, side by side
    boxes = np.stack([x, 0 * x, x + 10, 0 * x + 10], axis=1).astype(np.float32)
    assert nms(boxes, np.tile([0.5, 0.5, 0.7, 0.7], 15).astype(np.float32), 0.5).tolist() == [
        *range(2, 60, 4),
        *range(0, 60, 4),
    ]


def test_nms_keeps_an_overlap_of_exactly_the_threshold() -> None:
    boxes = np.array([[0, 0, 4, 2], [2, 0, 6, 2]], np.float32)  # a third
    scores = np.array([0.5, 0.9], np.float32)
    assert nms(boxes, scores, 0.34).tolist() == [1, 0]
    assert nms(boxes, scores, 0.33).tolist() == [1]
    assert nms(np.array([[0, 0, 4, 1], [0, 0, 2, 1]], np.float32), scores, 0.5).tolist() == [1, 0]


def test_nms_of_no_boxes() -> None:
    assert nms(np.empty((0, 4), np.float32), np.empty(0, np.float32), 0.4).shape == (0,)


def test_a_candidate_of_every_cell_does_not_make_nms_endless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With min_score 0 and a small min_face every cell is a candidate; NMS sees the best of them alone."""
    seen = []
    monkeypatch.setattr(anchor_free, "MOST_CANDIDATES", 500)
    monkeypatch.setattr(anchor_free, "nms", lambda boxes, scores, iou: seen.append(scores) or nms(boxes, scores, iou))
    path = write_grid_model(tmp_path / "e.onnx", (1, 4, 10), 1, size_hw=None, strides=EmbeddedDetector.STRIDES)
    detector = open_detector(path, min_score=0.0, min_face=3.0)
    frame = np.random.default_rng(0).integers(0, 256, (900, 1600, 3), np.uint8)
    low = detector(frame)
    (scores,) = seen
    assert len(scores) == anchor_free.MOST_CANDIDATES
    # The best ones: a threshold at the lowest of them finds no other.
    above = open_detector(path, min_score=float(np.nextafter(scores.min(), 1)), min_face=3.0)(frame)
    assert set(above.scores.tolist()) <= set(low.scores.tolist())


def test_few_candidates_stay_in_their_order() -> None:
    scores = np.array([0.2, 0.9, 0.5, 0.9], np.float32)
    assert best_candidates(scores).tolist() == [0, 1, 2, 3]
    many = np.tile(scores, anchor_free.MOST_CANDIDATES // 2)  # a quarter each of 0.2 and 0.5
    kept = best_candidates(many)
    assert (
        len(kept) == anchor_free.MOST_CANDIDATES and (np.diff(kept) > 0).all() and (many[kept] == np.float32(0.9)).all()
    )


@pytest.mark.parametrize("score", ["0.5", b"0.5", True, None, np.nan, -0.01, 1.01, np.inf, [0.5], 1j, np.zeros(2)])
def test_a_score_that_is_no_number_of_its_range(tmp_path: Path, score: object) -> None:
    path = write_grid_model(tmp_path / "e.onnx", (1, 4, 10), 2, size_hw=None)
    if score is None:
        assert open_detector(path).min_score == 0.5  # type: ignore[attr-defined]
        return
    with pytest.raises(InputError, match="min_score must be from 0 to 1"):
        open_detector(path, min_score=score)  # type: ignore[arg-type]


@pytest.mark.parametrize("height", ["16", b"16", True, np.nan, -1, np.inf, [16], np.zeros(2), 10**400])
def test_a_height_that_is_no_number_of_its_range(tmp_path: Path, height: object) -> None:
    path = write_grid_model(tmp_path / "e.onnx", (1, 4, 10), 2, size_hw=None)
    with pytest.raises(InputError, match="min_face is a height"):
        open_detector(path, min_face=height)  # type: ignore[arg-type]


@pytest.mark.parametrize("number", [np.float32(0.25), np.int64(0), 1, 0.25])
def test_numbers_of_numpy_are_numbers(tmp_path: Path, number: float) -> None:
    path = write_grid_model(tmp_path / "e.onnx", (1, 4, 10), 2, size_hw=None)
    assert open_detector(path, min_score=number, min_face=number).min_score == number  # type: ignore[attr-defined]


def with_first_dim(path: Path, batch: int) -> Path:
    model = onnx.load(str(path))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = batch
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("size_hw", [None, (320, 320)])
def test_a_file_of_several_pictures_is_refused_at_opening(tmp_path: Path, size_hw: tuple[int, int] | None) -> None:
    path = with_first_dim(write_grid_model(tmp_path / "s.onnx", (1, 4, 10), 2, size_hw=size_hw), 4)
    with pytest.raises(ModelError, match="takes 4 pictures at a time"):
        open_detector(path)


def test_an_embedded_kind_of_one_picture_is_refused_at_opening(tmp_path: Path) -> None:
    """In a video it looks at several regions at a time."""
    strides = EmbeddedDetector.STRIDES
    path = with_first_dim(write_grid_model(tmp_path / "e.onnx", (1, 4, 10), 1, size_hw=None, strides=strides), 1)
    with pytest.raises(ModelError, match="two pictures at a time"):
        open_detector(path)


def test_an_embedded_kind_of_one_size_is_refused_at_opening(tmp_path: Path) -> None:
    strides = EmbeddedDetector.STRIDES
    path = write_grid_model(tmp_path / "e.onnx", (1, 4, 10), 1, size_hw=(320, 640), strides=strides)
    model = onnx.load(str(path))
    for shape in model.graph.initializer:  # the rows are written into the graph
        if shape.name.startswith("s"):
            stride = next(w for w in model.graph.initializer if w.name == f"w{shape.name[1:]}").dims[2]
            columns = numpy_helper.to_array(shape)[-1]
            rows = 320 * 640 // stride**2
            shape.CopyFrom(numpy_helper.from_array(np.array([1, rows, columns]), shape.name))
    onnx.save(model, str(path))
    with pytest.raises(ModelError, match=r"\(640, 320\) alone"):
        open_detector(path)
