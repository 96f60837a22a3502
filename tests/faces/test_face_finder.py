"""PoseEngine without boxes: its detector, frames in every pixel format, and what can be wrong."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import reference
from frames_of import frame_of
from tiny_model import write_tiny_model

from hpe_edge import BoxesWarning, Detections, HaarDetector, InputError, ModelNotFoundError, PoseEngine
from hpe_edge.samples import FOLDER as SAMPLES
from hpe_edge.spec import Crop, Input

BOX = np.float32([[10, 10, 50, 50]])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("finder") / "tiny.onnx")


class Seen:
    """A detector that keeps the frames it gets."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        self.frames.append(frame_bgr)
        return Detections.from_boxes(BOX, [0.75])


def test_the_default_detector_finds_the_face_of_the_sample() -> None:
    photo = cv2.imread(str(SAMPLES / "astronaut.jpg"))
    with PoseEngine(threads=1) as engine:
        poses = engine(photo)
        same = engine(photo, HaarDetector()(photo))
    assert len(poses) == 1 and abs(poses[0].yaw) < 10
    np.testing.assert_array_equal(poses.angles, same.angles)
    np.testing.assert_array_equal(poses.boxes, same.boxes)


def test_a_detector_of_ones_own_is_called_with_bgr_frames(model: Path, rng: np.random.Generator) -> None:
    """Of every pixel format; OpenCV converts back and forth."""
    photo = cv2.GaussianBlur(rng.integers(0, 256, (64, 96, 3), np.uint8), (0, 0), 4)
    seen = Seen()
    engine = PoseEngine(model, detector=seen, threads=1)
    poses = engine(photo)
    assert seen.frames[0] is photo and poses.scores.tolist() == [0.75]
    np.testing.assert_array_equal(poses.boxes, BOX)
    engine(np.ascontiguousarray(photo[..., ::-1]), color="RGB")
    np.testing.assert_array_equal(seen.frames[1], photo)
    grey = cv2.cvtColor(photo, cv2.COLOR_BGR2GRAY)
    engine(grey, color="GRAY8")
    np.testing.assert_array_equal(seen.frames[2], np.repeat(grey[..., None], 3, axis=2))
    i420 = cv2.cvtColor(photo, cv2.COLOR_BGR2YUV_I420)
    chroma = i420[64:].reshape(2, 32, 48).transpose(1, 2, 0)
    nv12 = np.concatenate([i420[:64], chroma.reshape(32, 96)])
    for frame in (nv12, (i420[:64], np.ascontiguousarray(chroma))):
        engine(frame, color="NV12")
        assert np.abs(seen.frames[-1].astype(int) - photo).mean() < 4


@pytest.mark.parametrize("color", ["BGRA", "RGBA", *reference.YUV_FORMATS])
def test_a_detector_sees_the_colors_that_the_crop_has(model: Path, rng: np.random.Generator, color: str) -> None:
    frame, seen = frame_of(rng, color, 64, 96), Seen()
    PoseEngine(model, detector=seen, threads=1)(frame, color=color)  # type: ignore[arg-type]
    crop, input = Crop(), Input(size=8, color="BGR", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))
    levels, order, _ = reference.frame_levels(frame, color, crop, input)
    levels = levels[..., ::-1] if order == "RGB" else levels
    assert seen.frames[0].dtype == np.uint8 and np.abs(seen.frames[0] - levels).max() < 1.01  # rounded, in fixed point


@pytest.mark.parametrize(
    ("detector", "error", "fragment"),
    [
        (3, InputError, "detector must be"),
        ("nowhere.onnx", ModelNotFoundError, "nowhere.onnx"),
        (lambda frame: [[1, 2, 3, 4]], InputError, "Detections.from_boxes"),
    ],
)
def test_a_wrong_detector_is_refused(model: Path, detector: object, error: type[Exception], fragment: str) -> None:
    with pytest.raises(error, match=fragment):
        PoseEngine(model, detector=detector)(np.zeros((64, 64, 3), np.uint8))  # type: ignore[arg-type]


def test_a_wrong_frame_is_refused_before_the_detector_sees_it(model: Path) -> None:
    seen = Seen()
    with pytest.raises(InputError, match="uint8"):
        PoseEngine(model, detector=seen)(np.zeros((8, 8, 3), np.float32))
    assert seen.frames == []


def test_boxes_from_needs_boxes(model: Path) -> None:
    with pytest.raises(InputError, match="boxes_from"):
        PoseEngine(model)(np.zeros((64, 64, 3), np.uint8), boxes_from="landmarks")


def test_an_engine_checks_boxes_from_elsewhere_and_trusts_its_own(model: Path) -> None:
    frame, high = np.zeros((200, 200, 3), np.uint8), np.float32([[20, 20, 60, 80]])
    engine = PoseEngine(model, threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine(frame, Detections.from_boxes(high))
        engine(frame, high, boxes_from="landmarks")
    with pytest.warns(BoxesWarning, match="boxes_from") as caught:
        engine(frame, high)
    assert caught[0].filename == __file__
    with pytest.raises(InputError, match="fractions"):
        engine(frame, high / 200)


@pytest.mark.parametrize("limit", [0, -1.0, float("nan")])
def test_a_limit_of_sigma_is_above_zero(model: Path, limit: float) -> None:
    with pytest.raises(InputError, match="max_sigma"):
        PoseEngine(model, max_sigma=limit)


def test_the_limit_of_sigma_marks_poses(model: Path) -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    rms = float(PoseEngine(model)(frame, BOX).sigma_rms[0])
    assert not PoseEngine(model, max_sigma=rms * 1.01)(frame, BOX).doubtful[0]
    assert PoseEngine(model, max_sigma=rms * 0.99)(frame, BOX).doubtful[0]
