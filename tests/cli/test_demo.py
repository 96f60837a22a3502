"""hpe-edge demo: the pose of the bundled face, the picture, and the export of the embedded model once more."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from hpe_edge.cli import demo
from hpe_edge.cli.main import main
from hpe_edge.samples import FOLDER

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
HAS_EXPORT = all(find_spec(name) is not None for name in ("torch", "onnx", "onnxsim"))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)


def pretend_export(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str) -> None:
    """A program in Python's place, which is started as the export would be."""
    monkeypatch.setattr(demo, "find_spec", lambda name: True)
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def angle(said: str, name: str) -> tuple[float, float]:
    found = re.search(rf"^{name} +(-?[\d.]+) degrees, sigma ([\d.]+)", said, re.MULTILINE)
    assert found is not None
    return float(found[1]), float(found[2])


def test_the_pose_and_the_picture(without_export: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("model       the embedded default, student-dense")
    for name, largest in (("yaw", 10), ("pitch", 20), ("roll", 10)):  # she looks into the camera
        value, sigma = angle(said, name)
        assert abs(value) < largest and 0.5 < sigma < 15
        np.testing.assert_allclose((value, sigma), angle(README, name), atol=0.11)
    assert re.search(
        r"^time +[\d.]+ ms from picture and box to pose; median of 200 calls, 1 thread$", said, re.MULTILINE
    )
    assert "\nwritten     demo.jpg\n" in said
    drawn, photo = cv2.imread("demo.jpg"), cv2.imread(str(FOLDER / "astronaut.jpg"))
    changed = (np.abs(drawn.astype(int) - photo).max(axis=2) > 60).nonzero()
    assert drawn.shape == photo.shape
    # On the face and the label above it, and nowhere else.
    assert changed[0].min() > 30 and changed[0].max() < 220 and changed[1].min() > 150 and changed[1].max() < 320


def test_without_the_export_packages_it_says_what_was_not_run(
    without_export: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["demo", "-o", "face.png"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "not run the model's export from its trained weights: it needs torch, onnx, onnxsim;" in said
    assert "pip install -c constraints.txt '.[demo]'" in said
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]


def test_a_picture_that_was_there_is_replaced_and_it_is_said(
    without_export: None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo"]) == 0
    assert "in place of" not in capsys.readouterr().out
    assert main(["demo"]) == 0
    assert "written     demo.jpg, in place of the file that was there" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [("face.gif", 2, "an annotated picture needs one of"), ("gone/face.jpg", 1, "make the folder first")],
)
def test_a_place_that_cannot_be_written(
    name: str, status: int, message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["demo", "-o", name]) == status
    said = capsys.readouterr()
    assert message in said.err and said.out == ""
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("exit 1", 1), ("kill -9 $$", 1)])
def test_a_failed_export_is_the_demos_status(
    script: str, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_export(monkeypatch, tmp_path, f"echo 'gate        failed'; {script}")
    assert main(["demo"]) == status
    said = capsys.readouterr().out
    assert "gate        failed\n" in said and "the same" not in said


def test_only_the_report_of_the_export_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend_export(
        monkeypatch,
        tmp_path,
        f"echo 'gate        passed'; echo 'written     {demo.DEFAULT.name}'; echo 'next        run it'; "
        f'cp {demo.DEFAULT} $5 && test "$3" = {demo.WEIGHTS}',
    )
    assert main(["demo"]) == 0
    said = capsys.readouterr().out
    assert "gate        passed\n" in said and "run it" not in said and said.count("\nwritten ") == 1
    assert "this file and the embedded one differ by 0.00000 degrees" in said


@pytest.mark.skipif(not HAS_EXPORT, reason="needs the packages of the extra demo")
def test_the_model_is_exported_again_and_passes_its_gate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["demo"]) == 0
    said = capsys.readouterr().out
    assert "recognised" in said and "onnx with pytorch" in said and "passed (limit: worst 1" in said
    found = re.search(r"differ by ([\d.]+) degrees", said)
    assert found is not None and float(found[1]) < 0.001
    assert [path.name for path in tmp_path.iterdir()] == ["demo.jpg"]
