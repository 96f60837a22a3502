"""export.deepstream: the files, their settings, refusals, and the command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from configparser import ConfigParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from tiny_model import tiny_spec, write_tiny_model

from export import deepstream, fp16
from export.gate.comparison import GateFailed, Limits
from export.graph.weighted_layers import head_nodes
from hpe_edge import InputError, ModelError, ModelNotFoundError, OutputError, PoseEngine
from hpe_edge.cli.main import main
from hpe_edge.models import DEFAULT
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.spec import Crop, ModelSpec

ROOT = Path(__file__).resolve().parents[2]
FILES = {f"head_pose{end}" for end in (".onnx", ".spec.json", ".txt", ".json", "_probe.py", "_app.py")}
FILES |= {"parser/CMakeLists.txt", "parser/head_pose_parser.cpp"}


def config(folder: Path) -> dict[str, str]:
    """The keys as nvinfer reads them, by GLib's rules: no comment may follow a value."""
    parser = ConfigParser(inline_comment_prefixes=None, interpolation=None)
    parser.read_string((folder / "head_pose.txt").read_text())
    assert parser.sections() == ["property"]
    return dict(parser["property"])


def test_the_folder_is_whole(folder: Path) -> None:
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == FILES
    for name in ("head_pose_probe.py", "parser/head_pose_parser.cpp"):
        assert (folder / name).read_bytes() == (ROOT / "export/deepstream/files" / name).read_bytes()


def test_nvinfer_is_told_what_the_model_takes(folder: Path) -> None:
    keys = config(folder)
    spec = ModelSpec.from_json((folder / "head_pose.spec.json").read_text())
    graph = onnx.load(folder / "head_pose.onnx").graph
    shape = [each.dim_value for each in graph.input[0].type.tensor_type.shape.dim[1:]]
    assert [int(each) for each in keys["infer-dims"].split(";")] == shape == [3, 112, 112]
    assert (keys["process-mode"], keys["network-type"], keys["output-tensor-meta"]) == ("2", "100", "1")
    assert (keys["net-scale-factor"], keys["offsets"]) == ("1", "0;0;0")  # the graph normalises
    assert keys["model-color-format"] == "0" and spec.input.color == "RGB"
    assert (keys["maintain-aspect-ratio"], keys["symmetric-padding"], keys["network-mode"]) == ("1", "1", "0")
    assert (folder / keys["onnx-file"]).is_file() and keys["model-engine-file"].startswith(keys["onnx-file"])
    settings = json.loads((folder / "head_pose.json").read_text())
    assert (
        str(settings["gie_id"]) == keys["gie-unique-id"] and str(settings["detector_id"]) == keys["operate-on-gie-id"]
    )


def test_settings_reach_both_sides(tmp_path: Path) -> None:
    crop = Crop(margins=(0.1, 0.2, 0.3, 0.4), square="none")
    spec = replace(tiny_spec(size=32), crop=crop)
    spec = replace(spec, input=replace(spec.input, color="BGR"))
    model = write_tiny_model(tmp_path / "tiny.onnx", size=32, spec=spec)
    written = deepstream.export(
        model, output=tmp_path / "out", face_class=2, max_batch=5, gie_id=7, detector_id=3, boxes_from="haar"
    )
    keys, settings = config(written.path), json.loads((written.path / "head_pose.json").read_text())
    assert keys["model-color-format"] == "1" and keys["batch-size"] == "5" and "_b5_" in keys["model-engine-file"]
    assert (keys["gie-unique-id"], keys["operate-on-gie-id"], keys["operate-on-class-ids"]) == ("7", "3", "2")
    assert keys["maintain-aspect-ratio"] == "0"  # the model's own crop is stretched
    assert (settings["gie_id"], settings["detector_id"], settings["face_class"]) == (7, 3, 2)
    assert settings["margins"] == [0.1, 0.2, 0.3, 0.4] and settings["square"] == "none"
    assert settings["fit"] == [0.863, 0.825, 0.146] and settings["sigma_limit_deg"] is None


def test_a_crop_that_is_cut_at_the_frame_is_stretched(tmp_path: Path) -> None:
    spec = replace(tiny_spec(), crop=Crop(clip=True))
    written = deepstream.export(write_tiny_model(tmp_path / "tiny.onnx", spec=spec), output=tmp_path / "out")
    assert config(written.path)["maintain-aspect-ratio"] == "0"


def test_the_variant_is_a_model_of_its_own(folder: Path) -> None:
    """PoseEngine runs it as it runs the original, turned faces included."""
    import cv2

    name, *numbers = BOXES.read_text().splitlines()[1].split(",")
    frame = cv2.rotate(cv2.imread(str(FOLDER / name)), cv2.ROTATE_90_CLOCKWISE)
    box = np.array([numbers[:4]], np.float32)
    side = frame.shape[1]
    turned = np.array([[side - box[0, 3], box[0, 0], side - box[0, 1], box[0, 2]]], np.float32)
    with PoseEngine(folder / "head_pose.onnx") as variant, PoseEngine() as original:
        np.testing.assert_allclose(variant(frame, turned).rotation, original(frame, turned).rotation, atol=1e-5)
        assert np.isnan(variant(frame, turned).sigma).all()


def test_fp16_keeps_head_and_decode(tmp_path: Path) -> None:
    half = fp16.convert(output=tmp_path / "half.onnx")
    written = deepstream.export(half.path, output=tmp_path / "out")
    keys = config(written.path)
    kept = [entry.split(":") for entry in keys["layer-device-precision"].split(";")]
    assert keys["network-mode"] == "2" and {tuple(rest) for _, *rest in kept} == {("fp32", "gpu")}
    names = {name for name, *_ in kept}
    graph = onnx.load(written.path / "head_pose.onnx")
    assert names <= {node.name for node in graph.graph.node}
    assert {node.name for node in head_nodes(onnx.load(half.path)) if node.name} <= names
    assert written.gate.limits.worst_deg == pytest.approx(0.3)


def test_int8_needs_an_engine_built_before(tmp_path: Path) -> None:
    spec = replace(tiny_spec(), exported_precision="int8")
    written = deepstream.export(write_tiny_model(tmp_path / "tiny.onnx", spec=spec), output=tmp_path / "out")
    keys = config(written.path)
    text = (written.path / "head_pose.txt").read_text()
    assert keys["network-mode"] == "1" and "int8-calib-file" not in keys
    assert "#   trtexec --onnx=head_pose.onnx --minShapes=crop_levels:1x3x64x64" in text
    assert f"--saveEngine={keys['model-engine-file']}" in text


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        ({"max_batch": 0}, "--max-batch must be 1 to 1024 faces, got 0"),
        ({"gie_id": 1}, "two numbers above 0, got 1 and 1"),
        ({"face_class": -1}, "--face-class must be 0 or more, got -1"),
        ({"boxes_from": "nobody"}, "no fit is known"),
        ({"boxes": "boxes.csv"}, "--boxes needs --images"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path: Path, options: dict[str, Any], fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        deepstream.export(output=tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


def test_unusable_models_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(ModelNotFoundError, match="no model"):
        deepstream.export(tmp_path / "none.onnx", output=out)
    with pytest.raises(InputError, match=r"fixed batch of 4.*without --batch"):
        deepstream.export(write_tiny_model(tmp_path / "fixed.onnx", batch=4), output=out)
    with pytest.raises(ModelError, match="no hpe_edge spec"):
        deepstream.export(write_tiny_model(tmp_path / "bare.onnx", spec=None), output=out)
    with pytest.raises(InputError, match="take the ONNX file"):
        deepstream.export(tmp_path / "model.engine", output=out)
    (tmp_path / "cut.onnx").write_bytes(DEFAULT.read_bytes()[:5000])
    with pytest.raises(ModelError):
        deepstream.export(tmp_path / "cut.onnx", output=out)
    assert not out.exists() and not list(tmp_path.glob(".*"))


def test_an_existing_folder_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        deepstream.export(output=tmp_path / "out")
    assert (tmp_path / "out" / "mine").read_text() == "mine"


def test_a_failed_gate_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(GateFailed, match="deepstream with onnx"):
        deepstream.export(output=tmp_path / "out", limits=Limits(worst_deg=1e-9))
    assert list(tmp_path.iterdir()) == []


def test_a_killed_export_leaves_no_folder_of_that_name(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "export.deepstream", "-o", str(tmp_path / "out")]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    for line in process.stdout:  # the graph is made; the gate is at work
        if line.startswith("graph"):
            break
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "out").exists()
    with contextlib.suppress(FileNotFoundError):
        assert all(name.name.startswith(".") for name in tmp_path.iterdir())


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_tiny_model(tmp_path / "tiny.onnx")
    arguments = ["export", "deepstream", str(model), "-o", str(tmp_path / "out"), "--boxes-from", "scrfd"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "not run on DeepStream" in printed and "head_pose_app.py" in printed
    assert main([*arguments, "--worst-deg", "1e-12"]) != 0


def test_the_module_runs_without_loading_onnx_for_its_help() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import export.deepstream, sys; print('onnx' in sys.modules, 'torch' in sys.modules)"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["False", "False"]
