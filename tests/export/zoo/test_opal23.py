"""Opal23 against the outputs of its original code, and what its heads say of the labels."""

from __future__ import annotations

import functools

import cv2
import numpy as np
import onnxruntime
import pytest
import torch
from reference import rx, ry, rz

from export import zoo
from export.graph.trace import simplify, trace
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import Origin

# The original itself differs by 3e-6 of its largest number between float32 and float64.
HEAD_TOLERANCE = 1e-4
TOLERANCE_DEG = 1e-3
ORIGIN = Origin(checkpoint="none", sha256="0" * 64)
# yaw, pitch, roll as 300W-LP and AFLW2000 label them
LABELS = [(0.0, 0.0, 0.0), (30.0, 0.0, 0.0), (0.0, 25.0, 0.0), (0.0, 0.0, -40.0), (68.64, -50.54, -59.2), (-20, 10, 5)]


def annotation(yaw, pitch, roll):
    """The matrix of its annotations, whose yaw is the label's with the opposite sign: intrinsic X, Y, Z."""
    return rx(pitch) @ ry(-yaw) @ rz(roll)


@functools.cache
def untrained(name):
    return zoo.get(name).builds[0]().eval()


def says(name, numbers):
    """The angles that come out where the head's Linear layer says these numbers."""
    family, net = zoo.get(name), untrained(name)
    layer = net.get_submodule("1.fc_for_pose.pose_0")
    with torch.no_grad():
        layer.weight.zero_()
        layer.bias.copy_(torch.tensor(numbers, dtype=torch.float32))
        head = net[1](torch.zeros(1, 256)).numpy()
    return DecodeHeads(family.spec(ORIGIN))([head]).angles[0]


@pytest.mark.parametrize("label", LABELS)
def test_euler_head_is_the_annotations_angles(label):
    yaw, pitch, roll = label
    assert says("opal23-euler", [-yaw, pitch, roll]) == pytest.approx(label, abs=TOLERANCE_DEG)
    half_turns = [-yaw / 180, pitch / 180, roll / 180]
    assert says("opal23-euler-panoptic", half_turns) == pytest.approx(label, abs=TOLERANCE_DEG)


@pytest.mark.parametrize("label", LABELS)
def test_6d_head_is_the_transpose_of_the_annotations_matrix(label):
    columns = annotation(*label).T[:, :2]
    numbers = np.concatenate([3.0 * columns[:, 0], 0.5 * columns[:, 1] + columns[:, 0]])  # which Gram-Schmidt undoes
    assert says("opal23-6d", numbers) == pytest.approx(label, abs=TOLERANCE_DEG)


@pytest.mark.parametrize("label", LABELS)
def test_quaternion_head_is_the_transpose_of_the_annotations_matrix(label):
    turn = cv2.Rodrigues(annotation(*label).T)[0][:, 0]
    angle = np.linalg.norm(turn)
    axis = turn / angle if angle else turn
    numbers = 2.0 * np.array([np.cos(angle / 2), *(np.sin(angle / 2) * axis)])
    assert says("opal23-quaternion", numbers) == pytest.approx(label, abs=TOLERANCE_DEG)
    assert says("opal23-quaternion", -numbers) == pytest.approx(label, abs=TOLERANCE_DEG)


def matrices(numbers):
    """Row-major matrices ``[N, 9]`` of six numbers, as the original makes them: x, then z across y, then y."""
    x, y = numbers[:, :3].astype(np.float64), numbers[:, 3:].astype(np.float64)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    z = np.cross(x, y)
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return np.stack([x, np.cross(z, x), z], axis=2).reshape(-1, 9)


@pytest.mark.parametrize(("arch", "name"), [("opal23_euler", "opal23-euler"), ("opal23_6d", "opal23-6d")])
def test_module_gives_the_originals_numbers(golden, arch, name):
    original = golden(arch)
    net = zoo.get(name).load(original.state)
    for suffix, image in original.inputs(128).items():
        with torch.inference_mode():
            numbers = net(torch.from_numpy(image)).numpy()
        output = matrices(numbers) if name == "opal23-6d" else numbers
        wanted = original.arrays[f"output{suffix}"]
        assert np.abs(output - wanted).max() <= HEAD_TOLERANCE * np.abs(wanted).max()


def test_golden_matrices_decode_to_the_annotations_angles(golden):
    original = golden("opal23_6d")
    family = zoo.get("opal23-6d")
    net = family.load(original.state)
    for suffix, image in original.inputs(128).items():
        with torch.inference_mode():
            angles = DecodeHeads(family.spec(ORIGIN))([net(torch.from_numpy(image)).numpy()]).angles
        for said, output in zip(angles.astype(np.float64), original.arrays[f"output{suffix}"], strict=True):
            # The caller of the original's network transposes what it gives.
            assert annotation(*said) == pytest.approx(output.reshape(3, 3).T, abs=1e-5)


@pytest.mark.parametrize("arch", ["opal23_euler", "opal23_6d", "opal23_quaternion"])
def test_exported_graph_is_plain_and_gives_the_same_numbers_alone_and_in_a_batch(golden, arch):
    original = golden(arch)
    family = zoo.get(arch.replace("_", "-"))
    net = family.load(original.state)
    model = simplify(trace(family.export_form(net), family.input, family.outputs, None))
    assert {node.op_type for node in model.graph.node} <= {
        "Conv", "Relu", "Clip", "Constant", "Add", "MaxPool", "GlobalMaxPool", "Flatten", "Gemm",
    }  # fmt: skip
    assert sum(node.op_type == "Gemm" for node in model.graph.node) == 1

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = original.inputs(128)["_blocky"]
    with torch.inference_mode():
        wanted = net(torch.from_numpy(image)).numpy()
    for rows in ([0], [0, 1] * 4):
        (numbers,) = session.run(None, {"image": image[rows]})
        assert np.abs(numbers - wanted[rows]).max() <= HEAD_TOLERANCE * np.abs(wanted).max()


@pytest.mark.parametrize(("width", "height"), [(80.0, 100.0), (100.0, 100.0), (130.0, 100.0)])
def test_crop_is_the_test_codes_square(width, height):
    crop = zoo.get("opal23-euler").crop
    left, top, right, bottom = crop.margins
    sides = np.array([(1 + left + right) * width, (1 + top + bottom) * height])
    assert crop.square == "extend"
    assert sides.max() == pytest.approx(1.6 * max(width, height))
    assert (left, top) == (right, bottom)
