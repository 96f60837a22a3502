"""The suite ``precision``: its figures are those of a change that is known, and files of something else are refused."""

from __future__ import annotations

import csv
import hashlib
import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_model import tiny_spec, write_tiny_model

from benchmarks.__main__ import main
from benchmarks.datasets.labels_csv import COLUMNS
from hpe_edge import PoseEngine
from hpe_edge.spec import GateResult, Precision, Quantization


def reduced(path: Path, numbers: Precision, off_deg: float, sha256: str) -> Path:
    """The tiny model with its yaw bins moved, as if that came of shorter numbers."""
    spec = tiny_spec()
    yaw = replace(spec.decode.yaw, first_deg=spec.decode.yaw.first_deg + off_deg)
    step = Quantization(numbers, "tiny.onnx", sha256, ("a", "b"), "by hand")
    gate = GateResult("a with b", "here", 64, 0.1, 0.2, 0.3)
    decode = replace(spec.decode, yaw=yaw)
    return write_tiny_model(path, spec=replace(spec, decode=decode, quantizations=(step,), gate=gate))


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Photos whose labels are the tiny model's own angles, moved by 1, -2 and 3 degrees; and two files made of it."""
    model = write_tiny_model(tmp_path / "tiny.onnx")
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    reduced(tmp_path / "fp16.onnx", "fp16", 0.0, sha256)
    reduced(tmp_path / "int8.onnx", "int8", -0.5, sha256)
    reduced(tmp_path / "other.onnx", "fp16", 0.0, "ab" * 32)
    with PoseEngine(model) as engine, (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i in range(3):
            photo = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((20, 20, 1))).astype(np.uint8)
            cv2.imwrite(str(tmp_path / f"{i}.png"), photo)
            angles = engine(photo, [[20, 30, 90, 100]]).angles[0] + [1, -2, 3]
            writer.writerow([f"{i}.png", 20, 30, 90, 100, *angles])
    return tmp_path


def run(folder: Path, *names: str) -> int:
    forms = [str(folder / name) if name.endswith(".onnx") else name for name in names]
    labels, out = str(folder / "labels.csv"), str(folder / "out.json")
    return main(["precision", "--quick", "--forms", *forms, "--labels", labels, "--json", out])


def test_figures_are_those_of_the_known_change(folder: Path) -> None:
    assert run(folder, "tiny.onnx", "fp16.onnx", "int8.onnx") == 0
    document = json.loads((folder / "out.json").read_text())
    *forms, timed = document["results"]
    fp32, fp16, int8 = (form["figures"] for form in forms)
    assert [form["parameters"]["numbers"] for form in forms] == ["fp32", "fp16", "int8"]
    assert forms[2]["parameters"]["ranges"] == "by hand"
    assert forms[2]["parameters"]["layers in float32"] == 2
    assert [fp32[f"{angle}_mae_deg"] for angle in ("yaw", "pitch", "roll")] == pytest.approx([1, 2, 3], abs=1e-3)
    gate = {"gate_faces": 64, "gate_mean_deg": 0.1, "gate_p99_deg": 0.2, "gate_worst_deg": 0.3}
    assert fp16 == {**fp32, **gate, "bytes": (folder / "fp16.onnx").stat().st_size}
    assert int8["yaw_mae_deg"] == pytest.approx(1.5, abs=1e-3)
    assert int8["mean_mae_deg"] == pytest.approx(fp32["mean_mae_deg"] + 0.5 / 3, abs=1e-3)
    for name in ("change_mean_deg", "change_p99_deg", "change_worst_deg"):
        assert fp32[name] == 0
        # Half a degree of yaw turns the head by half a degree, whatever the other angles are.
        assert int8[name] == pytest.approx(0.5, abs=1e-3)
    assert [row["name"] for row in timed["rows"]] == ["tiny", "fp16", "int8"]
    assert {line["what"]: line["met"] for line in document["budget"]} == {
        "fp16: mean absolute error": True,
        "int8: mean absolute error": False,
        "int8: change of the rotation": True,
    }


def test_openvino_is_held_against_onnx_runtime(folder: Path) -> None:
    if importlib.util.find_spec("openvino") is None:
        pytest.skip("openvino is not installed")
    assert run(folder, "tiny.onnx", "int8.onnx", "--openvino", "fp32") == 0
    document = json.loads((folder / "out.json").read_text())
    *forms, timed = document["results"]
    labels = ["tiny", "int8", "tiny, OpenVINO in fp32", "int8, OpenVINO in fp32"]
    assert [form["parameters"]["form"] for form in forms] == [row["name"] for row in timed["rows"]] == labels
    by_onnx_runtime, by_openvino = ([form["figures"] for form in part] for part in (forms[:2], forms[2:]))
    for one, other in zip(by_onnx_runtime, by_openvino, strict=True):
        assert other == pytest.approx(one, abs=1e-3)
    assert {line["what"]: line["met"] for line in document["budget"]} == {
        "int8: mean absolute error": False,
        "int8: change of the rotation": True,
        "tiny, OpenVINO in fp32: mean absolute error": True,
        "int8, OpenVINO in fp32: mean absolute error": False,
        "int8, OpenVINO in fp32: change of the rotation": True,
    }


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("tiny.onnx", "other.onnx"), "was not made from"),
        (("tiny.onnx", "tiny.onnx"), "was not made from"),
        (("fp16.onnx", "int8.onnx"), "is not float32; name the float32 file first"),
    ],
)
def test_files_that_do_not_belong_together(
    folder: Path, names: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(folder, *names) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "out.json").exists()
