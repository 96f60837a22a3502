"""OpenVINO IR models: adopted, run, and named where they cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from export.onnx import main
from hpe_edge import PoseEngine
from hpe_edge.errors import InputError, ModelError
from hpe_edge.models import DEFAULT
from hpe_edge.samples import PHOTO, read_photo

ov = pytest.importorskip("openvino", reason="IR models need openvino")

BOX = [[181, 88, 269, 178]]
assert PHOTO.name == "astronaut.jpg"


def run(capsys, *argv: object) -> tuple[int, str, str]:
    status = main([str(arg) for arg in argv])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.fixture
def ir(tmp_path: Path) -> Path:
    """The embedded model as Intel's converter writes one: without our spec."""
    path = tmp_path / "theirs.xml"
    ov.save_model(ov.Core().read_model(str(DEFAULT)), str(path), compress_to_fp16=False)
    text = path.read_text()
    start, end = text.index("<framework>"), text.index("</framework>") + len("</framework>")
    path.write_text(text[:start] + text[end:])
    return path


@pytest.mark.parametrize("channels_last", [False, True])
def test_an_adopted_ir_gives_the_same_poses(capsys, tmp_path, ir, channels_last):
    if channels_last:
        steps = ov.preprocess.PrePostProcessor(ov.Core().read_model(str(ir)))
        steps.input().tensor().set_layout(ov.Layout("NHWC"))
        steps.input().model().set_layout(ov.Layout("NCHW"))
        ir = ir.with_name("last.xml")
        ov.save_model(steps.build(), str(ir), compress_to_fp16=False)
    ours = tmp_path / "ours.xml"
    status, said, errors = run(capsys, "--adopt", ir, "--arch", "student-v2", "-o", ours)
    assert status == 0, errors
    assert "the answers follow turned heads" in said
    frame = read_photo()
    with PoseEngine(threads=1) as onnx, PoseEngine(ours, threads=1) as engine:
        assert np.abs(engine(frame, BOX).angles - onnx(frame, BOX).angles).max() < 0.05
        assert engine.spec.gate is not None
    with pytest.raises(InputError, match="runs with 'openvino'"):
        PoseEngine(ours, backend="onnxruntime")


def test_an_ir_without_a_spec_or_its_weights_is_named(capsys, tmp_path, ir):
    with pytest.raises(ModelError, match=r"has no hpe_edge spec.*--adopt"):
        PoseEngine(ir)
    status, _, errors = run(capsys, "--adopt", ir, "--arch", "hopenet", "-o", tmp_path / "x.xml")
    assert (status, "is it of that family" in errors) == (1, True)
    status, _, errors = run(capsys, "--adopt", ir, "--arch", "student-v2", "-o", tmp_path / "x.onnx")
    assert (status, "ends in .xml" in errors) == (2, True)
    ir.with_suffix(".bin").unlink()
    status, _, errors = run(capsys, "--adopt", ir, "--arch", "student-v2", "-o", tmp_path / "x.xml")
    assert (status, "cannot be read by OpenVINO" in errors) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["theirs.xml"]


def test_an_ir_read_by_a_spec_of_ones_own(capsys, tmp_path, ir):
    """With yaw's and roll's bins exchanged it is refused, and nothing is left."""
    status, text, errors = run(capsys, "--adopt", DEFAULT, "--template", "--arch", "student-v2")
    assert status == 0, errors
    spec = json.loads(text)
    (tmp_path / "spec.json").write_text(text)
    status, _, errors = run(capsys, "--adopt", ir, "--spec", tmp_path / "spec.json", "-o", tmp_path / "x.xml")
    assert status == 0, errors
    heads = spec["decode"]
    heads["yaw"]["column"], heads["roll"]["column"] = heads["roll"]["column"], heads["yaw"]["column"]
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    status, _, errors = run(capsys, "--adopt", ir, "--spec", tmp_path / "spec.json", "-o", tmp_path / "y.xml")
    assert status == 3
    assert "with roll, pitch, yaw where yaw, pitch, roll are read" in errors
    assert not (tmp_path / "y.xml").exists() and not (tmp_path / "y.bin").exists()
