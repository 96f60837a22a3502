"""The suite ``one-pass``: views and their poses against the embedded models, the square that is read, the command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import main
from benchmarks.finding import one_pass
from benchmarks.finding.labelled_faces import LabelledFace, pose
from export.detection.pictures import Picture, Pictures
from export.labelling.fuse import Labels
from export.labelling.hull import outline
from hpe_edge.engine import PoseEngine
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.geometry import geodesic_deg, rotation_from_euler
from hpe_edge.models import DEFAULT
from hpe_edge.samples import read_photo

torch = pytest.importorskip("torch")

from benchmarks.finding import pose_on_features as of_features  # noqa: E402
from export.detection_net.decoding import Faces  # noqa: E402
from export.detection_net.network import DetectorNet  # noqa: E402


@pytest.fixture(autouse=True)
def _embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded detector in place of an untrained network's."""
    detector = open_detector("face-detector")

    def detect(network: DetectorNet, images: np.ndarray, min_score: float) -> list[Faces]:
        found = detector(images[0])
        assert found.keypoints is not None
        return [Faces(found.boxes, found.keypoints, found.scores)]

    monkeypatch.setattr(of_features, "detect", detect)


def _labels() -> tuple[np.ndarray, Labels]:
    image = read_photo()
    found = open_detector("face-detector")(image)
    assert found.keypoints is not None
    drawn = outline(found.boxes[:1].astype(np.float64), np.zeros(1))
    return image, Labels(drawn, found.keypoints[:1].astype(np.float64), np.ones(1), np.zeros((0, 4)))


@pytest.mark.parametrize("size", [64.0, 150.0])
def test_a_view_has_the_pose_that_the_embedded_model_sees_there(size: float) -> None:
    image, labels = _labels()
    rng, network = np.random.default_rng(1), DetectorNet()
    with PoseEngine(threads=1) as engine:
        box = np.array([[*labels.outlines[0].min(axis=0), *labels.outlines[0].max(axis=0)]])
        face = LabelledFace(image, labels.outlines[0], pose(engine, image, box, labels.points.astype(np.float32)))
        apart, turned = [], []
        for _ in range(12):
            seen = of_features.view(face, size, rng, network, varied=True)
            assert seen is not None
            longer = float((seen.found.boxes[0, 2:] - seen.found.boxes[0, :2]).max())
            assert longer == pytest.approx(size, rel=0.2)
            apart.append(geodesic_deg(pose(engine, seen.frame, seen.found.boxes, seen.found.points), seen.rotation))
            turned.append(geodesic_deg(face.rotation, seen.rotation))
    assert np.median(apart) < 5 and max(apart) < 12
    assert max(turned) > 25  # else the turns and mirrors would not be seen


def test_the_square_is_upright_on_the_face() -> None:
    turn = np.deg2rad(35.0)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    five = np.array([[-20.0, -20], [20, -20], [0, 0], [-15, 20], [15, 20]]) @ spin.T + 150
    found = Faces(np.array([[110.0, 110, 190, 190]], np.float32), five[None].astype(np.float32), np.ones(1, np.float32))
    frame = np.zeros((1, 1, of_features.VIEW, of_features.VIEW), np.float32)
    for x, y in five[:2]:
        frame[0, 0, int(y) - 3 : int(y) + 4, int(x) - 3 : int(x) + 4] = 1
    grid = torch.from_numpy(of_features._places(found)[None])
    read = torch.nn.functional.grid_sample(torch.from_numpy(frame), grid, align_corners=False)[0, 0].numpy()
    rows, columns = np.nonzero(read > 0.5)
    assert np.ptp(rows) <= 1 and rows.max() < len(read) / 2  # both eyes on one line, above the middle
    assert columns.min() + columns.max() == len(read) - 1
    assert of_features.roll_of(found) == pytest.approx(35, abs=1)


def test_the_head_learns_rotations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(of_features, "_BATCH", 16)
    rng = np.random.default_rng(0)
    angles = rng.uniform(-50, 50, (64, 3))
    wanted = torch.from_numpy(np.asarray(rotation_from_euler(angles), np.float32))
    read = torch.from_numpy(rng.normal(0, 0.05, (64, 4, 14, 14))).half()
    read[:, :3] += torch.from_numpy(angles / 50)[..., None, None]
    head = of_features.train(read, wanted, 15)
    with torch.inference_mode():
        said = head(read.float()).double().numpy()
    assert np.abs(said @ np.swapaxes(said, 1, 2) - np.eye(3)).max() < 1e-5 and (np.linalg.det(said) > 0).all()
    before = np.median(geodesic_deg(np.eye(3)[None], wanted.numpy()))
    assert np.median(geodesic_deg(said, wanted.numpy())) < 0.4 * before


def test_figures_by_hand() -> None:
    truth = np.stack([np.eye(3)] * 4)
    one = np.asarray(rotation_from_euler(np.array([[4.0, 0, 0], [0, 4, 0], [0, 0, 4], [8, 0, 0]])))
    two = np.asarray(rotation_from_euler(np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]])))
    figures = one_pass.compared(one, two, truth)
    assert figures["faces"] == 4
    assert figures["one_pass_mean_deg"] == pytest.approx(5, abs=1e-3)
    assert figures["two_networks_mean_deg"] == pytest.approx(1, abs=1e-3)
    low, high = figures["difference_low_deg"], figures["difference_high_deg"]
    assert low is not None and high is not None and 3 <= low < 4 < high <= 7


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image, labels = _labels()
    pictures = Pictures([Picture("people_00001.webp", image, labels)], [], [])
    monkeypatch.setattr(one_pass, "load_pictures", lambda *_, held_out: pictures)
    monkeypatch.setattr(one_pass, "read_found", lambda path: {})
    monkeypatch.setattr(one_pass, "QUICK_VIEWS", 8)
    monkeypatch.setattr(one_pass, "SIZES", (96,))
    checkpoint, path = tmp_path / "checkpoint.pt", tmp_path / "a.json"
    torch.save({"average": DetectorNet().state_dict()}, checkpoint)
    folders = ["--run", str(tmp_path), "--scenes", str(tmp_path), "--faces", str(tmp_path)]
    options = [*folders, "--checkpoint", str(checkpoint), "--teachers", str(DEFAULT)]
    assert main(["one-pass", "--quick", *options, "--json", str(path)]) == 0
    training, agreement = json.loads(path.read_text())["results"]
    assert training["parameters"]["faces"] == 1 and 4 <= training["parameters"]["views"] <= 8
    assert agreement["figures"]["two_networks_mean_deg"] < 5 < agreement["figures"]["one_pass_mean_deg"]
