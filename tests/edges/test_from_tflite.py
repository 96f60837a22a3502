"""TensorFlow Lite files as models: written from ONNX here, converted back by tf2onnx, with the same angles."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from python_of import PythonOf

from export.adoption.from_tflite import onnx_of_tflite
from export.edge import export as export_edge
from export.edge.targets import Target
from export.edge.worker_process import Job, Pass
from export.onnx import adopt, main
from hpe_edge import PoseEngine
from hpe_edge.errors import BackendError, InputError, ModelError
from hpe_edge.models import DEFAULT
from hpe_edge.samples import read_photo

VARIABLE = "HPE_EDGE_TF2ONNX_PYTHON"


@pytest.fixture(scope="module")
def converter() -> Path:
    """The Python with tf2onnx and TensorFlow, whose packages do not fit the project's."""
    if not os.environ.get(VARIABLE):
        pytest.skip(f"needs tf2onnx and TensorFlow: {VARIABLE} names the Python of their environment")
    return Path(os.environ[VARIABLE])


@pytest.fixture(scope="module")
def student(python_of: PythonOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tflite") / "student.tflite"
    export_edge(DEFAULT, to="tflite", output=path, python=python_of("tflite"))
    return path


def test_the_angles_of_a_file_come_back(converter: Path, student: Path, tmp_path: Path) -> None:
    written = adopt(student, arch="student-v2", python=converter, output=tmp_path / "back.onnx")
    assert written.spec.origin.checkpoint == "student.tflite"
    photo = read_photo()
    boxes = [[181.0, 88.0, 269.0, 178.0], [186.0, 92.0, 266.0, 176.0]]
    with PoseEngine(written.path) as back, PoseEngine() as first:
        assert np.abs(back(photo, boxes).angles - first(photo, boxes).angles).max() < 0.01


class Converted:
    """In place of the converter's process: a graph of one Clip as tf2onnx leaves it, and TensorFlow's answers."""

    wrong_by = 0.0
    operator = "TFL_RELU_0_TO_1"

    def __init__(self, target: Target, python: Path | None, folder: Path, operators: frozenset[str]) -> None:
        self.folder = folder

    def run(self, job: Job, doing: str) -> dict[str, Any]:
        if not job.convert:
            return {}
        graph = helper.make_graph(
            [helper.make_node(self.operator, ["picture"], ["clipped"])],
            "g",
            [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 4, 4, 3])],
            [helper.make_tensor_value_info("clipped", TensorProto.FLOAT, [1, 4, 4, 3])],
        )
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), self.folder / "model.onnx")
        return {"tools": {"tf2onnx": "1.17.0"}}

    def answers(self, each: Pass) -> list[np.ndarray]:
        return [np.clip(np.load(self.folder / each.crops), 0, 1) + np.float32(self.wrong_by)]


@pytest.fixture
def tflite(tmp_path: Path) -> Path:
    path = tmp_path / "x.tflite"
    path.write_bytes(b"\x1c\0\0\0TFL3" + bytes(40))
    return path


def convert(path: Path, monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    monkeypatch.setattr("export.adoption.from_tflite.WorkerProcess", type("Changed", (Converted,), changes))
    onnx_of_tflite(path, None, path.parent)


def test_an_operator_that_the_converter_leaves_is_made_a_clip(tflite, monkeypatch):
    convert(tflite, monkeypatch)
    assert [node.op_type for node in onnx.load(tflite.with_name("model.onnx")).graph.node] == ["Clip"]


def test_another_one_is_named(tflite, monkeypatch):
    with pytest.raises(ModelError, match="tf2onnx cannot convert TFL_SOMETHING"):
        convert(tflite, monkeypatch, operator="TFL_SOMETHING")


def test_answers_that_differ_are_refused(tflite, monkeypatch):
    convert(tflite, monkeypatch, wrong_by=5e-5)
    with pytest.raises(ModelError, match="answers differently, by 2e-04"):
        convert(tflite, monkeypatch, wrong_by=2e-4)


@pytest.mark.skipif(importlib.util.find_spec("tf2onnx") is not None, reason="this Python has the converter")
def test_a_missing_converter_is_named_with_its_command(tflite):
    with pytest.raises(BackendError, match=r"x\.tflite for ONNX needs tf2onnx and .*pip install tf2onnx tensorflow"):
        adopt(tflite, arch="lightweight", output=tflite.with_name("out.onnx"))


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"python": sys.executable}, InputError, "does not show which network it is"),
        ({"arch": "lightweight", "python": "/nowhere/python"}, InputError, "must be the Python of an environment"),
    ],
)
def test_what_is_asked_amiss(tflite, options, kind, message):
    with pytest.raises(kind, match=message):
        adopt(tflite, output=tflite.with_name("out.onnx"), **options)


def test_python_is_for_tensorflow_lite_alone(capsys, tmp_path):
    with pytest.raises(InputError, match="converts a TensorFlow Lite model, and this is none"):
        adopt(DEFAULT, arch="lightweight", python=sys.executable, output=tmp_path / "out.onnx")
    assert main(["x.pth", "--python", sys.executable]) == 2
    assert "--python applies to a TensorFlow Lite model" in capsys.readouterr().err
