"""3DDFA V2 end to end on labelled photos: pose and landmarks against a plain run of the published layers."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from scipy.spatial.transform import Rotation

from export import fp16
from export.checkpoints.network import load_network
from export.gate.comparison import GateFailed, Limits
from export.onnx import export
from export.step import quiet
from export.zoo.face_points import POINTS_68
from export.zoo.threeddfa import ThreeDdfa
from hpe_edge import PoseEngine
from hpe_edge.spec import ModelSpec

PHOTOS = 195
MAE_DEG = 0.05
OF_THE_BOX = 0.001


@pytest.fixture(scope="module")
def checkpoint(data: Path) -> Path:
    return data / "checkpoints/3ddfa_v2/mb05_120x120.pth"


@pytest.fixture(scope="module")
def model(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(checkpoint, output=tmp_path_factory.mktemp("3ddfa") / "3ddfa.onnx").path


@pytest.fixture(scope="module")
def photos(data: Path) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Photo, box and labelled angles of each."""
    folder = data / "aflw2000_dev"
    with (folder / "labels.csv").open() as file:
        return list(_photos(folder, csv.DictReader(file)))


def _photos(folder: Path, rows: csv.DictReader) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    for row in rows:
        box, angles = ([float(row[name]) for name in names] for names in (BOX, ANGLES))
        yield cv2.imread(str(folder / row["file"])), np.float32(box), np.array(angles)


BOX, ANGLES = ("x1", "y1", "x2", "y2"), ("yaw", "pitch", "roll")


def plain_run(net: ThreeDdfa, photo: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label angles and landmarks by OpenCV's warp, the published layers and SciPy: nothing of the runtime."""
    side, middle = 1.25 * (box[2:] - box[:2]).max(), (box[:2] + box[2:]) / 2
    zoom = 120 / side
    shift = 60 - zoom * (middle - 0.5) - 0.5  # OpenCV's pixels have whole numbers at their centres
    crop = cv2.warpAffine(photo.astype(np.float32), np.float32([[zoom, 0, shift[0]], [0, zoom, shift[1]]]), (120, 120))
    image = torch.from_numpy((crop - 127.5) / 128).permute(2, 0, 1)[None]
    with torch.inference_mode():
        rows = net(image)[0].numpy().reshape(2, 3).astype(np.float64)
        points = net.landmarks(image)[0].numpy()
    x = rows[0] / np.linalg.norm(rows[0])
    z = np.cross(x, rows[1])
    z /= np.linalg.norm(z)
    head = np.stack([x, np.cross(z, x), z])  # of the rows; its transpose encodes the signed label triple
    roll, yaw, pitch = Rotation.from_matrix(head.T).as_euler("ZYX", degrees=True)
    return np.array([-yaw, pitch, -roll]), points / zoom + middle - side / 2


def test_the_dev_photos(checkpoint: Path, model: Path, photos: list[tuple[np.ndarray, ...]]) -> None:
    """MAE within 0.05 degrees, landmarks within 0.1 % of the box on average."""
    net = load_network([checkpoint], [], trust=False, report=quiet).net
    assert isinstance(net, ThreeDdfa)
    plain, apart, found = [], [], []
    with PoseEngine(model) as engine:
        for photo, box, angles in photos:
            poses = engine(photo, [box])
            want, points = plain_run(net, photo, box)
            plain.append(np.abs(want - angles))
            found.append(np.abs(poses.angles[0] - angles))
            apart.append(np.linalg.norm(poses.landmarks[0] - points, axis=1).mean() / (box[2:] - box[:2]).max())
    assert len(found) == PHOTOS
    np.testing.assert_allclose(np.mean(found, axis=0), np.mean(plain, axis=0), atol=MAE_DEG)
    assert np.mean(apart) < OF_THE_BOX


def test_landmarks_lie_on_the_labelled_face(model: Path, photos: list[tuple[np.ndarray, ...]]) -> None:
    """Their bounding box is the labels', which are those of the 68 landmarks, within a tenth of it."""
    off = []
    with PoseEngine(model) as engine:
        for photo, box, _ in photos:
            points = engine(photo, [box]).landmarks[0]
            seen = np.concatenate([points.min(axis=0), points.max(axis=0)])
            off.append(np.abs(seen - box).mean() / (box[2:] - box[:2]).max())
    assert np.median(off) < 0.05 and np.mean(off) < 0.1


def test_the_spec_says_what_it_gives(model: Path) -> None:
    with PoseEngine(model) as engine:
        spec = engine.spec
    assert spec.outputs == ("rot6d", "landmarks")
    assert spec.landmarks is not None and spec.landmarks.names == POINTS_68 and len(POINTS_68) == 68
    assert spec.gate is not None and spec.gate.landmarks_worst is not None and spec.gate.landmarks_worst < 1e-4
    assert ModelSpec.from_json(spec.to_json()) == spec


def test_the_pose_alone_can_be_exported(checkpoint: Path, model: Path, tmp_path: Path) -> None:
    written = export(checkpoint, output=tmp_path / "pose.onnx", pose_only=True)
    assert written.spec.landmarks is None and written.spec.outputs == ("rot6d",)
    assert '"format": 1' in written.spec.to_json()[:14]
    photo = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    with PoseEngine(written.path) as alone, PoseEngine(model) as both:
        boxes = [[40, 40, 140, 140]]
        np.testing.assert_allclose(alone(photo, boxes).angles, both(photo, boxes).angles, atol=1e-3)
        assert alone(photo, boxes).landmarks.shape == (1, 0, 2)


def test_fp16_passes_with_its_landmarks_and_a_moved_one_fails(model: Path, tmp_path: Path) -> None:
    half = fp16.convert(model, output=tmp_path / "half.onnx")
    gate = half.spec.gate
    assert gate is not None and gate.landmarks_worst is not None and 0 < gate.landmarks_worst < 0.01
    with pytest.raises(GateFailed, match="landmarks worst"):
        fp16.convert(model, output=tmp_path / "tight.onnx", limits=Limits(landmarks_worst=1e-6))


def test_the_gate_sees_the_landmarks_of_every_step(checkpoint: Path, tmp_path: Path, monkeypatch) -> None:
    """A graph whose landmark layer differs from the checkpoint's fails the export."""
    from export.graph import write_onnx

    simplify = write_onnx.graph.simplify

    def spoil(raw: onnx.ModelProto) -> onnx.ModelProto:
        found = simplify(raw)
        for weight in found.graph.initializer:
            if list(weight.dims) == [136]:
                weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) + np.float32(0.01), weight.name))
        return found

    monkeypatch.setattr(write_onnx.graph, "simplify", spoil)
    with pytest.raises(GateFailed, match="landmarks worst"):
        export(checkpoint, output=tmp_path / "spoilt.onnx")
    assert not (tmp_path / "spoilt.onnx").exists()
