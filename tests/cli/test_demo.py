"""hpe-edge demo: the pose of the bundled face, the picture, and the export of the embedded model once more."""

from __future__ import annotations

import re
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from hpe_edge import PoseEngine
from hpe_edge.cli import demo
from hpe_edge.cli.main import main
from hpe_edge.errors import HpeEdgeError, ModelError
from hpe_edge.models import DEFAULT, WEIGHTS
from hpe_edge.samples import FOLDER

HAS_EXPORT = all(find_spec(name) is not None for name in ("torch", "onnx", "onnxsim"))


@pytest.fixture
def without_export(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "find_spec", lambda name: None)


@dataclass(frozen=True)
class Exported:
    path: Path


def mock_export(monkeypatch: pytest.MonkeyPatch, export: Callable[..., Exported]) -> None:
    """Put a function in the place of export.onnx.export."""
    monkeypatch.setattr(demo, "find_spec", lambda name: True)
    monkeypatch.setattr(demo, "load_step", lambda step: SimpleNamespace(export=export))


def angle(printed: str, name: str) -> tuple[float, float]:
    found = re.search(rf"^{name} +(-?[\d.]+) degrees, sigma ([\d.]+)", printed, re.MULTILINE)
    assert found is not None
    return float(found[1]), float(found[2])


def test_the_pose_and_the_picture(without_export: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    assert "student-v2" in printed
    for name, largest in (("yaw", 10), ("pitch", 20), ("roll", 10)):  # she looks into the camera
        value, sigma = angle(printed, name)
        assert abs(value) < largest and 0.5 < sigma < 15
    drawn, photo = cv2.imread("demo.jpg"), cv2.imread(str(FOLDER / "astronaut.jpg"))
    changed = (np.abs(drawn.astype(int) - photo).max(axis=2) > 60).nonzero()
    assert drawn.shape == photo.shape
    # On the face and the label above it, and nowhere else.
    assert changed[0].min() > 30 and changed[0].max() < 220 and changed[1].min() > 150 and changed[1].max() < 320


def test_the_angles_are_those_of_the_engine_in_python(without_export: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    (pose,) = PoseEngine()(cv2.imread(str(FOLDER / "astronaut.jpg")))
    for name in ("yaw", "pitch", "roll"):
        assert angle(printed, name)[0] == pytest.approx(getattr(pose, name), abs=0.051)


def test_without_the_export_packages_the_command_is_named(
    without_export: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["demo", "-o", "face.png"]) == 0
    printed = capsys.readouterr().out
    assert "torch, onnx, onnxsim" in printed and "pip install" in printed and "hpe-edge[demo]" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["face.png"]


def test_a_picture_that_was_there_is_replaced(without_export: None, tmp_path: Path) -> None:
    (tmp_path / "demo.jpg").write_text("another file")
    assert main(["demo"]) == 0
    assert cv2.imread("demo.jpg") is not None


@pytest.mark.parametrize(("name", "status"), [("face.gif", 2), ("gone/face.jpg", 1)])
def test_outputs_that_cannot_be_written(
    name: str, status: int, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["demo", "-o", name]) == status
    printed = capsys.readouterr()
    assert Path(name).parent.name in printed.err and printed.out == ""
    assert not list(tmp_path.iterdir())


class GateFailed(HpeEdgeError):
    exit_status = 3


@pytest.mark.parametrize(
    ("error", "status"),
    [(GateFailed("too far"), 3), (ModelError("no model"), 1), (KeyboardInterrupt(signal.SIGTERM), 143)],
)
def test_a_failed_export_is_the_demos_status(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def export(*arguments: object, **options: object) -> Exported:
        raise error

    mock_export(monkeypatch, export)
    assert main(["demo"]) == status
    assert [path.name for path in tmp_path.iterdir()] == ["demo.jpg"]


def test_the_report_of_the_export_is_shown_and_its_model_compared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def export(checkpoint: Path, *, output: Path, report: Callable[[str, Sequence[str]], None]) -> Exported:
        assert checkpoint == WEIGHTS and not output.exists()
        report("gate", ["passed", "second line"])
        return Exported(shutil.copy(DEFAULT, output))

    mock_export(monkeypatch, export)
    assert main(["demo"]) == 0
    printed = capsys.readouterr().out
    assert "\ngate        passed\n            second line\n" in printed and "0.0000" in printed


@pytest.mark.skipif(not HAS_EXPORT, reason="needs the packages of the extra demo")
def test_the_model_is_exported_again_and_passes_its_gate(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["demo"]) == 0
    found = re.search(r"differ by ([\d.]+) degrees", capsys.readouterr().out)
    assert found is not None and float(found[1]) < 0.001
    assert [path.name for path in tmp_path.iterdir()] == ["demo.jpg"]
