"""PoseEngine.many: the poses of several frames in shared batches are those of separate calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_model import write_tiny_model

from hpe_edge import BackendError, Camera, Crop, InputError, PoseEngine
from hpe_edge.backends.onnx.context import OnnxRuntimeContext
from hpe_edge.samples import FOLDER

# The network adds up a batch of another size in another order.
TOLERANCES_DEG = {"angles": 1e-3, "sigma": 1e-3, "rotation": 1e-5}


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return cv2.imread(str(next(FOLDER.glob("astronaut.*"))))


@pytest.fixture
def engine(tmp_path: Path) -> PoseEngine:
    return PoseEngine(write_tiny_model(tmp_path / "tiny.onnx"), threads=1)


def boxes_in(picture: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    height, width = picture.shape[:2]
    corners = rng.uniform(-20, min(height, width) - 40, (count, 2))
    return np.column_stack([corners, corners + rng.uniform(20, 200, (count, 2))]).astype(np.float32).reshape(-1, 4)


def same(got: Any, wanted: Any) -> None:
    for name, tolerance in TOLERANCES_DEG.items():
        np.testing.assert_allclose(getattr(got, name), getattr(wanted, name), atol=tolerance)


@pytest.mark.parametrize("batch", [None, 1, 4])
@pytest.mark.parametrize("counts", [(), (0,), (3,), (2, 3), (1, 1, 1, 1), (0, 4, 0), (8, 8), (5, 20, 0, 7), (17, 1)])
def test_as_separate_calls(
    tmp_path: Path, picture: np.ndarray, rng: np.random.Generator, batch: int | None, counts: tuple[int, ...]
) -> None:
    engine = PoseEngine(write_tiny_model(tmp_path / "tiny.onnx", batch=batch), threads=1)
    frames = [np.roll(picture, 37 * k, axis=k % 3) for k in range(len(counts))]
    boxes = [boxes_in(picture, count, rng) for count in counts]
    alone = [engine(frame, of_one) for frame, of_one in zip(frames, boxes, strict=True)]
    together = engine.many([engine.request(frame, of_one) for frame, of_one in zip(frames, boxes, strict=True)])
    assert [len(poses) for poses in together] == list(counts)
    for got, wanted in zip(together, alone, strict=True):
        same(got, wanted)
        assert got.angles.base is None  # its own memory, not a part of what others keep alive


def test_frames_of_every_kind_share_a_batch(
    engine: PoseEngine, picture: np.ndarray, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes = boxes_in(picture, 2, rng)
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    nv12 = rng.integers(0, 256, (height * 3 // 2, width), np.uint8)
    calls: list[tuple[Any, dict[str, Any]]] = [
        (picture, {}),
        (picture[..., ::-1].copy(), {"color": "RGB"}),
        (picture[..., 0].copy(), {"color": "GRAY8"}),
        (nv12, {"color": "NV12"}),
        ((nv12[:height], nv12[height:].reshape(height // 2, width // 2, 2)), {"color": "NV12"}),
        (picture, {"camera": Camera.from_fov(picture.shape[1], picture.shape[0], 60)}),
        (picture[::2], {"camera": Camera.from_fov(picture.shape[1], picture.shape[0], 90)}),
    ]
    alone = [engine(frame, boxes, **options) for frame, options in calls]
    batches: list[int] = []
    run = OnnxRuntimeContext.run
    monkeypatch.setattr(OnnxRuntimeContext, "run", lambda self, count: (batches.append(count), run(self, count))[1])
    together = engine.many([engine.request(frame, boxes, **options) for frame, options in calls])
    assert batches == [8, 6]
    for got, wanted in zip(together, alone, strict=True):
        same(got, wanted)
    assert np.ptp([poses.angles for poses in alone], axis=0).max() > 1


def test_what_is_wrong_is_said_before_anything_runs(engine: PoseEngine, picture: np.ndarray) -> None:
    for frame, boxes, options in (
        (picture.astype(np.float32), [[0, 0, 9, 9]], {}),
        (picture, [[0, 0, np.nan, 9]], {}),
        (picture, [], {"color": "YUV"}),
        (picture[..., 0], [], {}),
        (picture, [[0, 0, 9, 9]], {"camera": 70}),
        (picture, [[0, 0, 9, 9]], {"camera": Camera(1e-3, 1e-3, 5000, 5000)}),
        (None, [], {}),
    ):
        with pytest.raises(InputError):
            engine.request(frame, boxes, **options)  # type: ignore[arg-type]


def test_requests_are_the_engines_own(tmp_path: Path, engine: PoseEngine, picture: np.ndarray) -> None:
    other = PoseEngine(write_tiny_model(tmp_path / "other.onnx"), crop=Crop(), threads=1)
    with pytest.raises(InputError, match="this engine's request"):
        engine.many([engine.request(picture, []), other.request(picture, [])])
    with pytest.raises(InputError, match="this engine's request"):
        engine.many([(picture, [])])  # type: ignore[list-item]


def test_boxes_and_shape_are_as_they_were_when_asked(engine: PoseEngine, picture: np.ndarray) -> None:
    frame, boxes = picture.copy(), np.float32([[50, 50, 150, 150]])
    wanted = engine(frame, boxes)
    request = engine.request(frame, boxes)
    boxes[:] = np.nan
    frame.shape = (1, frame.size // 3, 3)
    same(engine.many([request])[0], wanted)


def test_stages_are_timed_once_a_batch(engine: PoseEngine, picture: np.ndarray, rng: np.random.Generator) -> None:
    from contextlib import nullcontext

    stages: list[str] = []
    requests = [engine.request(picture, boxes_in(picture, count, rng)) for count in (3, 4, 3)]
    engine.many(requests, timer=lambda stage: nullcontext(stages.append(stage)))
    assert stages == ["crop", "infer", "decode"] * 2


def test_a_closed_engine_runs_nothing(engine: PoseEngine, picture: np.ndarray) -> None:
    request = engine.request(picture, [])
    engine.close()
    for requests in ([request], []):
        with pytest.raises(BackendError, match="closed"):
            engine.many(requests)


def test_batch_is_what_warmup_found(engine: PoseEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.batch == 8
    assert PoseEngine(write_tiny_model(tmp_path / "m.onnx", batch=3)).batch == 3
    now = 0
    run = OnnxRuntimeContext.run

    def timed(self: OnnxRuntimeContext, count: int) -> object:
        nonlocal now
        now += 1 if count == 2 else 100
        return run(self, count)

    monkeypatch.setattr(OnnxRuntimeContext, "run", timed)
    monkeypatch.setattr("hpe_edge.engine.time.perf_counter", lambda: now)
    engine.warmup(8)
    assert engine.batch == 2
