"""Errors on labelled photos, and the boxes that they are measured with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from labelled_photos import BOX, OFF, Finder, write_labelled_photos
from tiny_model import tiny_spec, write_tiny_model

from benchmarks.datasets import labels_csv
from export.uncertainty import labelled_faces
from export.uncertainty.labelled_faces import COLUMNS, detected_boxes, errors_on, jittered_boxes, read_labels
from hpe_edge import PoseEngine, SourceError
from hpe_edge.spec import SigmaCalibration


@pytest.fixture
def labels(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(labelled_faces, "LEAST_FACES", 3)
    return write_labelled_photos(tmp_path, rng)


def own_boxes(path: Path) -> list[list[np.ndarray]]:
    return [[box] for box in read_labels(path).boxes]


def test_errors_are_the_model_minus_the_labels(labels: Path) -> None:
    with PoseEngine(labels.with_name("tiny.onnx")) as engine:
        found = errors_on(engine, read_labels(labels), own_boxes(labels))
        np.testing.assert_allclose(found.errors, -np.array([OFF] * 3), atol=1e-3)
        assert found.faces.tolist() == [0, 1, 2] and (found.sigma > 0).all()


def test_sigma_is_that_of_the_bins_even_of_a_calibrated_file(labels: Path, tmp_path: Path) -> None:
    spec = replace(tiny_spec(), sigma=SigmaCalibration(0.5, 0.25, 2.0, 1, "", True))
    calibrated = write_tiny_model(tmp_path / "calibrated.onnx", spec=spec)
    with PoseEngine(labels.with_name("tiny.onnx")) as plain, PoseEngine(calibrated) as scaled:
        one, other = (errors_on(engine, read_labels(labels), own_boxes(labels)) for engine in (plain, scaled))
    np.testing.assert_allclose(one.sigma, other.sigma, rtol=1e-5)


def test_jittered_boxes_stay_around_the_label() -> None:
    boxes = np.tile(np.array([[100, 200, 200, 320]], np.float32), (500, 1))
    table = labelled_faces.Labels(Path("x"), ["a"] * 500, boxes, np.zeros((500, 3)))
    rows = jittered_boxes(table)
    assert all(len(row) == 3 and (row[0] == boxes[0]).all() for row in rows)
    moved = np.array([box for row in rows for box in row[1:]])
    size, center = moved[:, 2:] - moved[:, :2], (moved[:, 2:] + moved[:, :2]) / 2
    np.testing.assert_allclose(np.median(size / [100, 120], axis=0), 1, atol=0.02)
    np.testing.assert_allclose((size / [100, 120]).std(axis=0), 0.07, rtol=0.15)
    np.testing.assert_allclose(((center - [150, 260]) / [100, 120]).std(axis=0), 0.03, rtol=0.15)
    assert np.array_equal(np.array(jittered_boxes(table)), np.array(rows))


def test_only_boxes_on_the_face_count(labels: Path) -> None:
    found = detected_boxes(read_labels(labels), [Finder()])
    assert [len(row) for row in found] == [1, 0, 0] and found[0][0].tolist() == BOX
    with (
        PoseEngine(labels.with_name("tiny.onnx")) as engine,
        pytest.raises(SourceError, match="has 1 faces that can be used"),
    ):
        errors_on(engine, read_labels(labels), found)


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("file,x1\na.png,1\n", "missing: y1,x2"),
        (",".join(COLUMNS) + "\n", "missing: rows"),
        (",".join(COLUMNS) + "\na.png,1,2,3,4,x,0,0\n", "must be numbers"),
        (",".join(COLUMNS) + "\na.png,1,2,3,4,5,0,0\na.png,1,2,3,4,nan,0,0\n", "row 2 holds"),
    ],
)
def test_labels_that_cannot_be_used(text: str, fragment: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(SourceError, match=fragment):
        read_labels(tmp_path / "labels.csv")


def test_missing_labels_and_photos_are_named(labels: Path) -> None:
    with pytest.raises(SourceError, match="cannot read the labels"):
        read_labels(labels.with_name("none.csv"))
    labels.with_name("1.png").unlink()
    with pytest.raises(SourceError, match=r"1\.png"):
        detected_boxes(read_labels(labels), [Finder()])


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("", "missing: file,x1"),
        ("file,x1,y1,x2,y2,yaw,pitch,roll\n", "missing: rows"),
        ("fil,x1,y1,x2,y2,yaw,pitch,roll\na.jpg,1,2,50,60,1,2,3\n", "missing: file"),
        ("file,x1,y1,x2,y2,yaw,pitch,roll\n,1,2,50,60,1,2,3\n", "row 1 names no file"),
        ("file,x1,y1,x2,y2,yaw,pitch,roll\na\0,1,2,50,60,1,2,3\n", "row 1 names no file|not CSV"),
        ("file,x1,y1,x2,y2,yaw,pitch,roll\na.jpg,1,2,50\n", "row 1"),
        ("x1,y1,x2,y2,yaw,pitch,roll,file\n1,2,50,60,1,2,3\n", "row 1 names no file"),
        ("file,x1,y1,x2,y2,yaw,pitch,roll\na.jpg,1,2,50,60,1,2,3\na.jpg,5,2,5,60,1,2,3\n", "row 2 has the box"),
        ("file,x1,y1,x2,y2,yaw,pitch,roll\na.jpg,1,62,50,60,1,2,3\n", "row 1 has the box"),
        ("file,x1,y1,x2,y2,yaw,pitch,roll\na.jpg,1,2,1e30,60,1,2,3\n", "row 1 has the box"),
        ("file,x1,y1,x2,y2,yaw,pitch,roll\na.jpg,,,,,1,2,3\n", "row 1"),
        ("file,x1,y1,x2,y2,yaw,pitch,roll\na.jpg,1,2,50,60,nan,2,3\n", "not finite"),
        (f"file,x1,y1,x2,y2,yaw,pitch,roll\n{'a' * 140_000},1,2,50,60,1,2,3\n", "not CSV"),
    ],
)
def test_labels_that_cannot_be_are_refused_in_words(tmp_path: Path, content: str, named: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(content)
    with pytest.raises(SourceError, match=named):
        read_labels(path)
    with pytest.raises(SourceError, match=r"labels\.csv"):
        labels_csv.read_labels(path)
