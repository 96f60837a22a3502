"""The suite ``doubt``: verdicts, counts and separation by hand, and its figures end to end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled_photos import BOX, detections, write_labelled_photos
from tiny_model import tiny_spec, write_tiny_model

from benchmarks.__main__ import main
from benchmarks.doubt import false_boxes
from benchmarks.doubt.false_boxes import Found, dropped, judge, separation
from hpe_edge.faces.detector import Detections
from hpe_edge.spec import SigmaCalibration

FACE, FALSE, UNCLEAR = 0, 1, 2
FAR, NEAR = [300.0, 300.0, 360.0, 360.0], [30.0, 40.0, 100.0, 110.0]


def test_verdicts() -> None:
    label, other = np.array(BOX, np.float32), np.array([FAR], np.float32)
    touching = [84.0, 30.0, 154.0, 100.0]
    boxes = detections(BOX, NEAR, FAR, [600, 600, 700, 700], touching)
    # Of a labelled photo only the label's face counts; what another detector found elsewhere is neither.
    assert judge(boxes, [other], label).tolist() == [FACE, FACE, UNCLEAR, FALSE, FALSE]
    assert judge(boxes, [other], None).tolist() == [FALSE, FALSE, FACE, FALSE, FALSE]
    halfway = detections([60.0, 30.0, 130.0, 100.0])
    assert judge(halfway, [], label).tolist() == [UNCLEAR]
    assert judge(boxes, [], None).tolist() == [FALSE] * 5


def made_up() -> Found:
    verdict = np.array([FACE, FACE, FACE, FALSE, FALSE, UNCLEAR])
    yaw = np.array([5.0, -45.0, 80.0, 0.0, 0.0, 0.0])
    sigma = np.repeat(np.array([[2.0], [4.0], [12.0], [10.0], [30.0], [9.0]]), 3, axis=1)
    return Found(np.array(["video"] * 6), np.array(["haar"] * 6), verdict, yaw, sigma)


def test_counts_by_hand() -> None:
    found = made_up()
    figures = dropped(found, found.sigma[:, 0] > 11, "video", "haar")
    assert (figures["false_boxes"], figures["false_boxes_dropped"]) == (2, 1)
    assert (figures["faces"], figures["faces_lost"], figures["unclear"]) == (3, 1, 1)
    assert [figures[f"faces_yaw_{band}"] for band in ("0_to_30", "30_to_60", "60_to_180")] == [1, 1, 1]
    assert [figures[f"faces_lost_yaw_{band}"] for band in ("0_to_30", "30_to_60", "60_to_180")] == [0, 0, 1]
    assert dropped(found, found.sigma[:, 0] > 11, "video", "yunet")["faces"] == 0


def test_area_under_the_roc_is_scipys(rng: np.random.Generator) -> None:
    stats = pytest.importorskip("scipy.stats")
    faces, false = rng.normal(0, 1, 300).round(1), rng.normal(1.5, 1, 80).round(1)
    verdict = np.repeat([FACE, FALSE], [300, 80])
    found = replace(made_up(), group=np.array(["video"] * 380), detector=np.array(["haar"] * 380), verdict=verdict)
    area = separation(found, np.concatenate([faces, false]))["roc_area"]
    assert area == pytest.approx(stats.mannwhitneyu(false, faces).statistic / (300 * 80), abs=1e-4)


def test_separation_drops_nine_in_ten() -> None:
    verdict = np.repeat([FACE, FALSE], [100, 100])
    found = replace(made_up(), group=np.array(["video"] * 200), detector=np.array(["haar"] * 200), verdict=verdict)
    measure = np.concatenate([np.arange(100.0), np.arange(50.0, 150.0)])
    assert separation(found, measure)["faces_lost_percent"] == pytest.approx(40, abs=1)


class Everywhere:
    """Finds the labelled face, and a box where there is none."""

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        return detections(BOX, FAR)


class OnFaces(Everywhere):
    """Finds the labelled face alone."""

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        return detections(BOX)


@pytest.fixture
def run(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    labels = write_labelled_photos(tmp_path, rng)
    for name in ("object_0.png", "people_0.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((400, 400, 3), np.uint8))
    (tmp_path / "scenes.csv").write_text("file,source\nobject_0.png,desk\npeople_0.png,with_mask\n")
    monkeypatch.setattr(false_boxes, "detector_named", lambda name: Everywhere() if name == "haar" else OnFaces())
    return ["doubt", "--labels", str(labels), "--detectors", "a.onnx", "b.onnx"]


def test_the_whole_suite(run: list[str], tmp_path: Path) -> None:
    # A limit that every sigma of the tiny model exceeds: all are dropped.
    spec = replace(tiny_spec(), sigma=SigmaCalibration(1.0, 1.0, 1.0, 1, "", True, 0.1))
    model, out = write_tiny_model(tmp_path / "limited.onnx", spec=spec), tmp_path / "out.json"
    scenes = ["--scenes", str(tmp_path / "scenes.csv")]
    assert main([*run, "--model", str(model), *scenes, "--json", str(out)]) == 0
    document = json.loads(out.read_text())
    rows = {
        (r["parameters"]["images"], r["parameters"]["detector"]): r["figures"]
        for r in document["results"]
        if r["name"] == "doubt"
    }
    haar = rows["labelled photos", "haar"]
    assert (haar["false_boxes"], haar["false_boxes_dropped"], haar["faces"], haar["faces_lost"]) == (3, 3, 3, 3)
    assert rows["labelled photos", "a"]["false_boxes"] == 0 and rows["labelled photos", "a"]["faces"] == 3
    assert rows["objects", "haar"]["false_boxes"] == rows["with_mask", "haar"]["false_boxes"] == 1
    budget = {line["what"]: line["met"] for line in document["budget"]}
    assert budget == {
        "false boxes of the cascade that are dropped": True,
        "faces of the labelled photos and the video that are lost": False,
    }


def test_a_model_without_a_limit_is_refused(run: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*run, "--model", str(tmp_path / "tiny.onnx")]) == 2
    assert "has no limit on sigma" in capsys.readouterr().err
    assert main([*run[:-1], "--model", str(tmp_path / "tiny.onnx")]) == 2
    assert "two neural detectors" in capsys.readouterr().err
