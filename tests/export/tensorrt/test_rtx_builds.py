"""Every family through the real parser and builder of TensorRT-RTX, which need no GPU: the layers that it makes.

It stands for TensorRT 10.12 and newer, which reads the same typed graphs. A few families are built by default;
HPE_EDGE_ALL_RTX_BUILDS=fp16 builds all in FP16, as .ci/run does, =1 all in every precision. The kernels must be those
of the committed table.
"""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from pathlib import Path

import onnx
import pytest
from tiny_model import write_tiny_model

from export import zoo
from export.trt import build, main
from hpe_edge import BackendError, ModelError, PoseEngine
from hpe_edge.backends.tensorrt.plan_file import read_info

trt = pytest.importorskip(
    "tensorrt_rtx_bindings",
    reason="TensorRT-RTX is not installed: pip install tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs",
)

from export.graph.weighted_layers import head_nodes, layers_of  # noqa: E402
from export.inspection.marked_graph import layer_outputs, with_outputs  # noqa: E402
from export.step import quiet  # noqa: E402
from export.tensorrt.build import build_plan  # noqa: E402
from export.tensorrt.prepare_graph import prepare_graph  # noqa: E402
from export.tensorrt.rtx_layers import int8_use, share  # noqa: E402
from export.tensorrt.settings import Settings, Version  # noqa: E402
from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt  # noqa: E402
from tools.rtx_builds import (  # noqa: E402
    VARIANTS,
    build_rtx,
    figures,
    in_precision,
    untrained,
)

FAMILIES = ("student-dense", "lightweight", "fsanet-1x1")
TABLE = Path(__file__).resolve().parents[3] / "benchmarks/results/intel-xeon-rtx-builds.json"
MACHINES_OWN = ("build_seconds", "plan_bytes")
# FP32 products of activations after the head, which cannot become convolutions.
NOT_FOR_TURING = ("face-landmarker",)
EVERY = os.environ.get("HPE_EDGE_ALL_RTX_BUILDS", "")


@pytest.fixture(scope="module", params=zoo.names() if EVERY else FAMILIES)
def family(request):
    """A family's graph and spec."""
    return untrained(request.param)


def committed(architecture, precision, hardware):
    """A row of the committed table; None where this TensorRT-RTX is another one."""
    results = json.loads(TABLE.read_text())["results"]
    (library,) = (each["parameters"] for each in results if each["name"] == "library")
    if library["tensorrt_rtx"] != trt.__version__:
        return None
    wanted = {"model": architecture, "precision": precision, "for": hardware}
    (row,) = (each["figures"] for each in results if each["parameters"] == wanted)
    return {name: each for name, each in row.items() if name not in MACHINES_OWN}


def near(row):
    """The builder is not quite deterministic: student-v2 in FP32 has 15 or 17 kernels, from process to process."""
    near_by = {"kernels": {"rel": 0.2}, "fp16_percent": {"abs": 3}, "int8_percent": {"abs": 3}}
    return {name: pytest.approx(each, **near_by[name]) if name in near_by else each for name, each in row.items()}


@pytest.mark.parametrize(("precision", "hardware"), VARIANTS)
def test_every_family_is_built_in_the_precision_asked_for(family, precision, hardware):
    model, spec = family
    if EVERY == "fp16" and (precision, hardware) != ("fp16", VARIANTS[0][1]) and spec.architecture not in FAMILIES:
        pytest.skip("HPE_EDGE_ALL_RTX_BUILDS=1 builds this family in every precision")
    try:
        source = in_precision(model, precision)
    except ModelError as refused:
        assert precision == "int8"
        pytest.skip(str(refused))
    if hardware == "turing" and spec.architecture in NOT_FOR_TURING:
        with pytest.raises(BackendError, match="FP32 GEMM is not supported"):
            build_rtx(source, spec, precision, hardware)
        return
    built = build_rtx(source, spec, precision, hardware)
    assert built.plan_bytes > 0 and built.head(), "the head's layers are in the list"
    if (row := committed(spec.architecture, precision, hardware)) is not None:
        found = {name: each for name, each in figures(built).items() if name not in MACHINES_OWN}
        assert found == near(row), "run python -m benchmarks rtx-builds --json FILE, and docs/figures.py"
    for layer in built.head():
        assert set(layer.constants) <= {"FP32"} and set(layer.writes) == {"FP32"}, layer
    if precision == "fp32":
        types = {each for layer in built.layers for each in (*layer.reads, *layer.constants, *layer.writes)}
        assert types.isdisjoint({"FP16", "INT8"})
        return
    head = {node.name for node in head_nodes(built.graph)}
    inner = {each.name for each in layers_of(built.graph)} - head
    kernels = [layer for layer in built.layers if layer.kind != "kgen" and inner & set(layer.nodes)]
    assert [layer for layer in kernels if not {"FP16", "INT8"} & set(layer.reads)] == []
    if precision == "int8":
        use = int8_use(built.graph, built.layers)
        assert use.computed == use.asked > 0
        assert use.fused == 0, "TensorRT-RTX fuses INT8 now: withdraw the advice against it"
        return
    assert share(built.layers, "INT8") == 0 < len(kernels)


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_every_layer_can_be_an_output(family, precision, tmp_path):
    """As ``--compare-layers`` builds it, here without running it."""
    model, spec = family
    source = in_precision(model, precision)
    version = Version.of(trt.__version__, "tensorrt-rtx")
    settings, profile = Settings(precision=precision), (4, 4, 4)
    ready = prepare_graph(source, spec, settings, version, profile, quiet)
    names = list(layer_outputs(ready).values())
    assert layer_outputs(ready).keys() == layer_outputs(source).keys() and len(names) > len(source.graph.output)
    marked = with_outputs(ready, names)
    library = load_tensorrt("tensorrt-rtx")
    built = build_plan(
        library, nullcontext(), marked, settings, profile, None, detailed=False, report=quiet, version=version
    )
    assert built.plan


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "tiny.onnx")


def test_the_command_writes_an_engine_that_needs_a_gpu_to_run(model, tmp_path, capsys):
    out = tmp_path / "tiny.rtx"
    assert main([str(model), "--rtx", "--layers", "-o", str(out)]) == 0
    said = capsys.readouterr().out
    assert f"TensorRT-RTX {trt.__version__}" in said and "FP32 > FP32" in said and "unverified" in said
    assert "latency     not measured" in said
    info = read_info(out)
    assert (info.tensorrt, info.plan_bytes, info.gate) == (trt.__version__, out.stat().st_size, None)
    runtime = trt.Runtime(trt.Logger(trt.Logger.INTERNAL_ERROR))
    if runtime.deserialize_cuda_engine(out.read_bytes()) is None:  # no driver here
        with pytest.raises(BackendError, match=r"no working NVIDIA GPU here|needs cuda-bindings"):
            PoseEngine(out)


@pytest.mark.parametrize("batch", [1, (2, 4, 8)])
def test_batches_are_those_asked_for(model, tmp_path, batch):
    written = build(model, output=tmp_path / "tiny.rtx", rtx=True, batch=batch).path
    assert read_info(written).profile == ((1, 1, 1) if batch == 1 else batch)


def test_the_parser_names_the_node_that_it_refuses(model, tmp_path, monkeypatch):
    graph = onnx.load(model)
    node = next(each for each in graph.graph.node if each.op_type == "GlobalAveragePool")
    node.op_type, node.name, node.domain = "Nonsense", "culprit", "nowhere"
    monkeypatch.setattr("export.tensorrt.make_rtx.rtx_graph", lambda *args: graph)
    monkeypatch.setattr("export.tensorrt.make_rtx._verify_graph", lambda *args: (None, None))
    with pytest.raises(ModelError, match=rf"TensorRT-RTX {trt.__version__} cannot parse the graph: node 'culprit'"):
        build(model, output=tmp_path / "tiny.rtx", rtx=True)
    assert list(tmp_path.glob("*.rtx*")) == []


def test_turing_needs_the_head_as_a_convolution(monkeypatch):
    """The first half fails when TensorRT-RTX learns FP32 products for Turing: the conversion can go then."""
    network, spec = untrained("student-dense")
    monkeypatch.setattr("export.tensorrt.make_rtx.products_to_convolutions", lambda graph: graph)
    with pytest.raises(BackendError, match="FP32 GEMM is not supported"):
        build_rtx(network, spec, "fp32", "turing")
    monkeypatch.undo()
    assert build_rtx(network, spec, "fp32", "turing").plan_bytes > 0


def test_int8_is_advised_against(model, tmp_path, capsys, monkeypatch):
    network, spec = untrained("student-dense")
    path = tmp_path / "int8.onnx"
    quantized = in_precision(network, "int8")
    onnx.helper.set_model_props(quantized, {"hpe_edge.spec": spec.to_json()})
    onnx.save(quantized, path)
    # Made-up ranges change the angles of the graph, not the difference to itself.
    assert main([str(path), "--rtx", "--int8", "-o", str(tmp_path / "int8.rtx")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "12 of 12 layers compute from INT8" in said and "--fp16 has fewer kernels" in said


@pytest.mark.parametrize(
    ("kind", "call", "takes"),
    [
        ("ICudaEngine", "create_runtime_config", ()),
        (
            "ICudaEngine",
            "create_execution_context",
            ("runtime_config: tensorrt_rtx_bindings.tensorrt_rtx.IRuntimeConfig",),
        ),
        ("IRuntimeConfig", "set_execution_context_allocation_strategy", ("strategy: ",)),
        ("IRuntimeConfig", "create_runtime_cache", ()),
        ("IRuntimeConfig", "set_runtime_cache", ("cache: ",)),
        ("IRuntimeCache", "deserialize", ("blob: ", "-> bool")),
        ("IRuntimeCache", "serialize", ("IHostMemory",)),
        ("IExecutionContext", "set_device_memory", ("memory: ", "size: ")),
        ("IExecutionContext", "set_optimization_profile_async", ("profile_index: ", "stream_handle: ")),
    ],
)
def test_calls_that_need_a_gpu_have_the_real_signatures(kind, call, takes):
    signature = getattr(getattr(trt, kind), call).__doc__
    for part in takes:
        assert part in signature


def test_members_that_need_a_gpu_exist():
    assert isinstance(trt.IRuntimeConfig.dynamic_shapes_kernel_specialization_strategy, property)
    assert trt.DynamicShapesKernelSpecializationStrategy.EAGER and trt.ExecutionContextAllocationStrategy.USER_MANAGED
    assert isinstance(trt.ICudaEngine.device_memory_size_v2, property)
