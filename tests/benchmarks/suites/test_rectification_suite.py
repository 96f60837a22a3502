"""The suite ``rectification``: its pictures are what a turned camera takes, and its document is complete."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_model import write_tiny_model

from benchmarks.__main__ import main
from benchmarks.datasets.labels_csv import COLUMNS
from benchmarks.suites.rectification import OFF_AXIS_DEG, WIDTHS, ellipse, see_turned, turn


def test_directions_are_those_of_the_picture() -> None:
    for direction_deg, axis in ((0, [1, 0]), (90, [0, 1]), (180, [-1, 0])):
        x, y, z = turn(20, direction_deg) @ [0, 0, 1]
        np.testing.assert_allclose([x, y], np.sin(np.deg2rad(20)) * np.array(axis), atol=1e-9)
        assert z == pytest.approx(np.cos(np.deg2rad(20)))


@pytest.mark.parametrize("direction_deg", [0, 45, 90, 200])
def test_a_spot_lies_where_the_turned_camera_projects_it(direction_deg: float) -> None:
    photo = np.zeros((120, 160, 3), np.uint8)
    photo[70:73, 50:53] = 255
    photo = cv2.GaussianBlur(photo, (0, 0), 2)
    spot = np.array([51.5, 71.5])  # from the corner of the top-left pixel
    outline = ellipse(np.float32([60, 40, 110, 90]))
    middle, focal = np.array([85.0, 65.0]), 300.0
    q = turn(20, direction_deg)
    turned = see_turned(photo, outline, focal, q)
    levels = turned.frame[..., 0].astype(np.float64)
    rows, columns = np.indices(levels.shape) + 0.5
    found = np.array([(levels * columns).sum(), (levels * rows).sum()]) / levels.sum()
    in_space = np.array([*(spot - middle) / focal, 1.0])
    camera = turned.camera
    k = np.array([[camera.fx, 0, camera.cx], [0, camera.fy, camera.cy], [0, 0, 1]])
    wanted = cv2.projectPoints(in_space[None], cv2.Rodrigues(q)[0], np.zeros(3), k, None)[0][0, 0]
    np.testing.assert_allclose(found, wanted, atol=0.15)
    corners = np.array([[0.0, 0], [160, 0], [160, 120], [0, 120]])
    rays = np.column_stack([(corners - middle) / focal, np.ones(4)])
    placed = cv2.projectPoints(rays, cv2.Rodrigues(q)[0], np.zeros(3), k, None)[0][:, 0]
    assert (placed >= -1e-6).all() and (placed <= np.array(levels.shape[::-1]) + 1e-6).all()  # nothing is lost


def test_the_document(tmp_path: Path, rng: np.random.Generator) -> None:
    model = write_tiny_model(tmp_path / "tiny.onnx", size=16)
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        photo = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((20, 20, 1))).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "0.png"), photo)
        writer.writerow(["0.png", 20, 30, 90, 100, 0, 0, 0])
    out = tmp_path / "out.json"
    labels = tmp_path / "labels.csv"
    assert main(["rectification", "--quick", "--model", str(model), "--labels", str(labels), "--json", str(out)]) == 0
    results = json.loads(out.read_text())["results"]
    places = [(r["parameters"]["frame"].split()[0], r["parameters"]["off_axis_deg"]) for r in results]
    assert places == [(str(width), off_axis) for width in WIDTHS for off_axis in OFF_AXIS_DEG]
    for result in results:
        figures = result["figures"]
        assert len(figures) == 6 and all(value >= 0 for value in figures.values())
        if result["parameters"]["off_axis_deg"] == 0:
            assert max(figures.values()) < 0.5
        else:
            assert figures["with_camera_mean_deg"] < figures["without_camera_mean_deg"]
