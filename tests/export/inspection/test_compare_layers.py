"""Layers compared between two graphs: on ONNX Runtime, and through the command on mocks of TensorRT and CUDA."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRT
from onnx import ModelProto, TensorProto, numpy_helper
from tiny_model import write_tiny_model

from export.gate.crops import gate_faces
from export.graph.onnx_file import read_onnx
from export.graph.weighted_layers import name_nodes
from export.inspection import latency
from export.inspection.compare_layers import compare_layers, outputs_by_onnx_runtime
from export.inspection.drift import Drift, drift_table, first_beyond, layer_drifts
from export.inspection.engine_layers import TOLERANCES
from export.inspection.marked_graph import layer_outputs, with_outputs
from export.quantize.fp16_graph import rounding, to_half
from export.quantize.insert_qdq import candidates, quantize, tensors_to_calibrate
from export.step import quiet
from export.trt import build, main
from hpe_edge import InputError
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.models import DEFAULT

Images = np.ndarray


@pytest.fixture(scope="module")
def model() -> ModelProto:
    return read_onnx(DEFAULT)[0]


@pytest.fixture(scope="module")
def faces() -> Images:
    spec = OnnxRuntimeBackend(DEFAULT).spec
    return gate_faces(spec.crop, spec.input).crops[::20]


def in_float32(graph: ModelProto, faces: Images) -> dict[str, np.ndarray]:
    """Run a graph with FP16's rounding, which ONNX Runtime leaves out on a CPU."""
    exact = rounding(graph)
    for output in exact.graph.output:
        output.type.tensor_type.elem_type = TensorProto.FLOAT
    return outputs_by_onnx_runtime(DEFAULT, exact, faces)


def weights_of(graph: ModelProto, node: onnx.NodeProto) -> TensorProto:
    return next(each for each in graph.graph.initializer if each.name == node.input[1])


def change(change: Callable[[np.ndarray], np.ndarray], at: int) -> Callable[[ModelProto], str]:
    """Change the weights of one of the convolutions; the function returns the layer's name."""

    def changed(graph: ModelProto) -> str:
        node = [node for node in graph.graph.node if node.op_type == "Conv"][at]
        tensor = weights_of(graph, node)
        values = numpy_helper.to_array(tensor)
        tensor.CopyFrom(numpy_helper.from_array(change(values).astype(values.dtype), tensor.name))
        return node.name

    return changed


def compare(model: ModelProto, built: ModelProto, faces: Images, tolerance: float = 0.02) -> list[Drift]:
    return compare_layers(DEFAULT, model, built, faces, in_float32, tolerance, quiet)


def test_fp16_drifts_by_its_rounding(model: ModelProto, faces: Images) -> None:
    drifts = compare(model, to_half(model), faces)
    assert [each.kind for each in drifts] == [
        node.op_type for node in model.graph.node if node.op_type not in ("Flatten", "Cast")
    ]
    assert all(2**-13 < each.drift < 2**-9 for each in drifts), "eleven bits of mantissa"
    assert first_beyond(drifts, TOLERANCES["fp16"]) is None
    assert drifts[0].before == 0 and drifts[1].before == drifts[0].drift


@pytest.mark.parametrize("at", [0, 4, 9])
@pytest.mark.parametrize("half", [False, True])
def test_the_first_layer_that_differs_is_named(model: ModelProto, faces: Images, at: int, half: bool) -> None:
    built = to_half(model) if half else ModelProto.FromString(model.SerializeToString())
    name = change(lambda values: values * 1.1, at)(built)
    drifts = compare(model, built, faces)
    first = first_beyond(drifts, 0.02)
    assert first is not None and first.layer == name
    assert first.drift > 10 * first.before
    table = drift_table(drifts, 0.02)
    assert name in table[0] and f"number {drifts.index(first) + 1}," in table[0]
    assert table[3].endswith(f"{name} (Conv)"), "the one that adds most comes first"


def test_an_overflow_is_infinite_drift(model: ModelProto, faces: Images) -> None:
    built = to_half(model)
    name = change(lambda values: np.full_like(values, 6e4), 3)(built)
    drifts = compare(model, built, faces)
    first = first_beyond(drifts, 1e6)
    assert first is not None and first.layer == name and math.isinf(first.drift)
    assert len(drift_table(drifts, 0.02)) > 3


def test_quantization_and_shapes_alone_are_no_layers(tmp_path: Path) -> None:
    graph = onnx.load(write_tiny_model(tmp_path / "tiny.onnx"))
    assert layer_outputs(graph) == {"GlobalAveragePool_1": "pooled", "Gemm_3": "logits"}
    marked = with_outputs(graph, ["pooled", "logits"])
    assert [each.name for each in marked.graph.output] == ["logits", "pooled"]


def test_a_copy_in_fp16_has_the_same_layers(tmp_path: Path) -> None:
    """The converter gives tensors of the head other names."""
    graph = onnx.load(write_tiny_model(tmp_path / "tiny.onnx"))
    graph.graph.node[-1].output[0] = "raw"
    graph.graph.node.append(onnx.helper.make_node("Tanh", ["raw"], ["bent"]))
    graph.graph.node.append(onnx.helper.make_node("Neg", ["bent"], ["logits"]))
    exact, half = layer_outputs(graph), layer_outputs(to_half(graph))
    assert list(exact) == list(half) and list(exact.values()) != list(half.values())


def test_drift_against_its_definition(tmp_path: Path, rng: np.random.Generator) -> None:
    graph = onnx.load(write_tiny_model(tmp_path / "tiny.onnx"))
    pooled, logits = rng.normal(0, 3, (4, 3, 1, 1)), rng.normal(0, 2, (4, 198))
    reference = {"pooled": pooled, "logits": logits, "more": logits}
    first, second = layer_drifts(graph, reference, {"pooled": pooled * 1.01, "logits": logits + 0.5})
    assert (first.layer, second.layer) == ("pooled", "logits")
    assert (first.drift, first.before) == (pytest.approx(0.01), 0)
    assert (second.drift, second.before) == (pytest.approx(0.5 / np.sqrt(np.mean(logits**2))), first.drift)
    assert second.largest == pytest.approx(0.5)
    zero = {"pooled": np.zeros((1, 3)), "logits": np.float32([[np.inf, 1.0]])}
    equal, finite = layer_drifts(graph, zero, {"pooled": np.zeros((1, 3)), "logits": np.float32([[0.0, 1.0]])})
    assert (equal.drift, finite.drift) == (0, 0), "the reference's own infinities do not count"
    assert math.isinf(layer_drifts(graph, zero, {"pooled": np.ones((1, 3))})[0].drift)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., FakeTensorRT]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(latency, "WARMUP", 1)
    monkeypatch.setattr(latency, "MOST_RUNS", 2)
    cuda = FakeCuda().install(monkeypatch)
    return lambda version="10.3.0": FakeTensorRT(cuda, version).install(monkeypatch)


@pytest.mark.parametrize("version", ["8.6.1", "10.0.1", "10.3.0", "11.4.0.106"])
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_the_command_names_the_first_layer(
    install: Callable[..., FakeTensorRT],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    version: str,
    precision: str,
) -> None:
    """It is told before the gate fails."""
    fake = install(version)
    options = ["--batch", "2", "--compare-layers", "-o", str(tmp_path / "x.engine")]
    options += ["--fp16"] if precision == "fp16" else []
    assert main(options) == 0
    assert "none of 26 layers drifts" in capsys.readouterr().out
    assert fake.batches.count(4) == 1, "four faces through the engine with all layers"
    assert len(read_onnx(DEFAULT)[0].graph.output) == 1 and fake.mistakes == []
    names = []
    fake.distort = lambda graph: names.append(change(lambda values: values * 1.2, 5)(graph))
    assert main(options) == 3
    said = capsys.readouterr().out
    assert f"{names[0]} (Conv), drift" in next(line for line in said.splitlines() if "first of 26 layers" in line)
    assert main([*options, "--layer-tolerance", "10"]) == 3
    assert "none of 26 layers drifts beyond 10" in capsys.readouterr().out


def test_what_does_not_go_together(install: Callable[..., FakeTensorRT], tmp_path: Path) -> None:
    install()
    with pytest.raises(InputError, match="needs --compare-layers"):
        build(output=tmp_path / "x.engine", layer_tolerance=0.1)
    with pytest.raises(InputError, match="above 0"):
        build(output=tmp_path / "x.engine", compare_layers=True, layer_tolerance=0.0)
    with pytest.raises(InputError, match="--rtx does without"):
        build(output=tmp_path / "x.rtx", compare_layers=True, rtx=True)
    with pytest.raises(InputError, match="leave --dla out"):
        build(output=tmp_path / "x.engine", compare_layers=True, precision="fp16", dla_core=0, batch=1)


def test_int8_against_float32(model: ModelProto, faces: Images) -> None:
    """The drift grows from the first quantized layer on; a range that clips names its layer."""
    named = ModelProto.FromString(model.SerializeToString())
    name_nodes(named)
    layers = candidates(named)
    tensors = tensors_to_calibrate(named, layers)
    values = outputs_by_onnx_runtime(DEFAULT, with_outputs(named, tensors), faces)
    ranges = {name: float(np.abs(values[name]).max()) for name in tensors}
    drifts = compare(named, quantize(named, layers, ranges), faces)
    by_layer = {each.layer: each for each in drifts}
    first = by_layer[layers[0].name]
    assert first.before == 0 and 2**-9 < first.drift < 2**-4, "eight bits"
    assert max(each.drift for each in drifts[len(drifts) // 2 :]) > first.drift
    clipped = layers[len(layers) // 2]
    drifts = compare(named, quantize(named, layers, {**ranges, clipped.data: ranges[clipped.data] / 20}), faces)
    worst = max(drifts, key=lambda each: each.drift - each.before)
    assert worst.layer == clipped.name and f"{clipped.name} (" in drift_table(drifts, 0.02)[3]
