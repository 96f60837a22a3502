"""Step browser: the gate on ONNX Runtime Web in Node, and the folder that it writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from grid_model import write_grid_model
from tiny_model import write_tiny_model

from export.browser import export, main
from export.gate.comparison import GateFailed, Limits
from hpe_edge import HpeEdgeError, ModelError, ModelNotFoundError, OutputError
from hpe_edge.models import DEFAULT, FACE_DETECTOR
from hpe_edge.samples import BOXES, FOLDER

pytestmark = pytest.mark.usefixtures("runtime")


def test_the_embedded_model(tmp_path: Path, detector_file: Path) -> None:
    written = export(output=tmp_path / "page", detector=detector_file)
    assert written.gate.passed and 0 < written.gate.result().worst_deg < 0.001
    assert (written.path / "models" / DEFAULT.name).read_bytes() == DEFAULT.read_bytes()
    assert json.loads((written.path / "models" / "models.json").read_text())["detector"] == detector_file.name
    assert written.size_bytes == sum(each.stat().st_size for each in written.path.rglob("*") if each.is_file())
    assert any(line.startswith("runtime: onnxruntime-web") for line in written.notes)


@pytest.mark.parametrize("batch", [1, 5])
def test_models_of_a_fixed_batch(tmp_path: Path, batch: int) -> None:
    path = write_tiny_model(tmp_path / "a.onnx", batch=batch)
    written = export(path, output=tmp_path / "page")
    assert written.gate.passed
    assert json.loads((written.path / "models" / "models.json").read_text())["detector"] == FACE_DETECTOR.name
    assert (written.path / "models" / FACE_DETECTOR.name).read_bytes() == FACE_DETECTOR.read_bytes()


def test_a_model_in_int8(tmp_path: Path) -> None:
    from export.int8 import quantize

    loose = Limits(mean_deg=90, p99_deg=90, p999_deg=90, worst_deg=180)
    quantized = quantize(DEFAULT, output=tmp_path / "int8.onnx", calibration_images=FOLDER, boxes=BOXES, limits=loose)
    written = export(quantized.path, output=tmp_path / "page")
    assert written.gate.passed and written.spec.precision == "int8"


def test_angles_that_differ_leave_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from export.browser.node import NodeSession

    run = NodeSession.run
    monkeypatch.setattr(
        NodeSession, "run", lambda self, *given: [np.roll(each, 1, axis=1) for each in run(self, *given)]
    )
    with pytest.raises(GateFailed):
        export(output=tmp_path / "page")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_use_is_refused_before_the_gate(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    lines: list[str] = []
    with pytest.raises(OutputError, match="is not empty"):
        export(output=tmp_path, report=lambda stage, said: lines.append(stage))
    assert "faces" not in lines and [each.name for each in tmp_path.iterdir()] == ["x"]


def copied(path: Path, to: Path) -> Path:
    to.parent.mkdir()
    return Path(shutil.copy(path, to))


def test_what_cannot_be_used(tmp_path: Path) -> None:
    scrfd = write_grid_model(tmp_path / "scrfd.onnx", (1, 4, 10), 2, size_hw=None)
    full = tmp_path / "full"
    full.mkdir()
    (full / "x").write_text("x")
    for given, kind, says in (
        ({"detector": scrfd}, ModelError, "the only kind that the page runs"),
        ({"detector": tmp_path / "none.onnx"}, ModelNotFoundError, "none.onnx"),
        ({"detector": "face-detector"}, ModelNotFoundError, "no file face-detector"),
        ({"detector": copied(scrfd, tmp_path / "other" / DEFAULT.name)}, ModelError, "both called"),
        ({"model": tmp_path / "none.onnx"}, HpeEdgeError, "none.onnx"),
        ({"model": write_tiny_model(tmp_path / "bare.onnx", spec=None)}, ModelError, "spec"),
        ({"output": full}, HpeEdgeError, "full"),
    ):
        with pytest.raises(kind, match=says):
            export(**{"output": tmp_path / "page", **given})  # type: ignore[arg-type]
    assert not (tmp_path / "page").exists()


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(DEFAULT), "-o", str(tmp_path / "page")]) == 0
    assert "http://localhost:8000/page/" in capsys.readouterr().out
    assert main([str(DEFAULT), "-o", str(tmp_path / "other"), "--worst-deg", "1e-9"]) == 3
    assert not (tmp_path / "other").exists()
    assert main([str(tmp_path / "none.onnx"), "-o", str(tmp_path / "other")]) == 1
