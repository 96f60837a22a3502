"""``export trt --input-format hwc8`` on doubles of TensorRT and CUDA, and through the real builder of TensorRT-RTX."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import onnx
import pytest
from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRT
from fake_tensorrt_rtx import FakeTensorRTRTX
from onnx import TensorProto, helper, numpy_helper
from tiny_model import write_tiny_model

from export.inspection import latency
from export.step import quiet
from export.tensorrt.build import build_plan
from export.tensorrt.make_rtx import rtx_graph
from export.tensorrt.settings import Settings, Version
from export.trt import build, main
from hpe_edge import BackendError, InputError, PoseEngine
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt
from hpe_edge.backends.tensorrt.plan_file import read_info
from hpe_edge.models import DEFAULT
from tools.rtx_builds import in_precision

VERSIONS = ("8.6.1", "10.0.1", "10.3.0", "10.13.3.9", "11.4.0.106")


@pytest.fixture
def cuda(monkeypatch):
    return FakeCuda().install(monkeypatch)


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(latency, "WARMUP", 1)
    monkeypatch.setattr(latency, "MOST_RUNS", 2)


@pytest.fixture
def model(tmp_path):
    """The tiny network with a convolution in front, which FP16 reaches."""
    path = write_tiny_model(tmp_path / "tiny.onnx")
    graph = onnx.load(path)
    graph.graph.initializer.append(numpy_helper.from_array(np.eye(3, dtype=np.float32)[:, :, None, None], "kernel"))
    graph.graph.node[0].CopyFrom(helper.make_node("Conv", ["image", "kernel"], ["levels"], "first"))
    onnx.save(graph, path)
    return path


@pytest.fixture
def out(tmp_path):
    return tmp_path / "x.engine"


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_takes_pixels(cuda, monkeypatch, model, out, version, capsys):
    FakeTensorRT(cuda, version).install(monkeypatch)
    assert main([str(model), "--fp16", "--input-format", "hwc8", "-o", str(out)]) == 0
    info = read_info(out)
    assert (info.input_format, info.spec.input.dtype) == ("hwc8", "float16")
    assert "--input-format hwc8" in info.rebuild
    assert info.gate is not None and info.gate.limits
    frame = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
    boxes = [[10, 10, 60, 60]] * 21
    with PoseEngine(out) as engine, PoseEngine(model) as reference:
        assert engine._backend.loaded.engine.get_tensor_format("image").name == "HWC8"
        np.testing.assert_allclose(engine(frame, boxes).angles, reference(frame, boxes).angles, atol=0.1)


def test_a_graph_of_fp16_loses_the_cast_behind_its_input(cuda, monkeypatch, model, out):
    FakeTensorRT(cuda, "10.13.3.9").install(monkeypatch)
    build(model, output=out, precision="fp16", input_format="hwc8")
    graph = onnx.load_from_string(out.read_bytes().split(b"\n", 2)[2]).graph
    assert graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT16
    assert [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim][1:] == [8, 64, 64]
    (first,) = [node for node in graph.node if "image" in node.input]
    (kernel,) = [numpy_helper.to_array(each) for each in graph.initializer if each.name == first.input[1]]
    np.testing.assert_array_equal(kernel[:, :, 0, 0], np.eye(3, 8))
    assert "kernel" not in [each.name for each in graph.initializer]


def test_planes_stay_the_default(cuda, monkeypatch, model, out):
    FakeTensorRT(cuda).install(monkeypatch)
    build(model, output=out, precision="fp16")
    info = read_info(out)
    assert (info.input_format, info.spec.input.dtype) == ("linear", "float32")
    assert "--input-format" not in info.rebuild


def test_the_gate_runs_through_the_pixels(cuda, monkeypatch, model, out):
    """A crop in another layout would pass nowhere."""
    FakeTensorRT(cuda).install(monkeypatch)
    monkeypatch.setattr("hpe_edge.backends.tensorrt.runner.planes_of", lambda pixels: pixels[..., 2::-1].swapaxes(1, 3))
    assert main([str(model), "--fp16", "--input-format", "hwc8", "-o", str(out)]) == 3
    assert not out.exists()


def test_layers_are_compared_with_planes(cuda, monkeypatch, model, out, capsys):
    FakeTensorRT(cuda).install(monkeypatch)
    options = ["--fp16", "--input-format", "hwc8", "--compare-layers", "-o", str(out)]
    assert main([str(model), *options]) == 0
    assert "compared with ONNX Runtime" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "hwc8 is FP16: add --fp16"),
        ({"precision": "fp16", "dla_core": 0, "batch": 1}, "a DLA has other formats"),
    ],
)
def test_what_has_no_pixels(model, out, given, message):
    with pytest.raises(InputError, match=message):
        build(model, output=out, input_format="hwc8", **given)


@pytest.mark.parametrize("dtype", [TensorProto.UINT8, TensorProto.FLOAT])
def test_a_network_that_does_not_begin_in_fp16(cuda, monkeypatch, tmp_path, out, dtype):
    FakeTensorRT(cuda).install(monkeypatch)
    path = write_tiny_model(tmp_path / "other.onnx", dtype=dtype)
    if dtype == TensorProto.FLOAT:
        graph = onnx.load(path)  # half, but not at its input
        graph.graph.node.insert(1, helper.make_node("Cast", ["levels"], ["half"], to=TensorProto.FLOAT16))
        graph.graph.node.insert(2, helper.make_node("Cast", ["half"], ["back"], to=TensorProto.FLOAT))
        graph.graph.node[3].input[0] = "back"
        onnx.save(graph, path)
    with pytest.raises(
        InputError, match=r"with an ungrouped convolution in FP16; this one's input 'image' is .*read by"
    ):
        build(path, output=out, precision="fp16", input_format="hwc8")
    assert not out.exists()


def test_pixels_of_fp32_are_refused_by_the_builder(cuda, monkeypatch, model, out):
    """The rule that the double keeps."""
    FakeTensorRT(cuda).install(monkeypatch)
    monkeypatch.setattr("export.tensorrt.prepare_graph._take_pixels", lambda model, half: None)
    monkeypatch.setattr("export.tensorrt.build._take_pixels", _only_formats)
    with pytest.raises(BackendError, match="unsupported by tensor's allowed TensorFormats"):
        build(model, output=out, precision="fp16", input_format="hwc8")


def _only_formats(trt, given):
    given.allowed_formats = 1 << int(trt.TensorFormat.HWC8)


def test_an_engine_of_tensorrt_rtx_takes_pixels(cuda, monkeypatch, model, tmp_path):
    FakeTensorRTRTX(cuda).install(monkeypatch)
    out = build(model, output=tmp_path / "x.rtx", precision="fp16", rtx=True, input_format="hwc8").path
    info = read_info(out)
    assert (info.input_format, info.spec.input.dtype) == ("hwc8", "float16")
    frame = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
    with PoseEngine(out) as engine, PoseEngine(model) as reference:  # the gate runs here
        want = reference(frame, [[10, 10, 60, 60]]).angles
        np.testing.assert_allclose(engine(frame, [[10, 10, 60, 60]]).angles, want, atol=0.1)
    assert read_info(out).gate is not None


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_the_real_builder_copies_no_pixels(precision):
    """The kernel that reads the image is the convolution; of planes it is one that casts and pads."""
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    library = load_tensorrt("tensorrt-rtx")
    version = Version.of(library.__version__, "tensorrt-rtx")
    model, spec = in_precision(onnx.load(DEFAULT), precision), OnnxRuntimeBackend(DEFAULT).spec
    kinds = {}
    for input_format in ("linear", "hwc8"):
        settings = Settings(precision=precision, input_format=input_format)
        ready = rtx_graph(model, spec, settings, version, (1, 4, 16), quiet)
        built = build_plan(
            library, nullcontext(), ready, settings, (1, 4, 16), None, detailed=True, report=quiet, version=version
        )
        reading = [line for line in built.layers.splitlines() if "Inputs: [ { Name: image," in line]
        kinds[input_format] = [line.partition("LayerType: ")[2].partition(",")[0] for line in reading]
    assert kinds == {"linear": ["kgen"], "hwc8": ["correlation"]}


def test_the_real_builder_takes_pixels_in_fp16_alone(model, tmp_path, monkeypatch):
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    monkeypatch.setattr("export.tensorrt.prepare_graph._take_pixels", lambda model, half: None)
    monkeypatch.setattr("export.tensorrt.make_rtx._verify_graph", lambda *args: (None, None))
    monkeypatch.setattr("export.tensorrt.build._take_pixels", _only_formats)
    with pytest.raises(BackendError, match="has dataType Float unsupported by tensor's allowed TensorFormats"):
        build(model, output=tmp_path / "y.rtx", precision="fp16", rtx=True, input_format="hwc8")
