"""Opentrack's head-pose files: recognised by their ends, and read in the right axes, sign by sign."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from export.adoption.recognise import bundled_spec_of
from export.onnx import adopt, main
from hpe_edge import PoseEngine
from hpe_edge.errors import ModelError

SIZE = 129
# The rotation of a head's points in the picture: x to the right, y down, z away from the camera.
TO_THE_LEFT = (0.0, 1.0, 0.0)  # the face, at -z, goes to -x
UP = (-1.0, 0.0, 0.0)  # to -y
CLOCKWISE = (0.0, 0.0, 1.0)  # x goes to y
TURNS = [(TO_THE_LEFT, 0), (UP, 1), (CLOCKWISE, 2)]


def opentrack_model(path: Path, quaternion: np.ndarray, version: int, batch: object = 1) -> Path:
    """A graph with the ends of opentrack's that answers a half bright picture with a quaternion, and others nearby."""
    offsets = {"pos_size": np.ones(3), "quat": quaternion, "box": np.ones(4)}
    sizes = {name: len(offset) for name, offset in offsets.items()}
    weights = [
        numpy_helper.from_array(np.array([-1, 1]), "column"),
        *(numpy_helper.from_array(np.full((1, n), 0.1, np.float32), f"slope_{name}") for name, n in sizes.items()),
        *(numpy_helper.from_array(each.astype(np.float32)[None], f"at_0_{name}") for name, each in offsets.items()),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Reshape", ["mean", "column"], ["one"]),
    ]
    for name in sizes:
        nodes.append(helper.make_node("Mul", ["one", f"slope_{name}"], [f"{name}_part"]))
        nodes.append(helper.make_node("Add", [f"{name}_part", f"at_0_{name}"], [name]))
    graph = helper.make_graph(
        nodes,
        "opentrack",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, SIZE, SIZE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, n]) for name, n in sizes.items()],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7)
    model.model_version = version
    onnx.save(model, path)
    return path


def xyzw(rotation: np.ndarray) -> np.ndarray:
    """The quaternion of a matrix, by OpenCV's axis and angle."""
    vector = cv2.Rodrigues(rotation)[0].ravel()
    angle = np.linalg.norm(vector)
    return np.append(np.sin(angle / 2) * vector / angle, np.cos(angle / 2))


def as_the_first_models(quaternion: np.ndarray) -> np.ndarray:
    """The same turn about opentrack's axes, which point to the camera, up and to the left of the picture."""
    axes = np.array([[0.0, 0.0, -1.0], [0.0, -1.0, 0.0], [-1.0, 0.0, 0.0]])
    return np.append(axes @ quaternion[:3], quaternion[3])


def angles_of(path: Path, folder: Path) -> np.ndarray:
    written = adopt(path, output=folder / "adopted.onnx")
    with PoseEngine(written.path) as engine:
        picture = np.zeros((400, 400, 3), np.uint8)
        picture[:, 200:] = 255
        return engine(picture, [[140, 140, 260, 260]]).angles[0]


@pytest.mark.parametrize("version", [0, 1, 2, 3, 4])
@pytest.mark.parametrize(("axis", "place"), TURNS, ids=["yaw", "pitch", "roll"])
def test_each_turn_is_its_angle(tmp_path, axis, place, version):
    turn = xyzw(cv2.Rodrigues(np.deg2rad(20.0) * np.array(axis))[0])
    model = opentrack_model(tmp_path / "pose.onnx", turn if version > 1 else as_the_first_models(turn), version)
    assert angles_of(model, tmp_path) == pytest.approx(np.eye(3)[place] * 20.0, abs=1e-4)


@pytest.mark.parametrize("version", [0, 4])
def test_turns_together_are_the_labels_product(tmp_path, version):
    yaw, pitch, roll = 30.0, -20.0, 15.0
    up, left, clockwise = (
        cv2.Rodrigues(np.deg2rad(angle) * np.array(axis))[0]
        for angle, axis in ((pitch, UP), (yaw, TO_THE_LEFT), (roll, CLOCKWISE))
    )
    turn = -xyzw(up @ left @ clockwise)  # a quaternion and its negative are the same turn
    model = opentrack_model(tmp_path / "pose.onnx", turn if version > 1 else as_the_first_models(turn), version)
    assert angles_of(model, tmp_path) == pytest.approx([yaw, pitch, roll], abs=1e-4)


def test_the_picture_is_grey_from_minus_a_half_to_a_half(tmp_path):
    written = adopt(opentrack_model(tmp_path / "pose.onnx", np.array([0, 0, 0, 1.0]), 4), output=tmp_path / "a.onnx")
    model = onnx.load(written.path)
    (luma,) = (weight for weight in model.graph.initializer if weight.name == "hpe_edge/luma")
    weights = numpy_helper.to_array(luma).ravel()
    given = written.spec.input
    levels = np.array([30, 60, 90], np.uint8)  # blue, green and red, as the spec's order is
    assert given.color == "BGR"
    grey = float(((levels * given.scale - given.mean) / given.std) @ weights)
    assert grey == pytest.approx(int(cv2.cvtColor(levels[None, None], cv2.COLOR_BGR2GRAY)[0, 0]) / 255 - 0.5, abs=2e-3)


def test_a_file_that_shows_no_network_needs_its_name(capsys, tmp_path):
    path = opentrack_model(tmp_path / "pose.onnx", np.array([0, 0, 0, 1.0]), 4)
    model = onnx.load(path)
    model.graph.output[1].name = model.graph.node[-3].output[0] = "rotation"
    onnx.save(model, path)
    with pytest.raises(ModelError, match=r"does not show which network it is; name its family with --arch"):
        bundled_spec_of(path)
    assert main(["--adopt", str(path), "-o", str(tmp_path / "out.onnx")]) == 1
    assert "does not show" in capsys.readouterr().err


def test_the_localizer_is_no_head_pose_model(tmp_path):
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Reshape", ["mean", "shape"], ["one"]),
            helper.make_node("Mul", ["one", "weight"], ["logit_box"]),
        ],
        "localizer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 224, 288])],
        [helper.make_tensor_value_info("logit_box", TensorProto.FLOAT, [1, 5])],
        [
            numpy_helper.from_array(np.array([1, 1]), "shape"),
            numpy_helper.from_array(np.ones((1, 5), np.float32), "weight"),
        ],
    )
    path = tmp_path / "head-localizer.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=7), path)
    with pytest.raises(ModelError, match="opentrack's localizer, a face detector"):
        adopt(path, spec="opentrack", output=tmp_path / "out.onnx")
