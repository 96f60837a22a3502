"""The command fit-boxes: from a CSV and photos to a file that run and the engine take."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_helpers import SAMPLES
from media import write_picture

from hpe_edge.boxes.box_fit import FITS, BoxFit, box_fit
from hpe_edge.cli.main import main
from hpe_edge.faces.detector import DEFAULT_DETECTOR
from hpe_edge.faces.open_detector import open_detector

Rows = list[tuple[str, list[float]]]
FIT = BoxFit(width=1.2, height=0.8, down=0.1)


def write_boxes(path: Path, rows: Rows, header: str = "file,x1,y1,x2,y2") -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows([name, *box] for name, box in rows)


def around(landmark: list[float]) -> list[float]:
    x1, y1, x2, y2 = landmark
    width, height = (x2 - x1) / FIT.width, (y2 - y1) / FIT.height
    x, y = (x1 + x2) / 2, (y1 + y2) / 2 - FIT.down * height
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


@pytest.fixture
def landmarks(tmp_path: Path, rng: np.random.Generator) -> Rows:
    """Pictures in the folder ``many`` with the files ``landmarks.csv`` and ``boxes.csv`` of their faces."""
    (tmp_path / "many").mkdir()
    rows = []
    for i in range(35):
        write_picture(tmp_path / "many" / f"{i}.png", seed=i)
        x, y, side = rng.uniform(0, 20), rng.uniform(0, 10), rng.uniform(20, 30)
        rows.append((f"{i}.png", [x, y, x + side, y + side]))
    write_boxes(tmp_path / "landmarks.csv", rows)
    write_boxes(tmp_path / "boxes.csv", [(name, around(box)) for name, box in rows])
    return rows


def test_a_known_fit_goes_to_a_file_that_the_engine_takes(landmarks: Rows, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit-boxes", "boxes.csv", "many", "--landmarks", "landmarks.csv", "-o", "mine.json"]) == 0
    said = capsys.readouterr()
    fit = box_fit("mine.json")
    np.testing.assert_allclose([fit.width, fit.height, fit.down], [FIT.width, FIT.height, FIT.down], atol=0.01)
    assert "35, of 35 boxes" in said.out and "width      1.200, quartiles" in said.out and said.err == ""
    assert "--boxes-from mine.json" in said.out and 'boxes_from="mine.json"' in said.out


def test_without_a_file_the_fit_is_printed(landmarks: Rows, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit-boxes", "boxes.csv", "many", "--landmarks", "landmarks.csv"]) == 0
    assert "BoxFit(width=1.2, height=0.8, down=0.1)" in capsys.readouterr().out
    assert not Path("mine.json").exists()


def test_the_default_reference_is_a_detector(capsys: pytest.CaptureFixture[str]) -> None:
    """Its own boxes in two photos, against itself: those of landmarks, and a warning, as two faces are few."""
    detector = open_detector(DEFAULT_DETECTOR)
    names = ("astronaut.jpg", "grace_hopper.jpg")
    found = {name: detector(cv2.imread(str(SAMPLES / name))).drawn for name in names}
    write_boxes(Path("own.csv"), [(name, box) for name, boxes in found.items() for box in boxes.tolist()])
    assert main(["fit-boxes", "own.csv", str(SAMPLES), "-o", "own.json"]) == 0
    fit, known = box_fit("own.json"), FITS["landmarks"].fit
    np.testing.assert_allclose([fit.width, fit.height, fit.down], [known.width, known.height, known.down], atol=1e-3)
    assert "warning: only 2 faces" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("header", "change", "status", "message"),
    [
        ("file,x1,y1,x2", lambda name, box: (name, box[:3]), 1, "no column y2"),
        ("name,x1,y1,x2,y2", lambda name, box: (name, box), 1, "column file"),
        ("file,x1,y1,x2,y2", lambda name, box: (name, [each / 100 for each in box]), 2, "fractions"),
        ("file,x1,y1,x2,y2", lambda name, box: (name, [40, 30, 20, 20]), 1, "not x y width height"),
        ("file,x1,y1,x2,y2", lambda name, box: (f"other-{name}", box), 1, "belongs to many"),
    ],
)
def test_wrong_boxes_are_explained(
    landmarks: Rows, capsys: pytest.CaptureFixture[str], header: str, change, status: int, message: str
) -> None:
    write_boxes(Path("boxes.csv"), [change(name, around(box)) for name, box in landmarks], header)
    given = ["fit-boxes", "boxes.csv", "many", "--landmarks", "landmarks.csv", "-o", "mine.json"]
    assert main(given) == status
    assert message in capsys.readouterr().err
    assert not Path("mine.json").exists()


def test_a_box_of_no_picture_is_told(landmarks: Rows, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [(name, around(box)) for name, box in landmarks]
    write_boxes(Path("boxes.csv"), [*rows, ("gone.png", [1, 2, 3, 4])])
    assert main(["fit-boxes", "boxes.csv", "many", "--landmarks", "landmarks.csv"]) == 0
    assert "1 box of boxes.csv" in capsys.readouterr().err


def test_one_reference_only(landmarks: Rows) -> None:
    given = ["fit-boxes", "boxes.csv", "many", "--landmarks", "landmarks.csv", "--detector", "yunet"]
    assert main(given) == 2
