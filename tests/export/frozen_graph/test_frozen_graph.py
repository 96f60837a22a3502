"""Frozen TensorFlow graphs converted to ONNX against torch: single operators, and MNN's whole graph."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from graph_writer import Graph, mnn_graph
from rule_weights import rule_state
from torch.nn import functional

from export import zoo
from export.frozen_graph.convert_graph import convert_graph
from export.frozen_graph.graph_def import read_graph
from export.onnx import export
from export.zoo.mnn import FAMILY, Mnn
from hpe_edge import PoseEngine
from hpe_edge.errors import InputError, ModelError, ModelNotFoundError

SIDE = 10
NARROW = (4, 4, 4, 6, 6, 6, 6, 8, 8)  # of all nine levels


def converted(graph: Graph, output: str, picture: np.ndarray) -> np.ndarray:
    """The node's answer for a picture [N, 3, SIDE, SIDE]."""
    model = convert_graph(read_graph(Path("x.pb"), graph.data), "input_1", SIDE, [(output, "found")])
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"image": picture})[0]  # type: ignore[no-any-return]


@pytest.fixture
def graph() -> Graph:
    g = Graph()
    g.node("Placeholder", name="input_1", shape=(-1, SIDE, SIDE, 3))
    return g


@pytest.fixture
def picture(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(2, 3, SIDE, SIDE)).astype(np.float32)


def last(maps: torch.Tensor) -> np.ndarray:
    """In TensorFlow's order."""
    return maps.permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("kernel", [1, 2, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("padding", ["SAME", "VALID"])
def test_convolutions_pad_as_tensorflow(
    graph: Graph, picture: np.ndarray, kernel: int, stride: int, padding: str
) -> None:
    weight = np.random.default_rng(1).normal(size=(kernel, kernel, 3, 5)).astype(np.float32)
    out = graph.node("Conv2D", "input_1", graph.constant(weight), strides=[1, stride, stride, 1], padding=padding)
    image = torch.from_numpy(picture)
    if padding == "SAME":
        total = max(0, (-(-SIDE // stride) - 1) * stride + kernel - SIDE)
        before, after = total // 2, total - total // 2
        image = functional.pad(image, (before, after, before, after))
    want = functional.conv2d(image, torch.from_numpy(weight.transpose(3, 2, 0, 1).copy()), stride=stride)
    np.testing.assert_allclose(converted(graph, out, picture), last(want), rtol=1e-4, atol=1e-5)


def test_a_filter_for_each_channel(graph: Graph, picture: np.ndarray) -> None:
    weight = np.random.default_rng(1).normal(size=(3, 3, 3, 2)).astype(np.float32)
    out = graph.node("DepthwiseConv2dNative", "input_1", graph.constant(weight), strides=[1, 1, 1, 1], padding="SAME")
    kernel = torch.from_numpy(weight.transpose(2, 3, 0, 1).reshape(6, 1, 3, 3).copy())
    want = functional.conv2d(torch.from_numpy(picture), kernel, padding=1, groups=3)
    np.testing.assert_allclose(converted(graph, out, picture), last(want), rtol=1e-4, atol=1e-5)


CASES: dict[str, tuple[Any, Any]] = {
    "max": (
        lambda g: g.node("MaxPool", "input_1", ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID"),
        lambda x: last(functional.max_pool2d(x, 2)),
    ),
    "mean": (
        lambda g: g.node("AvgPool", "input_1", ksize=[1, 3, 3, 1], strides=[1, 1, 1, 1], padding="SAME"),
        lambda x: last(functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
    ),
    "nearest": (
        lambda g: g.node("ResizeNearestNeighbor", "input_1", g.constant([20, 30], "int32")),
        lambda x: last(functional.interpolate(x, (20, 30))),
    ),
    "bilinear": (
        lambda g: g.node("ResizeBilinear", "input_1", g.constant([20, 20], "int32"), half_pixel_centers=True),
        lambda x: last(functional.interpolate(x, (20, 20), mode="bilinear")),
    ),
    "scale": (
        lambda g: g.node("Mul", "input_1", g.constant([1.0, 2.0, 3.0])),
        lambda x: last(x * torch.tensor([1.0, 2.0, 3.0])[:, None, None]),
    ),
    "half": (lambda g: g.node("Sub", "input_1", g.constant(0.5)), lambda x: last(x - 0.5)),
    "relu6": (lambda g: g.node("Relu6", "input_1"), lambda x: last(x.clamp(0, 6))),
    "leaky": (lambda g: g.node("LeakyRelu", "input_1", alpha=0.1), lambda x: last(functional.leaky_relu(x, 0.1))),
    "softmax": (lambda g: g.node("Softmax", "input_1"), lambda x: last(x.softmax(dim=1))),
    "global": (
        lambda g: g.node("Max", "input_1", g.constant([1, 2], "int32"), keep_dims=False),
        lambda x: x.amax(dim=(2, 3)).numpy(),
    ),
    "kept": (
        lambda g: g.node("Mean", "input_1", g.constant([1, 2], "int32"), keep_dims=True),
        lambda x: last(x.mean(dim=(2, 3), keepdim=True)),
    ),
    "flat": (
        lambda g: g.node("Reshape", "input_1", g.constant([-1, 300], "int32")),
        lambda x: last(x).reshape(2, 300),
    ),
    "turned": (
        lambda g: g.node("Transpose", "input_1", g.constant([0, 2, 1, 3], "int32")),
        lambda x: x.permute(0, 3, 2, 1).numpy(),
    ),
    "joined": (
        lambda g: g.node("ConcatV2", "input_1", g.node("Tanh", "input_1"), g.constant(-1, "int32")),
        lambda x: last(torch.cat([x, x.tanh()], dim=1)),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_operators(graph: Graph, picture: np.ndarray, case: tuple[Any, Any]) -> None:
    make, want = case
    found = converted(graph, make(graph), picture)
    np.testing.assert_allclose(found, want(torch.from_numpy(picture)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda g: g.node("Erf", "input_1"), "operator Erf"),
        (lambda g: g.node("Relu", "nowhere"), "no node 'nowhere'"),
        (lambda g: g.node("MaxPool", "input_1", data_format="NCHW"), "data format NCHW"),
        (lambda g: g.node("Reshape", "input_1", g.constant([7, 7], "int32")), "reshapes"),
        (lambda g: g.node("Relu", "round", name="round"), "needs itself"),
        (
            lambda g: g.node("FusedBatchNorm", "input_1", *[g.constant([1.0] * 3) for _ in range(4)]),
            "norms as in training",
        ),
    ],
)
def test_what_cannot_be_converted_is_named(graph: Graph, picture: np.ndarray, make: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        converted(graph, make(graph), picture)


@pytest.fixture(scope="module")
def narrow() -> Mnn:
    """All of the network, with few channels and weights that make poses of some degrees."""
    net = Mnn(NARROW)
    state = rule_state({key: tuple(value.shape) for key, value in net.state_dict().items()}, (("^angles", 30.0),))
    net.load_state_dict(state)
    return net.eval()


def test_the_whole_graph_gives_what_torch_gives(narrow: Mnn, tmp_path: Path) -> None:
    data = mnn_graph(narrow, 256, 68)
    ends = [("k2tfout_1", "angles"), ("k2tfout_0", "maps"), ("k2tfout_3", "visibility")]
    model = convert_graph(read_graph(tmp_path, data), "input_1", 256, ends)
    image = np.random.default_rng(0).random((2, 3, 256, 256)).astype(np.float32)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"image": image})
    with torch.inference_mode():
        angles, maps, seen = narrow.everything(torch.from_numpy(image))
    np.testing.assert_allclose(found[0], angles.numpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1].reshape(maps.shape), maps.numpy(), rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(found[2], seen.numpy(), rtol=1e-4)


def test_a_frozen_graph_is_exported_with_its_landmarks(narrow: Mnn, tmp_path: Path) -> None:
    path = tmp_path / "300wlp.pb"
    path.write_bytes(mnn_graph(narrow, 256, 68))
    written = export(path, arch="mnn", output=tmp_path / "mnn.onnx")
    assert written.spec.landmarks == FAMILY.heads.landmarks and written.spec.outputs == ("angles", "maps", "visibility")
    frame = np.random.default_rng(2).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    box = [60.0, 70.0, 220.0, 230.0]
    with PoseEngine(written.path) as engine:
        poses = engine(frame, [box])
        crops = engine._crop(frame, [box])
    with torch.inference_mode():
        angles, maps, seen = narrow.everything(torch.from_numpy(crops))
    np.testing.assert_allclose(poses.angles[0], angles[0].numpy() * [-1, 1, 1], atol=0.01)
    row, column = np.divmod(maps[0].flatten(1).argmax(dim=1).numpy(), 256)
    want = (np.stack([column, row], axis=1) + 0.5) / 256 * 1.6 * 160 + [60 - 48, 70 - 48]
    assert np.abs(poses.landmarks[0] - want).max() < 0.51 * 1.6 * 160 / 256
    np.testing.assert_allclose(poses.visibility[0], seen[0].numpy(), atol=1e-4)
    alone = export(path, arch="mnn", output=tmp_path / "pose.onnx", pose_only=True)
    with PoseEngine(alone.path) as engine:
        np.testing.assert_allclose(engine(frame, [box]).angles, poses.angles, atol=0.01)
    assert alone.size_bytes < written.size_bytes


def test_the_checkpoint_of_the_torch_network_is_exported_likewise(
    narrow: Mnn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, small = zoo.get, replace(FAMILY, builds=(lambda: Mnn(NARROW),))
    monkeypatch.setattr(zoo, "get", lambda name: small if name == "mnn" else get(name))
    torch.save(narrow.state_dict(), tmp_path / "mnn.pth")
    written = export(tmp_path / "mnn.pth", arch="mnn", output=tmp_path / "mnn.onnx")
    gate = written.spec.gate
    assert gate is not None and gate.landmarks_worst is not None and gate.landmarks_worst < 1e-3
    alone = export(tmp_path / "mnn.pth", arch="mnn", output=tmp_path / "pose.onnx", pose_only=True)
    nodes = {node.op_type for node in onnx.load(alone.path).graph.node}
    assert "ConvTranspose" not in nodes and alone.size_bytes < written.size_bytes


def test_refusals(narrow: Mnn, tmp_path: Path) -> None:
    data = mnn_graph(narrow, 256, 68)
    whole, cut, other = tmp_path / "whole.pb", tmp_path / "cut.pb", tmp_path / "other.pb"
    whole.write_bytes(data)
    cut.write_bytes(data[: len(data) // 2])
    other.write_bytes(Graph().data + b"\x00\x01")
    with pytest.raises(InputError, match="--arch mnn"):
        export(whole, output=tmp_path / "a.onnx")
    with pytest.raises(ModelError, match="has no frozen graphs"):
        export(whole, arch="hopenet", output=tmp_path / "a.onnx")
    with pytest.raises(ModelNotFoundError):
        export(tmp_path / "none.pb", arch="mnn", output=tmp_path / "a.onnx")
    for path in (cut, other):
        with pytest.raises(ModelError, match=r"frozen TensorFlow graph|has no node"):
            export(path, arch="mnn", output=tmp_path / "a.onnx")
    few = Mnn(NARROW, landmarks=21).eval()
    whole.write_bytes(mnn_graph(few, 256, 21))
    with pytest.raises(ModelError, match="other landmarks"):
        export(whole, arch="mnn", output=tmp_path / "a.onnx")
