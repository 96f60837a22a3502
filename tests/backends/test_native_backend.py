"""The native backend and its export: angles against ONNX Runtime, choices and refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import hpe_edge
from export.gate.comparison import Limits
from export.native import export
from export.native.lower import lower
from hpe_edge._native import network_isa_names
from hpe_edge.backends.native.native_backend import NativeBackend
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.errors import InputError, ModelError, ModelNotFoundError
from hpe_edge.geometry import geodesic_deg
from hpe_edge.models import DEFAULT
from hpe_edge.samples import BOXES, FOLDER

LOOSE = Limits(mean_deg=5.0, p99_deg=180.0, p999_deg=180.0, worst_deg=180.0)  # two photos are few for INT8


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(output=tmp_path_factory.mktemp("native") / "fp32.hpe", fp32=True).path


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("native") / "int8.hpe"
    return export(output=out, calibration_images=FOLDER, boxes=BOXES, limits=LOOSE).path


@pytest.fixture
def frame() -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(FOLDER / "astronaut.jpg")), np.uint8)


def poses(model: Path | None, frame: NDArray[Any]) -> hpe_edge.Poses:
    with hpe_edge.PoseEngine(model, threads=1) as engine:
        return engine(frame)


@pytest.mark.parametrize("isa", network_isa_names())
def test_fp32_agrees_with_onnx_runtime(fp32: Path, rng: np.random.Generator, isa: str) -> None:
    theirs, ours = OnnxRuntimeBackend(DEFAULT, threads=1).context(), NativeBackend(fp32, threads=1, isa=isa).context()
    crops = rng.normal(size=(4, 3, 112, 112)).astype(np.float32)
    for context in (theirs, ours):
        context.input(4)[...] = crops
    np.testing.assert_allclose(ours.run(4)[0], theirs.run(4)[0], atol=1e-4)


def test_engine_takes_the_file_like_any_model(fp32: Path, int8: Path, frame: NDArray[np.uint8]) -> None:
    wanted = poses(None, frame)
    assert len(wanted)
    assert geodesic_deg(wanted.rotation, poses(fp32, frame).rotation).max() < 0.01
    assert geodesic_deg(wanted.rotation, poses(int8, frame).rotation).max() < 2.0
    with hpe_edge.PoseEngine(int8, backend="native") as engine:
        assert engine.spec.input.dtype == "uint8" and engine.spec.precision == "int8"
        assert engine.spec.gate is not None and engine.spec.gate.compared == "native int8 with fp32"
        assert "native code" in repr(engine)


def test_every_path_gives_the_same_bits(int8: Path, rng: np.random.Generator) -> None:
    crops = rng.integers(0, 256, (3, 3, 112, 112), dtype=np.uint8)
    found = []
    for isa in network_isa_names():
        context = NativeBackend(int8, isa=isa).context()
        context.input(3)[...] = crops
        found.append(context.run(3)[0].copy())
    assert np.ptp(found[0]) > 1
    for each in found[1:]:
        np.testing.assert_array_equal(each, found[0])


def test_wrong_choices_are_refused(fp32: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="hpe-edge export native"):
        hpe_edge.PoseEngine(DEFAULT, backend="native")
    with pytest.raises(InputError, match="runs with 'native'"):
        hpe_edge.PoseEngine(fp32, backend="openvino")
    with pytest.raises(InputError, match="'cpu'"):
        hpe_edge.PoseEngine(fp32, device="cuda")
    with pytest.raises(InputError, match="isa"):
        NativeBackend(fp32, isa="mmx")
    with pytest.raises(ModelNotFoundError, match="export native"):
        hpe_edge.PoseEngine(tmp_path / "absent.hpe")
    with pytest.raises(InputError, match="fp32"):
        export(output=tmp_path / "a.hpe")


def test_damaged_files_are_refused(fp32: Path, tmp_path: Path) -> None:
    data = bytearray(fp32.read_bytes())
    damaged = tmp_path / "damaged.hpe"
    for content in (data[:-1], data[:200], data[:300] + b"\1" + data[301:]):
        damaged.write_bytes(content)
        with pytest.raises(ModelError, match=r"damaged\.hpe"):
            hpe_edge.PoseEngine(damaged)


def small_model(kind: str, last: int = 6, **settings: Any) -> onnx.ModelProto:
    """A convolution to 6 x 6 pixels, a node of some kind, and a convolution with a kernel of ``last`` pixels."""
    weights = numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["a"], name="first", kernel_shape=[3, 3]),
        helper.make_node(kind, ["a"], ["b"], name="second", **settings),
        helper.make_node("Conv", ["b", "v"], ["c"], name="third"),
    ]
    weights_after = numpy_helper.from_array(np.ones((2, 4, last, last), np.float32), "v")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])
    output = helper.make_tensor_value_info("c", TensorProto.FLOAT, None)
    return helper.make_model(helper.make_graph(nodes, "g", [image], [output], [weights, weights_after]))


@pytest.mark.parametrize("kind", ["HardSwish", "Sigmoid", "MaxPool", "Softmax"])
def test_other_operators_are_refused_by_name(kind: str) -> None:
    settings = {"kernel_shape": [2, 2], "pads": [1, 1, 1, 1]} if kind == "MaxPool" else {}
    with pytest.raises(ModelError, match=f"second .*{kind}"):
        lower(small_model(kind, **settings), 8)


def test_known_operators_are_lowered() -> None:
    network = lower(small_model("Relu"), 8)
    assert [layer.relu for layer in network.layers] == [True, False]
    assert [network.shapes[name].height for name in ("b", "c")] == [6, 1]


def test_an_output_that_is_a_picture_is_refused() -> None:
    with pytest.raises(ModelError, match="6 x 6"):
        lower(small_model("Relu", last=1), 8)
