"""The suite ``frame-to-angles`` with torch on the CPU for its GPU, and the network and pipelines by themselves."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import pytest
import reference
from fake_cuda import FakeCuda
from fake_launches import FakeLaunches

import benchmarks.gpu.frame_to_angles as suite
import benchmarks.gpu.gpu
from benchmarks.__main__ import main
from benchmarks.baselines.plain_pipelines import in_whole_pixels, window
from benchmarks.gpu.gpu_chains import Libraries
from benchmarks.gpu.torch_network import TorchNetwork
from benchmarks.gpu.torch_pipelines import TorchDecoding, TorchPipelines
from benchmarks.inputs.scene import bundled_scene
from hpe_edge import PoseEngine
from hpe_edge.errors import InputError
from hpe_edge.geometry import difference_deg
from hpe_edge.models import DEFAULT
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import AngleHead, AnglesDecode, BinHead, BinsDecode, ModelSpec

torch = pytest.importorskip("torch")


@pytest.fixture
def network() -> TorchNetwork:
    return TorchNetwork(torch, DEFAULT, suite.read_model().outputs, "cpu")


def test_torch_runs_the_embedded_network(network: TorchNetwork, rng: np.random.Generator) -> None:
    spec = suite.read_model()
    images = rng.normal(0, 1, (3, 3, spec.input.size, spec.input.size)).astype(np.float32)
    want = onnxruntime.InferenceSession(str(DEFAULT)).run(spec.outputs, {spec.input.name: images})
    got = network(torch.from_numpy(images))
    assert len(got) == len(want)
    for found, wanted in zip(got, want, strict=True):
        np.testing.assert_allclose(found.numpy(), wanted, atol=1e-3)


def test_convolutions_with_uneven_padding_strides_groups_and_a_plain_gemm(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    arrays = {
        "filter": rng.normal(0, 1, (4, 2, 3, 3)),
        "bias": rng.normal(0, 1, 4),
        "dense": rng.normal(0, 1, (4 * 5 * 6, 7)),
    }
    nodes = [
        onnx.helper.make_node("Conv", ["x", "filter", "bias"], ["y"], pads=[0, 0, 1, 2], strides=[2, 2], group=2),
        onnx.helper.make_node("Flatten", ["y"], ["flat"]),
        onnx.helper.make_node("Gemm", ["flat", "dense"], ["z"]),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "g",
        [value("x", 1, [2, 4, 11, 12])],
        [value("z", 1, [2, 7])],
        [onnx.numpy_helper.from_array(array.astype(np.float32), name) for name, array in arrays.items()],
    )
    path = tmp_path / "net.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), path)
    x = rng.normal(0, 1, (2, 4, 11, 12)).astype(np.float32)
    (want,) = onnxruntime.InferenceSession(str(path)).run(None, {"x": x})
    (got,) = TorchNetwork(torch, path, ["z"], "cpu")(torch.from_numpy(x))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-4)


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    value = onnx.helper.make_tensor_value_info
    nodes = [onnx.helper.make_node("Erf", ["x"], ["y"])]
    graph = onnx.helper.make_graph(nodes, "g", [value("x", 1, [1])], [value("y", 1, [1])])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "net.onnx")
    with pytest.raises(InputError, match=r"net\.onnx has the operator Erf"):
        TorchNetwork(torch, tmp_path / "net.onnx", ["y"], "cpu")


def test_the_pipelines_agree_with_the_engine(network: TorchNetwork) -> None:
    spec = suite.read_model()
    frame, crowd = bundled_scene().crowd
    frame, boxes = np.array(frame), in_whole_pixels(crowd, spec.crop)
    with PoseEngine(DEFAULT, upright=None) as engine:
        want = engine(frame, boxes).angles
    windows = [window(box, spec.crop) for box in boxes]
    pipelines = TorchPipelines(torch, network, spec, "cpu")
    calls: list[Any] = [pipelines.face_by_face, pipelines.batched, pipelines.on_the_gpu]
    for call in calls:
        np.testing.assert_allclose(call(frame, windows), want, atol=suite.ANGLES["angles_deg"])
    np.testing.assert_allclose(pipelines.on_the_gpu(torch.from_numpy(frame), windows), want, atol=0.2)


def bins_spec(order: Literal["xyz", "zxy"], circular: bool) -> ModelSpec:
    """Spec of a network with outputs of yaw and roll together, and of pitch."""
    around = (-178.5, 3.0, 120, True) if circular else (-99.0, 3.0, 66, False)
    heads = (BinHead("b", 2, *around), BinHead("a", 0, 97.5, -3.0, 66), BinHead("b", 130, *around))
    return replace(suite.read_model(), outputs=["a", "b"], decode=BinsDecode(*heads, order))


@pytest.mark.parametrize("circular", [False, True])
@pytest.mark.parametrize("order", ["xyz", "zxy"])
def test_bins_of_any_pose(order: Literal["xyz", "zxy"], circular: bool, rng: np.random.Generator) -> None:
    """Compare with float64 definitions and the engine's decode, for heads turned to all sides."""
    spec = bins_spec(order, circular)
    assert isinstance(spec.decode, BinsDecode)
    outputs = [rng.normal(0, 1, (500, width)).astype(np.float32) for width in (66, 250)]
    heads = (spec.decode.yaw, spec.decode.pitch, spec.decode.roll)
    parts = [outputs[spec.outputs.index(head.output)][:, head.column : head.column + head.count] for head in heads]
    for part in parts:  # mostly in one bin and its neighbour
        at = rng.integers(0, part.shape[1] - 1, len(part))
        part[np.arange(len(part)), at] += 12
        part[np.arange(len(part)), at + 1] += 11
    got = TorchDecoding(torch, spec, "cpu")([torch.from_numpy(output) for output in outputs])
    yaw, pitch, roll = (
        reference.decode_bins(part, head.first_deg, head.step_deg, head.circular)[0]
        for part, head in zip(parts, heads, strict=True)
    )
    for i in range(len(got)):
        turned = reference.ry(yaw[i])
        want = (
            reference.rx(-pitch[i]) @ turned @ reference.rz(roll[i])
            if order == "xyz"
            else reference.rz(roll[i]) @ reference.rx(-pitch[i]) @ turned
        )
        np.testing.assert_allclose(reference.rotation(*got[i]), want, atol=1e-4)
    away = np.abs(np.abs(got[:, 0]) - 90) > 1  # at profile, pitch and roll are not unique
    engine = DecodeHeads(spec)(outputs).angles
    apart = np.abs(difference_deg(got, engine))[away]
    assert away.sum() > 400 and apart.max() < 0.01


def test_a_model_without_bins() -> None:
    heads = (AngleHead("logits", column) for column in range(3))
    spec = replace(suite.read_model(), decode=AnglesDecode(*heads), sigma=None)
    with pytest.raises(InputError, match="decode bins, and student-v2 gives angles"):
        TorchDecoding(torch, spec, "cpu")


class Deferred(TorchNetwork):
    """A network whose work on the double's memory waits its turn on the double's stream, as on a GPU."""

    cuda: FakeCuda
    stream: int

    def __call__(self, images: Any) -> list[Any]:
        there = images.data_ptr() in self.cuda._blocks
        found = super().__call__(images)
        if there:

            def work() -> None:
                for to, value in zip(found, super(Deferred, self).__call__(images), strict=True):
                    to.copy_(value)

            self.cuda.enqueue(self.stream, work)
        return found


def test_the_suite_on_the_double(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cuda = FakeCuda().install(monkeypatch)
    launches = FakeLaunches(cuda).install(monkeypatch)
    monkeypatch.setattr(benchmarks.gpu.gpu.native.probe_cuda, "runtime_version", 13000, raising=False)
    monkeypatch.setattr(Deferred, "cuda", cuda, raising=False)
    monkeypatch.setattr(suite, "TorchNetwork", Deferred)
    monkeypatch.setattr(suite, "FACES", (2,))
    # torch's own memory is not the double's.
    check = cuda.check_range
    known = lambda address: any(start <= address < start + len(block) for start, (block, _) in cuda._blocks.items())  # noqa: E731
    monkeypatch.setattr(cuda, "check_range", lambda at, size, there: check(at, size, there) if known(at) else None)

    class Torch:
        __version__ = torch.__version__

        def __getattr__(self, name: str) -> Any:
            return getattr(torch, name)

        @staticmethod
        def as_tensor(lent: Any, device: str) -> Any:
            described = type("Described", (), {"__array_interface__": dict(lent.__cuda_array_interface__)})
            return torch.from_numpy(np.asarray(described()))

    def find(gpu: benchmarks.gpu.gpu.Gpu, cleanup: Any) -> Libraries:
        Deferred.stream = gpu.stream
        return Libraries(Torch(), None, None, {"cupy": "absent"}, "cpu", {"torch": gpu.record})

    monkeypatch.setattr(suite, "find_libraries", find)
    path = tmp_path / "run.json"
    assert main(["frame-to-angles", "--quick", "--json", str(path)]) == 0
    document = json.loads(path.read_text())
    facts, result = document["results"]
    assert facts["parameters"]["gpu"] == "Fake GPU" and "torchvision" in facts["parameters"]["transforms"]
    assert [row["name"].split(",")[0] for row in result["rows"]] == ["hpe_edge"] * 2 + ["torchvision"] * 4
    assert all(row["differences"]["angles_deg"]["largest"] < 0.2 for row in result["rows"])
    assert set(launches.made) == {"boxes", "stretch", "decode"} and cuda.launches > 5
    assert cuda.leaks() == {}


def test_without_torch(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    cuda = FakeCuda().install(monkeypatch)
    FakeLaunches(cuda).install(monkeypatch)
    monkeypatch.setattr(benchmarks.gpu.gpu.native.probe_cuda, "runtime_version", 13000, raising=False)
    assert main(["frame-to-angles", "--quick"]) == 1
    assert "torch runs the network of this suite: torch" in capsys.readouterr().err
    assert cuda.leaks() == {}
