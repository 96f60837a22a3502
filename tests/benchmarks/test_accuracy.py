"""The suite ``accuracy`` on made-up labels, and on the labelled photos where they are."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_model import write_tiny_model

from benchmarks.__main__ import main
from benchmarks.accuracy import COLUMNS, SQUARES
from hpe_edge import PoseEngine


@pytest.fixture
def labels(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Three photos whose labels are the tiny model's own angles, moved by 1, -2 and 3 degrees."""
    engine = PoseEngine(write_tiny_model(tmp_path / "tiny.onnx"))
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i in range(3):
            photo = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((20, 20, 1))).astype(np.uint8)
            cv2.imwrite(str(tmp_path / f"{i}.png"), photo)
            angles = engine(photo, [[20, 30, 90, 100]]).angles[0] + [1, -2, 3]
            writer.writerow([f"{i}.png", 20, 30, 90, 100, *angles])
    return tmp_path / "labels.csv"


def test_errors_are_those_of_the_labels(labels: Path) -> None:
    out = labels.with_name("out.json")
    model = labels.with_name("tiny.onnx")
    assert main(["accuracy", "--model", str(model), "--labels", str(labels), "--json", str(out)]) == 0
    results = json.loads(out.read_text())["results"]
    assert len(results) == 1 + len(SQUARES)
    own = results[0]["figures"]
    assert [own[f"{a}_mae_deg"] for a in ("yaw", "pitch", "roll")] == pytest.approx([1, 2, 3], abs=1e-3)
    assert own["mean_mae_deg"] == pytest.approx(2, abs=1e-3)
    # The tiny model's own crop is the square of 1.2 times the box.
    (same,) = (r["figures"] for r in results if r["parameters"]["crop"] == "square of 1.2 times the box")
    assert same == own
    assert results[1]["figures"]["mean_mae_deg"] != own["mean_mae_deg"]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "must have rows"),
        ("file,x1\n0.png,1\n", "missing: y1"),
        (",".join(COLUMNS) + "\n0.png,1,2,3,x,5,6,7\n", "must be numbers"),
        (",".join(COLUMNS) + "\nnone.png,1,2,3,4,5,6,7\n", "cannot read the photo"),
    ],
)
def test_bad_labels(labels: Path, text: str, fragment: str, capsys: pytest.CaptureFixture[str]) -> None:
    labels.write_text(text)
    assert main(["accuracy", "--model", str(labels.with_name("tiny.onnx")), "--labels", str(labels)]) == 1
    assert fragment in capsys.readouterr().err
    assert main(["accuracy", "--model", str(labels.with_name("tiny.onnx")), "--labels", str(labels) + "x"]) == 1
