"""Real converters and runtimes: the files under their names give the ONNX file's answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from odd_model import write_odd_model
from onnx import TensorProto, helper, numpy_helper
from python_of import PythonOf
from tiny_model import tiny_spec

from export.edge import export
from export.edge.targets import TARGETS, find_target
from export.edge.worker_process import Job, Pass, WorkerProcess
from export.gate.comparison import GateFailed, Limits
from hpe_edge.errors import ModelError
from hpe_edge.models import DEFAULT
from hpe_edge.spec import METADATA_KEY, AngleHead, AnglesDecode, ModelSpec, to_plain

CASES = [
    ("ncnn", False),
    ("ncnn", True),
    ("mnn", False),
    ("mnn", True),
    ("openvino-ir", False),
    ("openvino-ir", True),
    ("tflite", False),
    ("rknn", False),
]
LOGIT_TOLERANCE = {"fp32": 1e-4, "fp16": 0.05}  # of logits up to 10; 11 bits of 10 are 0.005, summed over the layers

# An operator that ONNX Runtime has, and the converter not.
REFUSED = {
    "ncnn": ("Hardmax", "", {}),
    "mnn": ("Hardmax", "", {}),
    "openvino-ir": ("Scaler", "ai.onnx.ml", {"offset": [0.0] * 3, "scale": [1.0] * 3}),
    "tflite": ("Scaler", "ai.onnx.ml", {"offset": [0.0] * 3, "scale": [1.0] * 3}),
    "rknn": ("Celu", "", {}),
}


def onnx_logits(crops: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(DEFAULT), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {"image": crops})[0]


def embedded_spec() -> ModelSpec:
    model = onnx.load(str(DEFAULT))
    return ModelSpec.from_json(next(each.value for each in model.metadata_props if each.key == METADATA_KEY))


@pytest.mark.parametrize(("to", "fp16"), CASES)
def test_file_answers_as_the_onnx_file(to: str, fp16: bool, python_of: PythonOf, tmp_path: Path) -> None:
    python, target = python_of(to), find_target(to)
    out = tmp_path / "out" / f"face{target.suffixes[0]}"
    out.parent.mkdir()
    written = export(to=to, output=out, fp16=fp16, python=python)
    assert written.gate.passed and written.path == out
    about = json.loads((out.parent / f"{out.name}.json").read_text())
    assert sorted(path.name for path in out.parent.iterdir()) == sorted(
        [f"{out.name}.json", *(f"face{suffix}" for suffix in target.suffixes)]
    )
    for file in about["files"]:
        data = (out.parent / file["name"]).read_bytes()
        assert (file["size_bytes"], file["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    size = sum(file["size_bytes"] for file in about["files"])
    assert (size < 0.7 * DEFAULT.stat().st_size) == (fp16 or to == "rknn")
    assert about["format"] == 1 and about["target"] == to
    assert about["precision"] == ("fp16" if fp16 or to == "rknn" else "fp32")
    # Through JSON, so that tuples are lists on both sides.
    assert about["spec"] == json.loads(json.dumps(to_plain(embedded_spec())))
    assert about["gate"]["worst_deg"] <= (0.3 if about["precision"] == "fp16" else 0.01)
    assert [each["output"] for each in about["outputs"]] == ["logits"]
    if target.one_process:
        return  # the simulator reads no files
    run_written_file(out, about, python, tmp_path / "work")


def run_written_file(out: Path, about: dict, python: Path | None, work: Path) -> None:
    """Run what lies under its name on other crops, by the names and settings that its description states."""
    work.mkdir()
    crops = np.random.default_rng(3).standard_normal((3, 3, 112, 112)).astype(np.float32)
    np.save(work / "crops.npy", crops)
    batch = about["input"]["shape"][0]
    job = Job(
        worker=TARGETS[about["target"]].worker,
        model="",
        files=tuple(str(out.parent / file["name"]) for file in about["files"]),
        input="image",
        size=112,
        outputs=("logits",),
        graph_outputs=("logits",),
        convert=False,
        fp16=False,
        platform="",
        settings=about["settings"],
        fixed_batch=batch is not None,
        batch=batch or 3,
        passes=(Pass("crops.npy", batch or 2, "answers.npz"),),
    )
    worker = WorkerProcess(TARGETS[about["target"]], python, work, frozenset())
    worker.run(job, "running")
    (found,) = worker.answers(job.passes[0])
    assert found.shape == (3, about["outputs"][0]["columns"])
    assert np.abs(found - onnx_logits(crops)).max() < LOGIT_TOLERANCE[about["precision"]]


def test_openvino_reads_the_file_in_this_process(python_of: PythonOf, tmp_path: Path) -> None:
    """Without a worker: names, layout and values are those of the ONNX file."""
    python_of("openvino-ir")
    openvino = pytest.importorskip("openvino")
    out = tmp_path / "face.xml"
    export(to="openvino-ir", output=out)
    crops = np.random.default_rng(4).standard_normal((2, 3, 112, 112)).astype(np.float32)
    compiled = openvino.Core().compile_model(str(out), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert np.abs(compiled({"image": crops})["logits"] - onnx_logits(crops)).max() < LOGIT_TOLERANCE["fp32"]


@pytest.mark.parametrize("to", TARGETS)
def test_gate_failed_leaves_nothing(to: str, python_of: PythonOf, tmp_path: Path) -> None:
    python, out = python_of(to), tmp_path / f"face{find_target(to).suffixes[0]}"
    with pytest.raises(GateFailed, match="the gate failed") as failed:
        export(to=to, output=out, python=python, limits=Limits(worst_deg=1e-12))
    assert failed.value.exit_status == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("to", TARGETS)
def test_refused_operator_is_named(to: str, python_of: PythonOf, tmp_path: Path) -> None:
    python, (operator, domain, attributes) = python_of(to), REFUSED[to]
    model = write_odd_model(tmp_path / "odd.onnx", operator, domain, **attributes)
    with pytest.raises(ModelError, match=f"Its converter has no {operator}"):
        export(model, to=to, output=tmp_path / f"face{find_target(to).suffixes[0]}", python=python)
    assert [path.name for path in tmp_path.iterdir()] == ["odd.onnx"]


def write_summing_model(path: Path) -> Path:
    """FSA-Net's last layers in small: three regions of each channel's mean, weighed and summed per angle."""
    weight = np.random.default_rng(5).normal(0, 9, (3, 9)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weight"], ["all"]),
        helper.make_node("Reshape", ["all", "shape"], ["regions"]),
        helper.make_node("ReduceSum", ["regions", "axes"], ["angles"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "summing",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("angles", TensorProto.FLOAT, ["N", 3])],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([-1, 3, 3]), "shape"),
            numpy_helper.from_array(np.array([-1]), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    heads = [AngleHead("angles", column) for column in range(3)]
    spec = replace(tiny_spec(32), outputs=("angles",), decode=AnglesDecode(*heads))
    helper.set_model_props(model, {METADATA_KEY: spec.to_json()})
    onnx.save(model, str(path))
    return path


def test_sums_keep_their_axes_in_ncnn(python_of: PythonOf, tmp_path: Path) -> None:
    model = write_summing_model(tmp_path / "summing.onnx")
    written = export(model, to="ncnn", output=tmp_path / "face.param", python=python_of("ncnn"))
    assert written.gate.passed


def test_graph_that_a_converter_changes_is_refused(python_of: PythonOf, tmp_path: Path) -> None:
    """pnnx ignores the axes of ReduceSum; as it is, three angles become nine numbers."""
    python = python_of("ncnn")
    model = write_summing_model(tmp_path / "summing.onnx")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TARGETS, "ncnn", replace(TARGETS["ncnn"], sums_as_means=False))
        with pytest.raises(ModelError, match="has changed the graph"):
            export(model, to="ncnn", output=tmp_path / "face.param", python=python)
    assert [path.name for path in tmp_path.iterdir()] == ["summing.onnx"]


def test_int8_file_keeps_its_precision_in_openvino(python_of: PythonOf, tmp_path: Path) -> None:
    from export.int8 import quantize
    from hpe_edge.samples import BOXES, FOLDER

    python_of("openvino-ir")
    loose = Limits(mean_deg=5, p99_deg=20, p999_deg=40, worst_deg=40)  # calibrated on two photos only
    quantize(output=tmp_path / "int8.onnx", calibration_images=FOLDER, boxes=BOXES, limits=loose)
    written = export(tmp_path / "int8.onnx", to="openvino-ir", output=tmp_path / "int8.xml", limits=loose)
    about = json.loads((tmp_path / "int8.xml.json").read_text())
    assert about["precision"] == "int8" and "FakeQuantize" in written.path.read_text()


def test_gate_catches_a_wrong_answer(python_of: PythonOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch's faces in another order are other faces: every number is right, and every pose wrong."""
    python_of("openvino-ir")
    answers = WorkerProcess.answers
    monkeypatch.setattr(WorkerProcess, "answers", lambda self, each: [array[::-1] for array in answers(self, each)])
    with pytest.raises(GateFailed):
        export(to="openvino-ir", output=tmp_path / "face.xml")
    assert list(tmp_path.iterdir()) == []


def test_settings_of_a_target_are_the_descriptions(python_of: PythonOf, tmp_path: Path) -> None:
    """With ncnn's own defaults float32 weights are rounded to FP16 on load, and the gate of float32 fails."""
    python = python_of("ncnn")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TARGETS, "ncnn", replace(TARGETS["ncnn"], settings={}))
        with pytest.raises(GateFailed):
            export(to="ncnn", output=tmp_path / "face.param", python=python, limits=Limits(worst_deg=1e-3))
    export(to="ncnn", output=tmp_path / "face.param", python=python, limits=Limits(worst_deg=1e-3))
