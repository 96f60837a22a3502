"""Spec files for networks of no known family: what the template fills in, and which files are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.adoption.spec_file import read_spec_file
from export.adoption.template import template
from export.onnx import main
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.spec import AnglesDecode, BinsDecode, Decode, MatrixDecode, QuaternionDecode, Rot6dDecode


def network(path: Path, outputs: dict[str, int], shape: tuple[object, ...] = ("N", 3, 96, 96)) -> Path:
    """The picture's mean in each output's columns."""
    axes = list(range(1, len(shape)))
    nodes = [helper.make_node("ReduceMean", ["x"], ["mean"], axes=axes, keepdims=0)]
    nodes.append(helper.make_node("Unsqueeze", ["mean", "one"], ["column"]))
    weights = [numpy_helper.from_array(np.array([1]), "one")]
    for name, columns in outputs.items():
        nodes.append(helper.make_node("Mul", ["column", f"w_{name}"], [name]))
        weights.append(numpy_helper.from_array(np.linspace(1, 2, columns, dtype=np.float32)[None], f"w_{name}"))
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", n]) for name, n in outputs.items()],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.mark.parametrize(
    ("outputs", "kind", "named"),
    [
        ({"angles": 3}, AnglesDecode, ["angles"] * 3),
        ({"angle_p_fc": 1, "angle_r_fc": 1, "angle_y_fc": 1}, AnglesDecode, ["angle_p_fc", "angle_r_fc", "angle_y_fc"]),
        ({"roll": 66, "yaw": 66, "pitch": 66}, BinsDecode, ["yaw", "pitch", "roll"]),
        ({"all": 198}, BinsDecode, ["all"] * 3),
        ({"landmarks": 136, "quat": 4}, QuaternionDecode, ["quat"]),
        ({"six": 6}, Rot6dDecode, ["six"]),
        ({"matrix": 9}, MatrixDecode, ["matrix"]),
    ],
)
def test_the_template_reads_what_the_file_shows(
    tmp_path: Path, outputs: dict[str, int], kind: type[Decode], named: list[str]
) -> None:
    text = template(network(tmp_path / "x.onnx", outputs))
    (tmp_path / "spec.json").write_text(text)
    spec = read_spec_file(tmp_path / "spec.json")
    assert spec.input.size == 96
    assert isinstance(spec.decode, kind)
    heads = [getattr(spec.decode, name, spec.decode) for name in ("yaw", "pitch", "roll")[: len(named)]]
    assert [head.output for head in heads] == named


def test_a_file_without_a_pose_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no output that can be a pose: 'embedding' float32 \[N, 512\]"):
        template(network(tmp_path / "x.onnx", {"embedding": 512}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spec: spec.pop("decode"), "lacks the field 'decode'; correct it"),
        (lambda spec: spec.update(more=1), "unknown field 'more'"),
        (lambda spec: spec["input"].update(color="GREY"), r"spec\.input\.color must be one of RGB, BGR"),
        (lambda spec: spec["input"].update(std=[0, 1, 1]), "must be positive"),
        (
            lambda spec: spec["decode"]["yaw"].update(output="other"),
            r"reads 1 columns of 'other', and .*'angles' \[N, 3\]",
        ),
        (lambda spec: spec["decode"]["yaw"].update(column=3), "reads 4 columns of 'angles'"),
    ],
)
def test_faults_of_a_spec_are_named(capsys, tmp_path, change, message):
    model = network(tmp_path / "x.onnx", {"angles": 3})
    spec = json.loads(template(model))
    change(spec)
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    argv = ["--adopt", model, "--spec", tmp_path / "spec.json", "-o", tmp_path / "y.onnx"]
    assert main([str(arg) for arg in argv]) == 1
    errors = capsys.readouterr().err
    assert str(tmp_path / "spec.json") in errors or "must be positive" in errors
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(errors)


def test_the_bundled_specs_can_be_read() -> None:
    """Intel's page: x to the camera, y to the right, z up; yaw and pitch turn counter-clockwise, roll clockwise."""
    spec = read_spec_file(Path("adas-0001"))
    assert isinstance(spec.decode, AnglesDecode)
    right, down = np.deg2rad(10), np.deg2rad(5)
    looks = np.array([[np.cos(right), -np.sin(right), 0], [np.sin(right), np.cos(right), 0], [0, 0, 1]]) @ np.array(
        [[np.cos(down), 0, np.sin(down)], [0, 1, 0], [-np.sin(down), 0, np.cos(down)]]
    )
    towards = looks @ np.array([1.0, 0, 0])  # where the face looks
    assert towards[1] > 0 > towards[2]  # to the right of the picture, and down
    assert (spec.decode.yaw.factor, spec.decode.pitch.factor) == (-1, -1)  # the labels' are to the left, and up
    assert spec.decode.roll.factor == 1


def test_no_spec_file(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="--template prints one"):
        read_spec_file(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--adopt", "x.onnx", "--spec", "s.json", "--arch", "lightweight"], "leave out --arch"),
        (["--spec", "s.json"], "name it with --adopt"),
        (["--template"], "name it with --adopt"),
        (["--adopt", "x.onnx", "--template", "-o", "y.onnx"], "--template takes --adopt"),
    ],
)
def test_wrong_usage(capsys, argv, message):
    assert main(argv) == 2
    assert message in capsys.readouterr().err
