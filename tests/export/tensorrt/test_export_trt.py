"""The command export.trt on doubles of TensorRT and CUDA: what it asks of the builder, writes, says and returns.

No engine of TensorRT's was built here; the double runs the graph that the builder was given in ONNX Runtime.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRT
from onnx import TensorProto, helper, numpy_helper
from tiny_model import write_tiny_model

from export.graph.onnx_file import graph_precision
from export.inspection import latency
from export.quantize.fp16_graph import to_half
from export.tensorrt import progress
from export.trt import build, main
from hpe_edge import BackendError, InputError, PoseEngine
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.backends.tensorrt.plan_file import read_info, sidecar
from hpe_edge.models import DEFAULT
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.version import __version__

VERSIONS = ("8.6.1", "10.3.0", "10.13.3.9", "11.4.0.106")


@pytest.fixture
def cuda(monkeypatch):
    return FakeCuda().install(monkeypatch)


@pytest.fixture
def install(cuda, monkeypatch, tmp_path):
    """Installs the double of a version; the cache folder is one of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(latency, "WARMUP", 1)
    monkeypatch.setattr(latency, "MOST_RUNS", 2)
    return lambda version="10.3.0": FakeTensorRT(cuda, version).install(monkeypatch)


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "tiny.onnx")


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out").mkdir()
    return tmp_path / "out" / "x.engine"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def run(capsys, *argv):
    status = main([str(arg) for arg in argv])
    said = capsys.readouterr()
    return status, said.out, said.err


def write_variant(path, source, *, half=False, quantized=False, opset=17):
    """The tiny model with FP16 weights, with INT8 nodes before the last layer, or in another opset."""
    model = onnx.load(source)
    model.opset_import[0].version = opset
    gemm = model.graph.node[-1]
    constants = [numpy_helper.from_array(np.float32(0.05), "scale"), numpy_helper.from_array(np.int8(0), "zero")]
    if quantized:
        model.graph.initializer.extend(constants)
        nodes = [
            helper.make_node("QuantizeLinear", ["flat", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["dq"]),
        ]
        gemm.input[0] = "dq"
        kept = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend([*kept[:-1], *nodes, kept[-1]])
    if half:
        for tensor in model.graph.initializer:
            if tensor.data_type == TensorProto.FLOAT and tensor.name in ("weight", "bias"):
                tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))
        into, back = gemm.input[0], gemm.output[0]
        gemm.input[0], gemm.output[0] = "half_in", "half_out"
        kept = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend(
            [
                *kept[:-1],
                helper.make_node("Cast", [into], ["half_in"], to=TensorProto.FLOAT16),
                kept[-1],
                helper.make_node("Cast", ["half_out"], [back], to=TensorProto.FLOAT),
            ]
        )
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_explains_itself_and_runs(capsys, cuda, install, model, out, version):
    install(version)
    status, said, errors = run(capsys, model, "-o", out)
    assert (status, errors) == (0, "")
    assert names_in(out.parent) == ["x.engine", "x.engine.json"]
    info = read_info(out)
    assert info.spec == OnnxRuntimeBackend(model).spec
    assert (info.tensorrt, info.gpu, info.compute_capability) == (version, "Fake GPU", "8.7")
    assert (info.precision, info.profile, info.hardware, info.version_compatible) == (
        "fp32",
        (1, 4, 16),
        "same-gpu",
        False,
    )
    assert info.tools["hpe_edge"] == __version__ and info.tools["cuda of the driver"] == "12.4"
    assert info.rebuild == f"hpe-edge export trt {model} -o {out}"
    assert info.gate is not None
    assert (info.gate.compared, info.gate.faces, info.gate.limits) == ("engine with onnx", 64, {"worst_deg": 0.01})
    assert next(iter(json.loads(sidecar(out).read_text()))) == "format"
    for word in (version, "Fake GPU", "fp32", "engine with onnx", "passed", str(out)):
        assert word in said
    with PoseEngine(out) as engine, PoseEngine(model) as reference:
        frame = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
        boxes = [[10, 10, 60, 60]] * 21
        np.testing.assert_allclose(engine(frame, boxes).angles, reference(frame, boxes).angles, atol=1e-3)
    assert set(cuda.leaks()) <= {"primary contexts"}


def test_without_a_model_the_embedded_one_is_built_and_said(capsys, install, tmp_path, monkeypatch):
    install()
    monkeypatch.chdir(tmp_path)
    status, said, errors = run(capsys, "--fp16")
    assert (status, errors) == (0, "")
    assert said.startswith("model       none given: the embedded default, student-v2\n")
    assert {"student-v2.engine", "student-v2.engine.json"} <= set(names_in(tmp_path))
    info = read_info(tmp_path / "student-v2.engine")
    assert (info.spec, info.precision) == (OnnxRuntimeBackend(DEFAULT).spec, "fp16")
    assert info.rebuild == "hpe-edge export trt --fp16 -o student-v2.engine"


def test_the_embedded_model_is_never_replaced(capsys, install):
    install()
    before = DEFAULT.read_bytes()
    status, _, errors = run(capsys, "-o", DEFAULT)
    assert status == 2 and "must name a file that ends in .engine" in errors
    assert DEFAULT.read_bytes() == before


@pytest.mark.parametrize(
    ("version", "precision", "flags", "network"),
    [
        ("8.6.1", "fp16", {"FP16", "OBEY_PRECISION_CONSTRAINTS"}, 1 << 0),  # EXPLICIT_BATCH
        ("10.0.1", "fp16", {"FP16", "OBEY_PRECISION_CONSTRAINTS"}, 0),
        ("10.3.0", "fp16", set(), 1 << 1),  # STRONGLY_TYPED
        ("8.6.1", "int8", {"FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS"}, 1 << 0),
        ("10.3.0", "int8", set(), 1 << 1),
        ("10.13.3.9", "int8", set(), 1 << 1),
        ("11.4.0.106", "int8", set(), 0),
        ("10.13.3.9", "fp32", set(), 1 << 1),
        ("8.6.1", "fp32", set(), 1 << 0),
    ],
)
def test_precision_as_each_version_takes_it(capsys, install, model, out, tmp_path, version, precision, flags, network):
    fake = install(version)
    if precision == "int8":
        model = write_variant(tmp_path / "q.onnx", model, quantized=True)
    options = [] if precision == "fp32" else [f"--{precision}"]
    assert run(capsys, model, *options, "-o", out)[0] == 0
    (config,) = fake.configs
    assert {flag.name for flag in config.flags} == flags, "and TF32 is off"
    assert fake.flags == [network]
    assert read_info(out).precision == precision
    assert bool(config.previews) == (version == "8.6.1"), "callers share the profile"
    limits = {"fp32": {"worst_deg": 0.01}, "fp16": {"mean_deg": 0.05, "worst_deg": 0.3}}
    int8 = {"mean_deg": 1.0, "p99_deg": 3.0, "p999_deg": 2.5, "worst_deg": 5.0}
    assert read_info(out).gate.limits == limits.get(precision, int8)


@pytest.mark.parametrize("variant", ["fp32 file", "fp16 file", "int8 file"])
@pytest.mark.parametrize(
    ("version", "by_flags"), [("8.6.1", True), ("10.0.1", True), ("10.3.0", False), ("10.11.0", False)]
)
def test_no_flag_lets_the_head_run_in_fp16(capsys, install, model, out, tmp_path, variant, version, by_flags):
    """Near 60 degrees FP16 has steps of 0.03; the other layers may run in it."""
    fake = install(version)
    if variant == "fp16 file":
        onnx.save(to_half(onnx.load(model)), model)
    if variant == "int8 file":
        model = write_variant(tmp_path / "q.onnx", model, quantized=True)
    status, said, errors = run(capsys, model, "--int8" if variant == "int8 file" else "--fp16", "-o", out)
    assert (status, errors) == (0, "")
    assert "logits" not in fake.halved
    assert bool(fake.halved) == by_flags == ("the head stays FP32" in said)


def test_a_dla_is_built_by_flags(capsys, install, model, out):
    """TensorRT 10.3 has DLAs for networks by builder flags."""
    fake = install("10.3.0")
    fake.dla_cores = 1
    assert run(capsys, model, "--dla", 0, "--fp16", "--batch", 1, "-o", out)[0] == 0
    assert fake.flags == [0]
    assert {flag.name for flag in fake.configs[0].flags} == {"FP16", "OBEY_PRECISION_CONSTRAINTS", "GPU_FALLBACK"}
    assert "logits" not in fake.halved and fake.halved


def built_graph(path):
    """Return the graph given to the mock's parser."""
    return onnx.load_from_string(path.read_bytes().split(b"\n", 2)[2])


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("version", ["10.0.1", "10.3.0", "10.13.3.9", "11.4.0.106"])
def test_fp16_is_set_in_the_graph_where_there_are_no_flags(capsys, install, model, out, tmp_path, version, precision):
    install(version)
    if precision == "int8":
        model = write_variant(tmp_path / "q.onnx", model, quantized=True)
    status, said, _ = run(capsys, model, f"--{precision}", "-o", out)
    assert status == 0
    assert ("FP16 set in the graph" in said) == (version != "10.0.1")
    built = built_graph(out)
    parts = ["int8"] * (precision == "int8") + ["fp16"] * (version != "10.0.1")
    assert graph_precision(built) == ("+".join(parts) or "fp32")
    for value in (built.graph.input[0], built.graph.output[0]):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT


@pytest.mark.parametrize("version", VERSIONS)
def test_a_graph_in_fp16_is_taken_as_it_is(capsys, install, model, out, tmp_path, version):
    install(version)
    half = write_variant(tmp_path / "half.onnx", model, half=True)
    status, said, _ = run(capsys, half, "--fp16", "-o", out)
    assert status == 0
    assert "set in the graph" not in said


@pytest.mark.parametrize(
    ("variant", "options", "message"),
    [
        ({}, ["--int8"], "no DequantizeLinear nodes"),
        ({"quantized": True}, [], "add --int8"),
        ({"quantized": True}, ["--fp16"], "add --int8"),
        ({"half": True}, [], "add --fp16"),
        ({"opset": 19}, [], "has opset 19, TensorRT 8.6.1 reads up to 17"),
    ],
)  # fmt: skip
def test_a_graph_of_another_precision(capsys, install, model, out, tmp_path, variant, options, message):
    install("8.6.1")
    path = write_variant(tmp_path / "variant.onnx", model, **variant)
    status, _, errors = run(capsys, path, *options, "-o", out)
    assert status == 2
    assert message in errors
    assert names_in(out.parent) == []


def test_newer_versions_read_newer_opsets(capsys, install, model, out, tmp_path):
    install("10.3.0")
    assert run(capsys, write_variant(tmp_path / "new.onnx", model, opset=19), "-o", out)[0] == 0


@pytest.mark.parametrize(
    ("text", "profile", "tuned"),
    [
        ("1,2,8", (1, 2, 8), [(1, 1, 1), (2, 2, 2), (4, 8, 8)]),
        ("1,16,16", (1, 16, 16), [(size, size, size) for size in (1, 2, 4, 8, 16)]),
        ("1,6,40", (1, 6, 40), [(1, 1, 1), (2, 2, 2), (4, 4, 4), (6, 6, 6), (8, 40, 40)]),
        ("2,2,3", (2, 2, 3), [(2, 2, 2), (3, 3, 3)]),
        ("4", (4, 4, 4), []),
        ("1024", (1024,) * 3, []),
    ],
)
def test_batches(capsys, install, model, out, text, profile, tuned):
    """Small batches, whose kernels differ most, have optimisation profiles of their own up to the optimal one."""
    fake = install()
    assert run(capsys, model, "--batch", text, "-o", out)[0] == 0
    assert read_info(out).profile == profile
    (config,) = fake.configs
    shapes = [tuple((count, 3, 64, 64) for count in each) for each in tuned]
    assert [each.shapes for each in config.profiles] == shapes, "a fixed batch needs no profile"
    PoseEngine(out).close()


@pytest.mark.parametrize("text", ["0", "1,2", "4,2,8", "1,2,2000", "x", "", "1,2,3,4", "-1", "1,4,2"])
def test_batches_that_make_no_sense(capsys, install, model, out, text):
    install()
    status, _, errors = run(capsys, model, f"--batch={text}", "-o", out)
    assert status == 2
    assert "MIN,OPT,MAX" in errors


def test_a_file_with_a_fixed_batch(capsys, install, out, tmp_path):
    install()
    model = write_tiny_model(tmp_path / "four.onnx", batch=4)
    assert run(capsys, model, "-o", out)[0] == 0
    assert read_info(out).profile == (4, 4, 4)
    status, _, errors = run(capsys, model, "--batch", "1,2,8", "-o", out)
    assert status == 2
    assert "a fixed batch of 4" in errors


@pytest.mark.parametrize("version", ["8.5.3", "7.2.3.4"])
def test_a_version_that_is_too_old(capsys, install, model, out, version):
    install(version)
    status, _, errors = run(capsys, model, "-o", out)
    assert status == 1
    assert "too old" in errors


def test_options_of_the_build(capsys, cuda, install, model, out):
    fake = install("10.13.3.9")
    options = ["--workspace", 512, "--level", 5, "--version-compatible", "--hardware", "same-capability"]
    assert run(capsys, model, *options, "-o", out)[0] == 0
    (config,) = fake.configs
    assert config.limits == {fake.module.MemoryPoolType.WORKSPACE: 512 << 20}
    assert config.builder_optimization_level == 5
    assert config.hardware_compatibility_level.name == "SAME_COMPUTE_CAPABILITY"
    assert {flag.name for flag in config.flags} == {"VERSION_COMPATIBLE"}
    info = read_info(out)
    assert (info.version_compatible, info.hardware) == (True, "same-capability")
    cuda.devices = [("Other GPU of that kind", (8, 7))]
    PoseEngine(out).close()


def test_an_engine_knows_the_gpu_that_it_was_built_on(capsys, cuda, install, model, out):
    install()
    cuda.multiprocessors, cuda.memory_bytes = 14, 8 << 30
    assert run(capsys, model, "-o", out)[0] == 0
    info = read_info(out)
    assert (info.multiprocessors, info.memory_mb) == (14, 8192)
    PoseEngine(out).close()
    cuda.multiprocessors = 8
    with pytest.raises(BackendError, match=r"14 multiprocessors.* got .* 8 multiprocessors"):
        PoseEngine(out)


def test_what_is_not_asked_for_is_left_to_tensorrt(capsys, install, model, out):
    fake = install()
    assert run(capsys, model, "-o", out)[0] == 0
    (config,) = fake.configs
    assert config.limits == {} and config.builder_optimization_level == 3 and config.DLA_core == -1
    assert config.profiling_verbosity.name == "LAYER_NAMES_ONLY"


def test_a_kind_of_hardware_that_the_version_does_not_know(capsys, install, model, out):
    install("10.3.0")
    status, _, errors = run(capsys, model, "--hardware", "same-capability", "-o", out)
    assert status == 2
    assert "--hardware same-capability needs TensorRT 10.13 or newer, got 10.3.0" in errors
    assert names_in(out.parent) == []


def test_dla(capsys, install, model, out):
    fake = install("8.6.1")
    status, _, errors = run(capsys, model, "--dla", 0, "--fp16", "--batch", 4, "-o", out)
    assert status == 2
    assert "finds 0 DLA cores here" in errors
    fake.dla_cores = 2
    for fake.dla_log in (True, False):  # else the engine's layers say it
        status, said, _ = run(capsys, model, "--dla", 1, "--fp16", "--batch", 4, "-o", out)
        assert status == 0 and "core 1: " in said
    config = fake.configs[-1]
    assert (config.default_device_type.name, config.DLA_core) == ("DLA", 1)
    assert {"FP16", "GPU_FALLBACK"} <= {flag.name for flag in config.flags}
    assert (read_info(out).dla_core, read_info(out).profile) == (1, (4, 4, 4))
    assert run(capsys, model, "--dla", 1, "--batch", 4, "-o", out)[0] == 2, "a DLA has no FP32"


@pytest.mark.parametrize("batch", [[], ["--batch", "1,4,16"]])
def test_a_dla_takes_one_batch_size(capsys, install, model, out, tmp_path, batch):
    """With a range TensorRT would put every layer on the GPU, and say so in warnings alone."""
    install("8.6.1").dla_cores = 1
    status, _, errors = run(capsys, model, "--dla", 0, "--fp16", *batch, "-o", out)
    assert status == 2 and names_in(out.parent) == []
    assert "a DLA runs one batch size" in errors and "--batch 1" in errors
    with pytest.raises(InputError, match="one batch size"):
        build(model, output=out, precision="fp16", dla_core=0, batch=(1, 2, 4))
    fixed = write_tiny_model(tmp_path / "four.onnx", batch=4)
    assert run(capsys, fixed, "--dla", 0, "--fp16", "-o", out)[0] == 0


@pytest.mark.parametrize("log", [True, False])
def test_an_engine_with_nothing_on_the_dla_is_refused(capsys, install, model, out, log):
    fake = install("8.6.1")
    fake.dla_cores, fake.dla_operators, fake.dla_log = 1, {"Resize"}, log
    status, _, errors = run(capsys, model, "--dla", 0, "--fp16", "--batch", 4, "-o", out)
    assert status == 1 and names_in(out.parent) == []
    assert "no layer runs on DLA core 0" in errors and "leave --dla out" in errors


def test_layers_on_request(capsys, install, model, out):
    install()
    status, said, _ = run(capsys, model, "--layers", "-o", out)
    assert status == 0
    lines = [line for line in said.splitlines() if "fake_kernel" in line]
    assert len(lines) == 4
    assert "GlobalAveragePool" in lines[1] and "Half [1, 2]" in lines[1]


def test_latency_of_every_batch_size(install, model, out):
    fake = install()
    built = build(model, output=out)
    assert [(each.faces, each.runs) for each in built.latency] == [(size, 2) for size in (1, 2, 4, 8, 16)]
    assert fake.batches[-3:] == [16] * 3, "a warm-up and two runs"
    assert len([line for line in built.notes if line.startswith("latency: ")]) == 7


def test_latency_is_of_enough_runs_for_a_99th_percentile(monkeypatch):
    now, durations_s = 0.0, iter([5.0] * 50 + [each / 1000 for each in range(1, 101)])

    def run(count):
        nonlocal now
        now += next(durations_s)

    context = SimpleNamespace(input=lambda count: np.empty(count), run=run)
    backend = SimpleNamespace(loaded=SimpleNamespace(buckets=(4,)), context=lambda: context)
    monkeypatch.setattr(latency, "_LONGEST_S", 0.0)
    monkeypatch.setattr(latency, "time", SimpleNamespace(perf_counter=lambda: now))
    said = []
    (found,) = latency.measure_latency(backend, lambda stage, lines: said.extend(lines))
    assert (found.faces, found.runs) == (4, 100)
    assert (found.median_ms, found.p99_ms) == pytest.approx((50.5, 99.01))
    assert said[1].split() == ["4", "50.500", "ms", "99.010", "ms", "79"]


def test_latency_without_a_gpu_is_not_measured():
    said = []
    assert latency.measure_latency(None, lambda stage, lines: said.extend([stage, *lines])) == ()
    assert said[0] == "latency" and "no GPU" in said[1]


def test_timing_cache_is_kept_per_version_and_gpu(capsys, cuda, install, model, out, tmp_path):
    folder = tmp_path / "cache" / "hpe_edge" / "tensorrt"
    install("10.3.0")
    assert "new" in run(capsys, model, "-o", out)[1]
    assert names_in(folder) == ["timing-10.3.0-Fake-GPU-8.7.cache"]
    assert (folder / names_in(folder)[0]).read_bytes() == b"times of 10.3.0; one build"
    assert f"{folder / names_in(folder)[0]}, 26 bytes" in run(capsys, model, "-o", out)[1]
    assert (folder / names_in(folder)[0]).read_bytes() == b"times of 10.3.0; one build one build"
    install("10.13.3.9")
    cuda.devices = [("NVIDIA A10/x", (8, 6))]
    assert run(capsys, model, "-o", out)[0] == 0
    assert names_in(folder) == ["timing-10.13.3.9-NVIDIA-A10-x-8.6.cache", "timing-10.3.0-Fake-GPU-8.7.cache"]


def test_a_timing_cache_that_does_not_fit_is_made_anew(capsys, install, model, out, tmp_path):
    install()
    run(capsys, model, "-o", out)
    (path,) = (tmp_path / "cache" / "hpe_edge" / "tensorrt").iterdir()
    path.write_bytes(b"\0 damaged")
    status, said, _ = run(capsys, model, "-o", out)
    assert status == 0
    assert "does not fit and is replaced" in said
    assert path.read_bytes() == b"times of 10.3.0; one build"


def test_no_place_for_the_timing_cache_spoils_nothing(capsys, install, model, out, tmp_path):
    install()
    (tmp_path / "cache").write_text("a file where the folder would be")
    status, said, _ = run(capsys, model, "-o", out)
    assert status == 0
    assert "the times are not kept" in said


def test_progress_is_that_of_the_outermost_phase(capsys, install, model, out, monkeypatch):
    bars = []

    class Bar:
        def __init__(self, total, desc, **_):
            self.n, self.total, self.seen = 0, total, [desc]
            bars.append(self)

        def update(self, count):
            self.n += count

        def set_postfix_str(self, text):
            self.seen.append(text)

        def close(self):
            self.seen.append("closed")

    monkeypatch.setattr(progress, "tqdm", Bar)
    install("8.6.1")
    assert run(capsys, model, "-o", out)[0] == 0 and bars == []
    install("10.3.0")
    assert run(capsys, model, "-o", out)[0] == 0
    (bar,) = bars
    assert (bar.n, bar.total) == (3, 3)
    assert bar.seen == ["Building Engine", "Tactic Selection", "closed"]


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0"])
def test_the_parsers_errors_give_node_function_code_and_log(capsys, install, model, out, version):
    """The description alone may be "false", the condition of an assertion."""
    fake = install(version)
    fake.unsupported = {"Flatten"}
    status, _, errors = run(capsys, model, "-o", out)
    assert status == 1
    for part in ("node 'flat' (Flatten)", "UNSUPPORTED_NODE", "importFlatten", "no importer registered"):
        assert part in errors
    assert names_in(out.parent) == []


@pytest.mark.parametrize("fails", [False, True])
def test_warnings_of_the_build_are_shown_once(capsys, install, model, out, fails):
    fake = install()
    fake.warnings, fake.fail_build = ["weights are subnormal in FP16", "no fast FP16 here"], "no tactic" * fails
    status, said, _ = run(capsys, model, "-o", out)
    assert status == int(fails)
    lines = said.splitlines()
    for text in fake.warnings:
        assert sum(text in line for line in lines) == 1
    assert out.exists() != fails


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0", "11.4.0.106"])
def test_a_network_runs_on_one_stream(capsys, install, model, out, version):
    """Auxiliary streams would need memory of their own."""
    fake = install(version)
    assert run(capsys, model, "--batch", 4, "-o", out)[0] == 0
    assert fake.configs[0].max_aux_streams == 0


def test_the_builders_errors_are_shown(capsys, install, model, out):
    fake = install()
    fake.fail_build = "Could not find any implementation for node {ForeignNode[/features/0/Conv]}."
    status, _, errors = run(capsys, model, "-o", out)
    assert status == 1
    assert "/features/0/Conv" in errors and "nobody asked for" not in errors
    assert names_in(out.parent) == []


def test_a_builder_that_does_not_start(capsys, install, model, out):
    fake = install()

    def none(logger):
        raise TypeError("pybind11::init(): factory function returned nullptr")

    fake.module.Builder = none
    status, _, errors = run(capsys, model, "-o", out)
    assert status == 1
    assert "builder does not start" in errors


def spoil(model):
    """One logit of the yaw head is moved."""
    for tensor in model.graph.initializer:
        if tensor.name == "bias":
            values = numpy_helper.to_array(tensor).copy()
            values[0] += 1
            tensor.CopyFrom(numpy_helper.from_array(values, "bias"))


def test_changed_angles_fail_the_gate_and_leave_no_file(capsys, install, model, out):
    install().distort = spoil
    out.write_bytes(b"older")
    status, said, errors = run(capsys, model, "-o", out)
    assert status == 3
    assert "FAILED" in said and "engine with onnx" in errors
    assert "hpe-edge export int8" in errors and "--worst-deg" in errors
    assert names_in(out.parent) == ["x.engine"] and out.read_bytes() == b"older"


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
def test_the_gate_looks_at_every_batch_size(capsys, install, model, out, size):
    install().spoilt_batches = {size}
    status, _, errors = run(capsys, model, "-o", out)
    compared = {1: "a single face with the same in a batch", 16: "engine with onnx"}
    assert status == 3 and compared.get(size, f"engine with onnx, in batches of {size}") in errors
    assert names_in(out.parent) == []


@pytest.mark.parametrize("size", [128, 256])
def test_the_gate_fills_batches_larger_than_its_crops(capsys, install, model, out, size):
    install().spoilt_batches = {size}
    status, _, errors = run(capsys, model, "--batch", "1,1,256", "-o", out)
    assert status == 3 and ("engine with onnx" if size == 256 else f"in batches of {size}") in errors


def test_limits_can_be_set(capsys, install, model, out):
    install().distort = spoil
    assert run(capsys, model, "--worst-deg", 90, "--mean-deg", 80, "--p999-deg", 85, "-o", out)[0] == 0
    assert read_info(out).gate.limits == {"mean_deg": 80.0, "p999_deg": 85.0, "worst_deg": 90.0}
    assert "--mean-deg 80.0 --p999-deg 85.0 --worst-deg 90.0" in read_info(out).rebuild


def test_faces_of_ones_own(capsys, install, model, out):
    install()
    assert run(capsys, model, "--images", FOLDER, "--boxes", BOXES, "-o", out)[0] == 0
    assert read_info(out).gate.source == f"{FOLDER.name}, 2 faces varied to 64 crops"
    assert run(capsys, model, "--boxes", BOXES, "-o", out)[0] == 2


@pytest.mark.parametrize("version", ["8.6.1", "11.4.0.106"])
def test_a_checkpoint_is_converted_first(capsys, install, checkpoint, out, tmp_path, monkeypatch, version):
    fake = install(version)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    status, said, errors = run(capsys, checkpoint, "--fp16", "-o", out)
    assert (status, errors) == (0, "")
    assert "lightweight (recognised" in said and "onnx with pytorch" in said and "engine with onnx" in said
    info = read_info(out)
    assert info.spec.architecture == "lightweight"
    assert info.spec.origin.checkpoint == "weights.pth"
    assert info.spec.gate.compared == "onnx with pytorch"
    half = [each for each in built_graph(out).graph.initializer if each.data_type == TensorProto.FLOAT16]
    if version == "8.6.1":
        assert {flag.name for flag in fake.configs[0].flags} == {"FP16", "OBEY_PRECISION_CONSTRAINTS"} and half == []
    else:
        assert fake.configs[0].flags == set() and len(half) > 40
        assert info.gate.worst_deg > 1e-4, "the double computes in FP16, too"
    assert not list((tmp_path / "temporary").glob("hpe_edge*"))


def test_an_unknown_checkpoint(capsys, install, out, tmp_path):
    install()
    unknown = tmp_path / "unknown.pth"
    torch = pytest.importorskip("torch")
    torch.save({"layer.weight": torch.zeros(3, 3)}, unknown)
    status, _, errors = run(capsys, unknown, "-o", out)
    assert status == 1
    assert "unknown.pth" in errors
    assert names_in(out.parent) == []


def test_int8_of_a_checkpoint_names_the_steps(capsys, install, checkpoint, out):
    install()
    status, _, errors = run(capsys, checkpoint, "--int8", "-o", out)
    assert status == 2
    assert "export onnx" in errors and "export int8" in errors


@pytest.mark.parametrize(
    ("name", "content", "options", "status", "message"),
    [
        ("gone.onnx", None, [], 1, "there is no model"),
        ("x.engine", b"plan", [], 2, "is an engine already"),
        ("bad.onnx", b"no model", [], 1, "cannot be loaded as an ONNX model"),
        ("tiny.onnx", "own", ["--arch", "hopenet"], 2, "--arch and --trust"),
        ("tiny.onnx", "own", ["--device", "cpu"], 2, "runs on a GPU"),
        ("tiny.onnx", "own", ["--fp16", "--int8"], 2, "not allowed with"),
        ("tiny.onnx", "own", ["-o", "model.onnx"], 2, "must name a file that ends in .engine or .plan"),
        ("tiny.onnx", "own", ["-o", "nowhere/x.engine"], 1, "make the folder first"),
        ("tiny.onnx", "own", ["--workspace", "0"], 2, "megabytes"),
        ("tiny.onnx", "own", ["--level", "6"], 2, "invalid choice"),
    ],
)
def test_wrong_input(capsys, install, model, tmp_path, monkeypatch, name, content, options, status, message):
    install()
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        Path(name).write_bytes(content)
    got, _, errors = run(capsys, name, *options)
    assert got == status
    assert message in errors
    assert not list(tmp_path.glob("*.tmp*")) and not list(tmp_path.glob(".*.tmp*"))


def test_default_name(capsys, install, model, tmp_path, monkeypatch):
    install()
    monkeypatch.chdir(tmp_path)
    status, said, _ = run(capsys, "tiny.onnx")
    assert status == 0
    assert "in place of" not in said
    assert read_info(Path("tiny.engine")).rebuild == "hpe-edge export trt tiny.onnx -o tiny.engine"
    assert "in place of the file that was there" in run(capsys, "tiny.onnx")[1]


def test_a_model_without_a_spec(capsys, install, out, tmp_path):
    install()
    status, _, errors = run(capsys, write_tiny_model(tmp_path / "bare.onnx", spec=None), "-o", out)
    assert status == 1
    assert "no hpe_edge spec" in errors


def test_outputs_that_the_spec_does_not_name_are_left_out(capsys, install, model, out, tmp_path):
    install()
    more = onnx.load(model)
    more.graph.output.append(helper.make_tensor_value_info("flat", TensorProto.FLOAT, ["N", 3]))
    onnx.save(more, tmp_path / "more.onnx")
    assert run(capsys, tmp_path / "more.onnx", "-o", out)[0] == 0
    PoseEngine(out).close()


@pytest.mark.parametrize("missing", ["tensorrt", "cuda.bindings.runtime", "onnx"])
def test_a_package_is_absent(capsys, install, model, out, monkeypatch, missing):
    install()
    monkeypatch.setitem(sys.modules, missing, None)
    status, _, errors = run(capsys, model, "-o", out)
    assert status == 1
    assert (
        f"needs {'TensorRT' if missing == 'tensorrt' else missing.replace('.bindings.runtime', '-bindings')}" in errors
    )


def test_no_gpu(capsys, cuda, install, model, out):
    install()
    cuda.devices = []
    status, _, errors = run(capsys, model, "-o", out)
    assert status == 1
    assert "no working NVIDIA GPU" in errors


def test_out_of_device_memory_at_the_gate(capsys, cuda, install, model, out):
    install()
    cuda.memory_bytes = 1000
    status, _, errors = run(capsys, model, "-o", out)
    assert status == 1
    assert "out of memory" in errors
    assert names_in(out.parent) == []


def test_disk_full(capsys, install, model, out, monkeypatch):
    install()
    original = Path.write_bytes

    def full(path, content):
        if path.suffix == ".engine":
            original(path, content[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    status, _, errors = run(capsys, model, "-o", out)
    assert status == 1
    assert "No space left" in errors and "make room" in errors
    assert names_in(out.parent) == []


# Runs the command in a process of its own, on the mocks; the build waits at its first step for a signal.
SCRIPT = """
import atexit, sys, time
for name in ("torch", "onnxsim"):
    sys.modules[name] = None  # an import fails: an ONNX file needs neither
import fake_tensorrt
from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRT
from pytest import MonkeyPatch

patches = MonkeyPatch()
fake = FakeTensorRT(FakeCuda().install(patches), sys.argv[1]).install(patches)

def wait(step):
    print("building", flush=True)
    time.sleep(0.5 if fake.numbers >= (10,) else 60)

def build(self, *given):
    try:
        return original(self, *given)
    finally:
        print("the build has ended", flush=True)

original = fake_tensorrt.Builder.build_serialized_network
fake_tensorrt.Builder.build_serialized_network = build
fake.at_step = wait if sys.argv[2] == "wait" else fake.at_step
atexit.register(print, "libraries are unloaded")
from export.trt import interrupt_on_signals, main

interrupt_on_signals()
sys.exit(main(sys.argv[3:]))
"""


def start(version, mode, *argv, folder):
    """Start it; ``mode`` is "wait" or "go"."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, version, mode, *map(str, argv)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(folder)},
    )


@pytest.mark.parametrize("version", ["8.6.1", "10.3.0", "11.4.0.106"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_build_and_leaves_nothing(model, out, tmp_path, version, number):
    """Versions without a progress monitor cannot be stopped; the process then ends although the build does not."""
    process = start(version, "wait", model, "-o", out, folder=tmp_path / "cache")
    assert process.stdout is not None
    for line in process.stdout:
        if line == "building\n":
            break
    process.send_signal(number)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert ("stopping" in errors) == (version != "8.6.1")
    assert errors.endswith("; nothing was written\n")
    assert said.splitlines() == ([] if version == "8.6.1" else ["the build has ended", "libraries are unloaded"])
    assert names_in(out.parent) == []


@pytest.mark.parametrize("version", ["10.3.0", "11.4.0.106"])
def test_an_onnx_file_needs_no_torch(model, out, tmp_path, version):
    process = start(version, "go", model, "--fp16", "-o", out, folder=tmp_path / "cache")
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert names_in(out.parent) == ["x.engine", "x.engine.json"]
