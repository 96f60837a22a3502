"""Landmarks of a network that points at spots of the picture: found again where they were put, through every crop."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from fake_cuda import FakeCuda
from fake_launches import FakeLaunches
from fake_tensorrt import FakeTensorRT, fake_plan
from loading import Load
from onnx import helper
from spot_model import frame_with_spots, spot_model, spot_spec, write_spot_model

from hpe_edge import Camera, PoseEngine
from hpe_edge.backends.tensorrt.plan_file import EngineInfo, digest, sidecar
from hpe_edge.live.event_log import Events
from hpe_edge.live.message import Scene, Stamp, encode
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.sources.open_source import Frame
from hpe_edge.spec import METADATA_KEY, BinsDecode, Crop

SPOTS = np.array([[131.3, 95.2], [160.0, 101.7], [147.6, 120.9]])
BOXES = np.float32([[110, 80, 180, 140], [120, 70, 170, 150]])
FRAME = frame_with_spots(240, 320, SPOTS, 4.0)
# A crop of 64 pixels shows about 100 of the frame. Levels are whole numbers, of which the parabola feels a few tenths.
NEAR = 0.35

BENT = Camera.from_opencv([[280.0, 0, 150.0], [0, 300.0, 130.0], [0, 0, 1]], [-0.2, 0.05, 0, 0])

CROPS = {
    "extend": Crop(margins=(0.2, 0.3, 0.2, 0.1)),
    "antialias": Crop(margins=(0.2, 0.3, 0.2, 0.1), resampling="antialias"),
    "stretched": Crop(margins=(0.1, 0.1, 0.1, 0.1), square="none"),
    "shrunk": Crop(margins=(0.3, 0.1, 0.3, 0.1), square="shrink"),
    "clipped": Crop(margins=(0.1, 2.5, 0.1, 0.1), square="none", clip=True),
}


@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
def test_spots_are_found_where_they_are(load: Load, tmp_path: Path, crop: Crop) -> None:
    with load(write_spot_model(tmp_path / "spots.onnx", crop)) as engine:
        poses = engine(FRAME, BOXES)
    assert poses.landmarks.shape == (2, 3, 2) and poses.landmarks.dtype == np.float32
    np.testing.assert_allclose(poses.landmarks, np.stack([SPOTS] * 2), atol=NEAR)


@pytest.mark.parametrize("roll", [-150.0, -30.0, 17.0, 90.0])
def test_a_turn_upright_is_undone(tmp_path: Path, roll: float) -> None:
    """The key points say the face is rolled: its crop is turned, and the points come back to the picture."""
    away = np.array([[-8.0, -8], [8, -8], [0, 0], [-5, 8], [5, 8]])  # eyes, nose, mouth
    angle = np.deg2rad(roll)
    turned = away @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    points = np.stack([turned + BOXES[:1].reshape(2, 2).mean(axis=0)])
    with PoseEngine(write_spot_model(tmp_path / "spots.onnx", CROPS["extend"]), upright="keypoints") as engine:
        upright = engine(FRAME, BOXES[:1], keypoints=points)
        request = engine.request(FRAME, BOXES[:1], keypoints=points)
    assert request.turns == pytest.approx([roll], abs=1)
    np.testing.assert_allclose(upright.landmarks[0], SPOTS, atol=NEAR)


def test_the_second_pass_takes_its_landmarks_along(tmp_path: Path) -> None:
    model, spec = spot_model(tmp_path / "spots.onnx"), spot_spec(CROPS["extend"])
    assert isinstance(spec.decode, BinsDecode)
    rolled = replace(spec.decode, roll=replace(spec.decode.roll, first_deg=spec.decode.roll.first_deg + 40))
    helper.set_model_props(model, {METADATA_KEY: replace(spec, decode=rolled).to_json()})
    onnx.save(model, str(tmp_path / "spots.onnx"))
    with (
        PoseEngine(tmp_path / "spots.onnx", upright="second-pass") as engine,
        PoseEngine(tmp_path / "spots.onnx") as plain,
    ):
        once, again = plain(FRAME, BOXES), engine(FRAME, BOXES)
    assert (np.abs(once.roll) > 15).all()  # so that they are asked again
    assert np.abs(again.roll - once.roll).min() > 1
    assert np.abs(again.landmarks - once.landmarks).max() > 0.001  # of other crops
    np.testing.assert_allclose(again.landmarks, np.stack([SPOTS] * 2), atol=NEAR)


@pytest.mark.parametrize("camera", [Camera(300.0, 300.0, 160.0, 120.0), BENT])
def test_a_rectified_crop_is_undone(tmp_path: Path, camera: Camera) -> None:
    spots = SPOTS + np.array([90.0, -60.0])  # off the axis
    frame, boxes = frame_with_spots(240, 320, spots, 4.0), BOXES[:1] + np.float32([90, -60, 90, -60])
    with PoseEngine(write_spot_model(tmp_path / "spots.onnx", CROPS["extend"])) as engine:
        np.testing.assert_allclose(engine(frame, boxes, camera=camera).landmarks[0], spots, atol=2 * NEAR)


def test_visibility_is_the_heads_sigmoid(load: Load, tmp_path: Path) -> None:
    grey = np.full((100, 100, 3), 51, np.uint8)  # 0.2, ten times that less 1
    grey[10:90, 10:90] += np.random.default_rng(0).integers(0, 2, (80, 80, 3), dtype=np.uint8)
    with load(write_spot_model(tmp_path / "spots.onnx", CROPS["extend"])) as engine:
        found = engine(grey, [[30, 30, 70, 70]])
    assert not found.stretched.any()
    np.testing.assert_allclose(found.visibility, np.full((1, 3), 1 / (1 + np.exp(-1.0))), atol=0.01)


def test_batches_parts_and_no_faces(tmp_path: Path) -> None:
    many = np.repeat(BOXES, 11, axis=0)
    with PoseEngine(write_spot_model(tmp_path / "spots.onnx", CROPS["extend"])) as engine:
        poses = engine(FRAME, many)
        np.testing.assert_allclose(poses.landmarks, np.stack([SPOTS] * 22), atol=NEAR)
        assert engine(FRAME, many[:0]).landmarks.shape == (0, 3, 2)
        assert engine(FRAME, many[:0]).visibility.shape == (0, 3)
    part = poses[np.arange(3)]
    assert np.array_equal(part.landmarks, poses.landmarks[:3]) and np.array_equal(part.visibility, poses.visibility[:3])
    assert np.array_equal(poses[2].landmarks, poses.landmarks[2])
    assert json.loads(json.dumps(poses.to_rows()))[0]["landmarks"] == poses.landmarks[0].tolist()
    moved = poses.copy()
    moved.landmarks[...] = 0
    assert poses.landmarks.any()


def test_a_model_without_landmarks_has_none() -> None:
    with PoseEngine() as engine:
        poses = engine(FRAME, BOXES)
    assert poses.landmarks.shape == (2, 0, 2) and poses.visibility.shape == (2, 0)
    assert "landmarks" not in poses.to_rows()[0]


@pytest.mark.parametrize("crop_on", ["cpu", "cuda"])
def test_on_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crop_on: str) -> None:
    """TensorRT's path on doubles: maps that are cropped on the host, and peaks found beside the network."""
    cuda = FakeCuda().install(monkeypatch)
    FakeTensorRT(cuda, "10.3.0").install(monkeypatch)
    launches = FakeLaunches(cuda).install(monkeypatch)
    plan = fake_plan(spot_model(tmp_path / "spots.onnx"), "10.3.0", (1, 2, 4))
    info = EngineInfo(
        spec=spot_spec(CROPS["extend"]),
        tensorrt="10.3.0",
        gpu="Fake GPU",
        compute_capability="8.7",
        precision="fp16",
        profile=(1, 2, 4),
        plan_bytes=len(plan),
        plan_sha256=digest(plan),
        rebuild="",
    )
    path = tmp_path / "spots.engine"
    path.write_bytes(plan)
    sidecar(path).write_text(info.to_json())
    with PoseEngine(path, crop_on=crop_on) as engine:  # type: ignore[arg-type]
        for boxes in (BOXES, BOXES[:1], np.repeat(BOXES, 4, axis=0)):
            poses = engine(FRAME, boxes)
            np.testing.assert_allclose(poses.landmarks, np.stack([SPOTS] * len(boxes)), atol=NEAR)
            assert ((poses.visibility > 0.2) & (poses.visibility < 0.9)).all()
        rectified = engine(FRAME, BOXES, camera=Camera(300.0, 300.0, 160.0, 120.0))
        np.testing.assert_allclose(rectified.landmarks[0], SPOTS, atol=2 * NEAR)
    assert ("peaks" in launches.made) == (crop_on == "cuda")


def test_a_file_of_format_1_has_no_heads(tmp_path: Path) -> None:
    spec = replace(spot_spec(CROPS["extend"]), landmarks=None, visibility=None)
    plain = json.loads(spec.to_json())
    assert plain["format"] == 1 and "landmarks" not in plain and "visibility" not in plain


def test_the_live_page_is_told_them_in_its_pictures_pixels(tmp_path: Path) -> None:
    with PoseEngine(write_spot_model(tmp_path / "spots.onnx", CROPS["extend"])) as engine:
        poses = engine(FRAME, BOXES[:1])
    large = np.zeros((960, 2560, 3), np.uint8)
    message = encode(Result(Frame("a.png", 0, 0.0, large), poses), Stamp("run", 1, 0.0), "axes", Scene(), Events())
    facts = json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
    face = facts["faces"][0]
    np.testing.assert_allclose(face["landmarks"], SPOTS / 2, atol=NEAR)
    assert face["visibility"] == pytest.approx(poses.visibility[0].tolist())
