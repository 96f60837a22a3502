"""Face detectors in native code: export, equality with ONNX Runtime, paths, refusals."""

from __future__ import annotations

import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.nn import functional

import hpe_edge
from export.native import export, export_detector
from export.native.agreement import AgreementLimits, DetectorsDisagree, compare
from export.native.hpe_file import to_bytes
from export.native.integers import fold_input, measured_tensors, stored_tensors, to_floats, to_integers
from export.native.lower import lower_detector
from hpe_edge._native import NativeNetwork, NativeRun, network_isa_names
from hpe_edge.backends.native.native_session import NativeSession
from hpe_edge.boxes.overlap import iou
from hpe_edge.errors import InputError, ModelError
from hpe_edge.faces.detector import VideoDetector
from hpe_edge.models import FACE_DETECTOR
from hpe_edge.samples import FOLDER
from hpe_edge.spec import Input


@pytest.fixture(scope="module")
def fp32(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_detector(output=tmp_path_factory.mktemp("detector") / "fp32.hpe", fp32=True).path


@pytest.fixture(scope="module")
def int8(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_detector(output=tmp_path_factory.mktemp("detector") / "int8.hpe", calibration_images=FOLDER).path


@pytest.fixture
def frame() -> NDArray[np.uint8]:
    return np.asarray(cv2.imread(str(FOLDER / "astronaut.jpg")), np.uint8)


def outputs_of(path: Path, pictures: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return list(session.run(None, {session.get_inputs()[0].name: pictures}))


@pytest.mark.parametrize("isa", network_isa_names())
def test_fp32_agrees_with_onnx_runtime(fp32: Path, rng: np.random.Generator, isa: str) -> None:
    session = NativeSession(fp32, isa=isa)
    names = [each.name for each in session.get_outputs()]
    assert names[:3] == ["score_8", "box_8", "points_8"] and not session.takes_levels
    for size in ((64, 192), (128, 128)):
        pictures = rng.normal(size=(2, 3, *size)).astype(np.float32)
        for got, wanted in zip(
            session.run(names, {"image": pictures}), outputs_of(FACE_DETECTOR, pictures), strict=True
        ):
            np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_every_path_gives_the_same_bits(int8: Path, rng: np.random.Generator) -> None:
    pictures = rng.integers(0, 256, (2, 3, 128, 192), dtype=np.uint8)
    found = []
    for isa in network_isa_names():
        session = NativeSession(int8, isa=isa)
        found.append(session.run([each.name for each in session.get_outputs()], {"image": pictures}))
    assert all(np.ptp(each) > 0 for each in found[0])
    for others in found[1:]:
        for got, wanted in zip(others, found[0], strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_the_file_finds_what_the_graph_finds(fp32: Path, int8: Path, frame: NDArray[np.uint8]) -> None:
    wanted = hpe_edge.open_detector(FACE_DETECTOR)(frame)
    assert len(wanted)
    for path, least, apart in ((fp32, 0.999, 1e-4), (int8, 0.85, 0.1)):
        found = hpe_edge.open_detector(path)(frame)
        assert len(found) == len(wanted)
        assert np.diag(iou(found.boxes, wanted.boxes)).min() > least
        np.testing.assert_allclose(found.scores, wanted.scores, atol=apart)
        assert found.keypoints is not None and wanted.keypoints is not None
        side = (wanted.boxes[:, 3] - wanted.boxes[:, 1]).max()
        np.testing.assert_allclose(found.keypoints, wanted.keypoints, atol=0.1 * side)


def test_in_an_engine_a_video_and_many_threads(int8: Path, frame: NDArray[np.uint8]) -> None:
    with hpe_edge.PoseEngine(detector=int8) as engine:
        assert len(engine(frame)) == 1
    detector = hpe_edge.open_detector(int8, threads=2)
    wanted = detector(frame).drawn
    assert isinstance(detector, VideoDetector)
    schedule = detector.for_video()
    assert [len(schedule(frame)) for _ in range(4)] == [1] * 4
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(detector))(frame).drawn, wanted)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(detector, [frame] * 8):
            np.testing.assert_array_equal(found.drawn, wanted)


def test_no_runtime_is_loaded(int8: Path) -> None:
    code = (
        "import sys, numpy, hpe_edge\n"
        f"hpe_edge.open_detector({str(int8)!r})(numpy.zeros((90, 120, 3), numpy.uint8))\n"
        "sys.exit('onnxruntime' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_files_are_told_apart(fp32: Path, tmp_path: Path, frame: NDArray[np.uint8]) -> None:
    with pytest.raises(ModelError, match="--detector"):
        hpe_edge.PoseEngine(fp32)
    pose = export(output=tmp_path / "pose.hpe", fp32=True).path
    with pytest.raises(ModelError, match="head-pose model"):
        hpe_edge.open_detector(pose)
    damaged = tmp_path / "damaged.hpe"
    damaged.write_bytes(fp32.read_bytes()[:-1])
    with pytest.raises(ModelError, match=r"damaged\.hpe"):
        hpe_edge.open_detector(damaged)
    with pytest.raises(InputError, match="fp32"):
        export_detector(output=tmp_path / "a.hpe")


def test_the_gate_notices_another_detector(fp32: Path, frame: NDArray[np.uint8], tmp_path: Path) -> None:
    original, same = hpe_edge.open_detector(FACE_DETECTOR), hpe_edge.open_detector(fp32)
    strict = AgreementLimits(0.0, 0.999, 1e-3)
    strict.require(compare(original, same, 0.55, [frame]), "")
    shifted = lambda picture: same(np.roll(picture, 9, axis=1))  # noqa: E731
    for other in (shifted, lambda picture: same(picture[:40])):
        with pytest.raises(DetectorsDisagree):
            strict.require(compare(original, other, 0.55, [frame]), "")
    with pytest.raises(ModelError, match="no face"):
        compare(original, same, 0.55, [np.zeros_like(frame)])


class Pyramid(nn.Module):
    """Pairs of pointwise and depthwise convolutions, maxima, a top-down path from features behind a ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 16, 3, 2, 1)
        self.fine, self.coarse = self.pair(16, 24), self.pair(24, 24)
        self.merge = self.pair(24, 24)
        self.score, self.place = self.pair(24, 1), self.pair(24, 14)

    @staticmethod
    def pair(inputs: int, outputs: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.Conv2d(outputs, outputs, 3, 1, 1, groups=outputs))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = functional.max_pool2d(functional.relu(self.first(x)), 2)
        fine = functional.relu(self.fine(x))
        coarse = functional.relu(self.coarse(functional.max_pool2d(fine, 2)))
        merged = functional.relu(self.merge(fine + functional.interpolate(coarse, scale_factor=2.0, mode="nearest")))
        rows = [self.score(merged), self.place(merged), self.score(coarse), self.place(coarse)]
        cells = [each.permute(0, 2, 3, 1).flatten(1, 2) for each in rows]
        return [cells[0].sigmoid(), cells[1][..., :4], cells[1][..., 4:], cells[2].sigmoid(), cells[3]]


@pytest.fixture(scope="module")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("pyramid") / "pyramid.onnx"
    axes = {"image": {0: "batch", 2: "height", 3: "width"}}
    torch.onnx.export(
        Pyramid().eval(), (torch.zeros(1, 3, 32, 64),), str(path), input_names=["image"], dynamic_axes=axes,
        opset_version=17, dynamo=False,
    )  # fmt: skip
    return path


def run(data: bytes, pictures: NDArray[Any], isa: str = "") -> list[NDArray[np.float32]]:
    network = NativeNetwork(file=data, isa=isa)
    found = [np.zeros((len(pictures), *each), np.float32) for each in network.output_shapes(*pictures.shape[2:])]
    NativeRun(network=network, threads=1).run(pictures, found)
    return found


def test_yunet_s_form_in_floats(pyramid: Path, rng: np.random.Generator) -> None:
    network = lower_detector(onnx.load(pyramid))
    assert network.multiple == 8
    data = to_bytes(to_floats(network), "{}")
    for size in ((16, 40), (64, 8)):
        pictures = rng.normal(size=(2, 3, *size)).astype(np.float32)
        for isa in network_isa_names():
            for got, wanted in zip(run(data, pictures, isa), outputs_of(pyramid, pictures), strict=True):
                np.testing.assert_allclose(got, wanted, atol=1e-5)


def test_yunet_s_form_in_integers(pyramid: Path, rng: np.random.Generator) -> None:
    from export.quantize.calibrate import find_bounds

    model = onnx.load(pyramid)
    network = lower_detector(model)
    levels = rng.integers(0, 256, (4, 3, 32, 48), dtype=np.uint8)
    plain = Input(32, "BGR", 1.0, (127.5,) * 3, (128.0,) * 3)
    pictures = (levels.astype(np.float32) - 127.5) / 128
    ranges = find_bounds(pyramid, model, measured_tensors(network), pictures)
    folded, pads = fold_input(network, plain)
    data = to_bytes(to_integers(folded, pads, stored_tensors(folded, ranges)), "{}")
    found = run(data, levels)
    for got, wanted in zip(found, outputs_of(pyramid, pictures), strict=True):
        # A few steps of 1/255 of each tensor's range.
        np.testing.assert_allclose(got, wanted, atol=0.08 * np.ptp(wanted))
    for isa in network_isa_names():
        for got, same in zip(run(data, levels, isa), found, strict=True):
            np.testing.assert_array_equal(got, same)


def detector_graph(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """A convolution to "a", the given nodes from it to "cells", which becomes the output."""
    constants = [
        numpy_helper.from_array(np.ones((4, 3, 3, 3), np.float32), "w"),
        numpy_helper.from_array(np.ones((4, 4, 1, 1), np.float32), "v"),
        numpy_helper.from_array(np.array([1, 1, 2, 2], np.float32), "twice"),
        numpy_helper.from_array(np.array([1, 1, 3, 3], np.float32), "thrice"),
        numpy_helper.from_array(np.array([0, -1, 4]), "shape"),
    ]
    first = helper.make_node("Conv", ["image", "w"], ["a"], name="first", strides=[2, 2], pads=[1] * 4)
    ends = [
        helper.make_node("Transpose", ["cells"], ["rows"], perm=[0, 2, 3, 1]),
        helper.make_node("Reshape", ["rows", "shape"], ["score"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, "H", "W"])
    output = helper.make_tensor_value_info("score", TensorProto.FLOAT, None)
    return helper.make_model(helper.make_graph([first, *nodes, *ends], "g", [image], [output], constants))


def node(kind: str, inputs: list[str], output: str, **settings: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], name=kind, **settings)


LAST = node("Conv", ["b", "v"], "cells")


def test_a_small_graph_is_lowered() -> None:
    assert lower_detector(detector_graph(node("Relu", ["a"], "b"), LAST)).multiple == 2


@pytest.mark.parametrize(
    ("nodes", "what"),
    [
        ([node("Resize", ["a", "", "twice"], "b", mode="nearest"), LAST], "upsampled"),
        ([node("Resize", ["a", "", "thrice"], "b", mode="nearest"), LAST], "Resize"),
        ([node("Resize", ["a", "", "twice"], "b", mode="linear"), LAST], "Resize"),
        ([node("MaxPool", ["a"], "b", kernel_shape=[2, 2], strides=[2, 2], pads=[1] * 4), LAST], "MaxPool"),
        ([node("MaxPool", ["a"], "b", kernel_shape=[2, 3]), LAST], "MaxPool"),
        ([node("GlobalAveragePool", ["a"], "b"), LAST], "whole picture"),
        ([node("Sigmoid", ["a"], "b"), LAST], "Sigmoid"),
        ([node("Relu", ["a"], "cells")], "Relu"),
    ],
)
def test_other_graphs_are_refused(nodes: list[onnx.NodeProto], what: str) -> None:
    with pytest.raises(ModelError, match=what):
        lower_detector(detector_graph(*nodes))
