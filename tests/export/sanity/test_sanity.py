"""The sanity check: answers that follow the views, and the mistakes that it must find without labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper

from export import zoo
from export.gate.gate import backend_runner
from export.onnx import main
from export.sanity.check import SanityFailed, check_sanity
from export.sanity.following import answers, following, view_crops
from export.sanity.readings import better_reading, reordered
from export.sanity.suspect import Suspect, Twin
from export.sanity.views import sanity_views
from export.step import quiet
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.geometry import euler_from_rotation, rotation_from_euler
from hpe_edge.models import DEFAULT
from hpe_edge.spec import AngleHead, AnglesDecode, Crop, Input, ModelSpec, Origin

ANGLES = ModelSpec(
    architecture="oracle",
    input=Input(size=32, color="RGB", scale=1 / 255, mean=(0.0,) * 3, std=(1.0,) * 3),
    outputs=("angles",),
    crop=Crop(),
    decode=AnglesDecode(*(AngleHead("angles", column) for column in range(3))),
    origin=Origin("oracle.pth", "0" * 64),
)
TRUTH = ((8.0, -5.0, 4.0), (-6.0, 3.0, -2.0))  # poses of the two photos


def true_angles() -> np.ndarray:
    """The poses [V, 3] that the views have if the photos have TRUTH: mirrored, then turned in the picture and depth."""
    rows = []
    for view in sanity_views():
        yaw, pitch = view.depth_deg
        rotation = rotation_from_euler(np.array([yaw, pitch, 0.0])) @ rotation_from_euler(np.array(TRUTH[view.face]))
        angle = np.deg2rad(view.roll_deg)
        in_plane = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
        angles = euler_from_rotation(in_plane @ rotation)
        rows.append(angles * (-1, 1, -1) if view.mirrored else angles)
    return np.array(rows, np.float32)


@pytest.fixture(scope="module")
def embedded() -> tuple[ModelSpec, list[np.ndarray]]:
    """The embedded model's spec, and its outputs for the views."""
    backend = OnnxRuntimeBackend(DEFAULT, threads=1)
    spec = replace(backend.spec, sigma=None)
    return spec, answers(backend_runner(backend), view_crops(spec.crop, spec.input), backend.max_batch)


def test_true_answers_have_no_error():
    found = following(ANGLES, [true_angles()])
    assert found.error_deg == pytest.approx(0, abs=1e-3)
    assert found.followed_deg == pytest.approx((25, 15, 25), abs=1e-3)
    assert found.mirror_deg == pytest.approx((0, 0, 0), abs=1e-4)
    assert not found.doubtful


@pytest.mark.parametrize(
    "change",
    [
        lambda angles: angles * 0 + 3,
        lambda angles: angles[:, [1, 2, 0]].copy(),
        lambda angles: angles[:, [1, 0, 2]].copy(),
        lambda angles: angles * np.float32([-1, 1, 1]),
        lambda angles: angles * np.float32([1, -1, 1]),
        lambda angles: angles * np.float32([1, 1, -1]),
        lambda angles: angles / np.float32(57.3),
        lambda angles: angles * np.float32([1.9, 1, 1]),
        lambda angles: angles * np.float32(np.nan),
    ],
)
def test_wrong_answers_are_doubtful(change):
    found = following(ANGLES, [change(true_angles())])
    assert found.doubtful
    assert found.faults()


@pytest.mark.parametrize("noise_deg", [0.0, 4.0])
@pytest.mark.parametrize(
    ("columns", "scale", "words"),
    [
        ((1, 2, 0), (1, 1, 1), "with pitch, roll, yaw where yaw, pitch, roll are read"),
        ((0, 1, 2), (1, 1, -1), "with the sign of roll changed"),
        ((0, 1, 2), (-1, -1, 1), "with the sign of yaw and pitch changed"),
        ((0, 1, 2), (np.pi / 180,) * 3, "with its angles in radians"),
    ],
)
def test_the_reading_that_follows_is_named(columns, scale, words, noise_deg):
    angles = true_angles() + np.random.default_rng(0).normal(0, noise_deg / 2, (len(sanity_views()), 3))
    given = (angles * scale)[:, list(columns)].astype(np.float32)
    rows = iter(np.array_split(given, len(given)))
    reading = better_reading(ANGLES, lambda crops: [next(rows)], 1, other_inputs=False)
    assert reading is not None
    assert reading.words == words


def test_constant_answers_have_no_better_reading():
    assert better_reading(ANGLES, lambda crops: [np.zeros((len(crops), 3), np.float32)], 8, other_inputs=True) is None


def test_the_embedded_model_follows(embedded):
    found = following(*embedded)
    assert found.error_deg < 5
    assert not found.doubtful


def test_its_heads_in_another_order_do_not(embedded):
    spec, outputs = embedded
    found = {order: following(replace(spec, decode=decode), outputs) for order, decode in reordered(spec.decode)}
    assert len(found) == 6
    assert [order for order, each in found.items() if not each.doubtful] == [(0, 1, 2)]
    assert min(each.error_deg for order, each in found.items() if order != (0, 1, 2)) > 15


def test_a_twin_that_follows_is_named(embedded):
    spec, outputs = embedded
    rows = iter([outputs[0]])
    wrong = Suspect("x.pth", ANGLES, lambda crops: [np.zeros((len(crops), 3), np.float32)], 8)
    twin = Twin("the-twin", lambda: (spec, lambda crops: [next(rows)]), len(outputs[0]))
    with pytest.raises(SanityFailed, match="use --arch the-twin") as error:
        check_sanity(replace(wrong, twins=(twin,)), quiet)
    assert error.value.exit_status == 3


def test_too_few_weights_are_refused_where_nothing_follows():
    said: list[str] = []
    blind = Suspect("x.onnx", ANGLES, lambda crops: [np.zeros((len(crops), 3), np.float32)], 8, expected=1000)
    with pytest.raises(SanityFailed, match="it holds 0 weights"):
        check_sanity(blind, quiet)
    check_sanity(replace(blind, weights=900), lambda stage, lines: said.extend(lines))
    assert "do not rely on it" in said[-1]


def without_spec(path: Path) -> ModelProto:
    model = onnx.load(DEFAULT)
    del model.metadata_props[:]
    onnx.save(model, path)
    return model


def run(capsys, *argv: object) -> tuple[int, str, str]:
    status = main([str(arg) for arg in argv])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.fixture
def arch(embedded) -> str:
    return embedded[0].architecture


def test_a_right_file_is_adopted(capsys, tmp_path, arch):
    without_spec(tmp_path / "x.onnx")
    status, said, errors = run(capsys, "--adopt", tmp_path / "x.onnx", "--arch", arch, "-o", tmp_path / "y.onnx")
    assert status == 0, errors
    assert "the answers follow turned heads" in said


def test_heads_in_another_order_are_refused_and_the_template_mends_it(capsys, tmp_path, arch, embedded):
    """Roll's bins stand first: the gate's two sides agree, and both are wrong."""
    decode = embedded[0].decode
    heads = {name: getattr(decode, name) for name in ("roll", "yaw", "pitch")}
    model = without_spec(tmp_path / "x.onnx")
    (output,) = model.graph.output
    columns = np.concatenate([np.arange(head.column, head.column + head.count) for head in heads.values()])
    model.graph.initializer.append(numpy_helper.from_array(columns, "columns"))
    model.graph.node.append(helper.make_node("Gather", [output.name, "columns"], ["moved"], axis=1))
    output.name = "moved"
    onnx.save(model, tmp_path / "x.onnx")
    theirs, ours = tmp_path / "x.onnx", tmp_path / "y.onnx"
    status, _, errors = run(capsys, "--adopt", theirs, "--arch", arch, "-o", ours)
    assert status == 3
    assert "with roll, yaw, pitch where yaw, pitch, roll are read" in errors
    assert not ours.exists()
    status, text, errors = run(capsys, "--adopt", theirs, "--arch", arch, "--template")
    assert status == 0, errors
    spec, column = json.loads(text), 0
    for name, head in heads.items():
        spec["decode"][name]["column"] = column
        column += head.count
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    status, said, errors = run(capsys, "--adopt", theirs, "--spec", tmp_path / "spec.json", "-o", ours)
    assert status == 0, errors
    assert "the answers follow turned heads" in said


def test_a_normalisation_that_is_in_the_graph_already_is_refused(capsys, tmp_path, arch, embedded):
    given = embedded[0].input
    model = without_spec(tmp_path / "x.onnx")
    for node in model.graph.node:
        node.input[:] = ["normal" if name == given.name else name for name in node.input]
    names = {
        "scale": given.scale,
        "mean": np.reshape(given.mean, (1, 3, 1, 1)),
        "std": np.reshape(given.std, (1, 3, 1, 1)),
    }
    for name, values in names.items():
        model.graph.initializer.append(numpy_helper.from_array(np.float32(values), name))
    steps = [("Mul", given.name, "scale", "a"), ("Sub", "a", "mean", "b"), ("Div", "b", "std", "normal")]
    for at, (kind, one, two, out) in enumerate(steps):
        model.graph.node.insert(at, helper.make_node(kind, [one, two], [out]))
    onnx.save(model, tmp_path / "x.onnx")
    status, _, errors = run(capsys, "--adopt", tmp_path / "x.onnx", "--arch", arch, "-o", tmp_path / "y.onnx")
    assert status == 3
    assert "levels from 0 to 255" in errors


def test_the_mean_of_the_colours_is_no_network(capsys, tmp_path):
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["p"]),
        helper.make_node("Flatten", ["p"], ["output"]),
    ]
    ends = [
        helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 64, 64]),
        helper.make_tensor_value_info("output", TensorProto.FLOAT, ["N", 3]),
    ]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "x.onnx")
    status, _, errors = run(capsys, "--adopt", tmp_path / "x.onnx", "--arch", "fsanet-1x1", "-o", tmp_path / "y.onnx")
    assert status == 3
    assert "it holds 0 weights" in errors
    assert not (tmp_path / "y.onnx").exists()


def test_the_wrong_twin_of_a_trained_network_is_refused(capsys, data, tmp_path):
    """Both ports of FSA-Net have the same keys and shapes; the gate passes either."""
    theirs = data / "checkpoints/fsanet/fsa1x1-08082020.chkpt"
    status, _, errors = run(capsys, theirs, "--arch", "fsanet180-1x1", "-o", tmp_path / "y.onnx")
    assert status == 3
    assert "use --arch fsanet-1x1" in errors
    status, _, errors = run(capsys, theirs, "-o", tmp_path / "y.onnx")
    assert status == 1
    assert "--arch fsanet-1x1 follows turned heads best" in errors


def test_twins_of_untrained_weights_are_ranked_without_a_preference(capsys, tmp_path):
    torch.manual_seed(0)
    torch.save(zoo.get("fsanet-var").builds[0]().state_dict(), tmp_path / "x.pth")
    status, _, errors = run(capsys, tmp_path / "x.pth", "-o", tmp_path / "y.onnx")
    assert status == 1
    assert "none of them follows turned heads well" in errors
