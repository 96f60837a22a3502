"""Every call that the exporter and the backend make, against the real member names of five versions of TensorRT, and
against the real signatures where NVIDIA's bindings are at hand.

The names are facts about the published Python bindings, kept in ``../shared/data``. The bindings themselves are looked
for in the folder that ``HPE_EDGE_TENSORRT_BINDINGS`` names, as ``../shared/tools/stub_tensorrt.py`` lays them out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from fake_cuda import FakeCuda
from tensorrt_mocks import MockTensorRT, names_of
from tiny_model import tiny_spec, write_tiny_model

from export.inspection.run_plan import run_plan
from export.step import quiet
from export.tensorrt.build import Built, build_plan
from export.tensorrt.layer_table import dla_layers, layer_table
from export.tensorrt.settings import Settings, Version
from hpe_edge import BackendError, InputError, ModelError
from hpe_edge.backends.tensorrt.plan_file import EngineInfo, digest
from hpe_edge.backends.tensorrt.runner import TensorRTBackend
from hpe_edge.cuda.device import Device

VERSIONS = ("8.6.1", "10.3.0", "10.13.3.9", "10.16.1.11", "11.4.0.106")
INFO = EngineInfo(
    spec=tiny_spec(),
    tensorrt="",
    gpu="Fake GPU",
    compute_capability="8.7",
    precision="fp16",
    profile=(1, 4, 16),
    plan_bytes=4,
    plan_sha256=digest(b"plan"),
    rebuild="",
    version_compatible=True,
    dla_core=1,
)

Build = Callable[..., Built]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda().install(monkeypatch)


@pytest.fixture(params=VERSIONS)
def trt(request: pytest.FixtureRequest, data: Path, monkeypatch: pytest.MonkeyPatch) -> MockTensorRT:
    mock = MockTensorRT(names_of(data, request.param), request.param)
    monkeypatch.setitem(sys.modules, "tensorrt", mock.module)
    return mock


@pytest.fixture
def build(cuda: FakeCuda, trt: MockTensorRT, tmp_path: Path) -> Build:
    model = onnx.load(write_tiny_model(tmp_path / "tiny.onnx"))

    def run(settings: Settings, profile: tuple[int, int, int] = (1, 4, 16)) -> Built:
        with Device(0) as gpu:
            return build_plan(
                trt.module, gpu, model, settings, profile, tmp_path / "cache", detailed=True, report=quiet
            )

    return run


def everything(trt: MockTensorRT) -> list[Settings]:
    """All options that the version has."""
    settings = Settings(
        precision="int8", workspace_mb=64, level=5, version_compatible=True, hardware="ampere-plus", dla_core=1
    )
    if "SAME_COMPUTE_CAPABILITY" not in (trt.names["HardwareCompatibilityLevel"] or ()):
        return [settings]
    return [settings, replace(settings, hardware="same-capability")]


def test_the_build(trt: MockTensorRT, build: Build) -> None:
    for settings in (Settings(), Settings(precision="fp16"), *everything(trt)):
        assert build(settings) == Built(b"plan")
    assert build(Settings(), (4, 4, 4)) == Built(b"plan")
    config = trt.objects["IBuilderConfig"]
    flags = {call.args[0].name for call in config.set_flag.call_args_list}
    typed = Version.of(trt.module.__version__).typed(Settings(dla_core=1))
    precisions = set() if typed else {"FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS"}
    if not typed:
        assert trt.objects["ILayer"].precision.name == "FLOAT"
        assert trt.objects["ILayer"].set_output_type.call_args.args == (0, trt.module.DataType.FLOAT)
    assert flags == {"VERSION_COMPATIBLE", "GPU_FALLBACK", *precisions}
    assert {call.args[0].name for call in config.clear_flag.call_args_list} == {"TF32"}
    pool, limit = config.set_memory_pool_limit.call_args.args
    assert (pool.name, limit) == ("WORKSPACE", 64 << 20)
    assert config.builder_optimization_level == 5 and config.max_aux_streams == 0
    assert (config.default_device_type.name, config.DLA_core) == ("DLA", 1)
    assert config.profiling_verbosity.name == "DETAILED"


def test_an_input_of_pixels(trt: MockTensorRT, build: Build) -> None:
    assert build(Settings(precision="fp16", input_format="hwc8")) == Built(b"plan")
    given = trt.objects["ITensor"]
    assert trt.objects["INetworkDefinition"].get_input.call_args.args == (0,)
    assert given.allowed_formats == 1 << int(trt.module.TensorFormat.HWC8)
    assert given.dtype == trt.module.DataType.HALF


def test_the_networks_flags(trt: MockTensorRT, build: Build) -> None:
    build(Settings())
    (flags,) = trt.objects["Builder"].create_network.call_args.args
    version = trt.module.__version__
    name = "EXPLICIT_BATCH" if version.startswith("8") else None if version.startswith("11") else "STRONGLY_TYPED"
    assert flags == (1 << int(trt.module.NetworkDefinitionCreationFlag[name]) if name else 0)


def test_what_a_version_lacks_is_told(trt: MockTensorRT, build: Build) -> None:
    settings = Settings(hardware="same-capability")
    if settings in [replace(Settings(), hardware=each.hardware) for each in everything(trt)]:
        assert build(settings) == Built(b"plan")
        return
    with pytest.raises(InputError, match="same-capability needs TensorRT"):
        build(settings)


def test_errors_of_parser_and_builder(trt: MockTensorRT, build: Build) -> None:
    trt.objects["OnnxParser"].parse.return_value = False
    with pytest.raises(ModelError, match=r"node 'levels' \(Cast\): UNSUPPORTED_NODE in importCast: why not"):
        build(Settings())
    trt.objects["OnnxParser"].parse.return_value = True
    trt.objects["Builder"].build_serialized_network.return_value = None
    with pytest.raises(BackendError, match="cannot build the engine"):
        build(Settings())


def test_a_timing_cache_that_does_not_fit(trt: MockTensorRT, build: Build) -> None:
    trt.objects["IBuilderConfig"].set_timing_cache.side_effect = [False, True]
    assert build(Settings()) == Built(b"plan")


def test_the_progress_monitor(trt: MockTensorRT, build: Build) -> None:
    build(Settings())
    if "progress_monitor" not in (trt.names["IBuilderConfig"] or ()):
        return
    monitor = trt.objects["IBuilderConfig"].progress_monitor
    assert isinstance(monitor, trt.module.IProgressMonitor)
    monitor.phase_start("Building", None, 2)
    assert monitor.step_complete("Building", 0) is True
    monitor.phase_finish("Building")
    for name in trt.names["IProgressMonitor"] or ():
        assert callable(getattr(monitor, name)), "TensorRT would call what is not there"


def test_the_backend(cuda: FakeCuda, trt: MockTensorRT) -> None:
    backend = TensorRTBackend(Path("x.engine"), b"plan", replace(INFO, tensorrt=trt.module.__version__))
    context = backend.context()
    for count in (3, 3, 1):
        context.input(count)[...] = 0.5
        (logits,) = context.run(count)
        assert logits.shape == (count, 198) and logits.dtype == np.float32
    execution = trt.objects["IExecutionContext"]
    assert execution.set_optimization_profile_async.call_args.args[0] == 0
    assert {call.args[0] for call in execution.set_tensor_address.call_args_list} == {"image", "logits"}
    assert [call.args for call in execution.set_input_shape.call_args_list] == [
        ("image", (size, 3, 64, 64)) for size in (16, 8, 4, 2, 1)
    ]
    assert execution.execute_async_v3.call_count == 10, "a first run and one capture for each size"
    assert layer_table(trt.module, backend.loaded.engine) == ["layer  kind  gives  kernel", "conv"]
    assert dla_layers(trt.module, backend.loaded.engine) == []
    assert trt.objects["Runtime"].engine_host_code_allowed is True
    assert trt.objects["Runtime"].DLA_core == 1
    backend.close()
    assert cuda.leaks() == {}


def run_all_layers(trt: MockTensorRT) -> dict[str, np.ndarray]:
    """A run of an engine of fixed batch."""
    shapes = {"image": (4, 3, 64, 64), "logits": (4, 198)}
    trt.objects["ICudaEngine"].get_tensor_shape.side_effect = shapes.__getitem__
    with Device(0) as gpu:
        return run_plan(trt.module, gpu, b"plan", np.zeros(shapes["image"], np.float32), version_compatible=True)


def test_a_run_of_all_layers(cuda: FakeCuda, trt: MockTensorRT) -> None:
    assert {name: values.shape for name, values in run_all_layers(trt).items()} == {"logits": (4, 198)}
    assert trt.objects["IExecutionContext"].execute_async_v3.call_count == 1
    assert trt.objects["Runtime"].engine_host_code_allowed is True
    trt.objects["IExecutionContext"].execute_async_v3.return_value = False
    with pytest.raises(BackendError, match="failed to run all layers"):
        run_all_layers(trt)
    trt.objects["Runtime"].deserialize_cuda_engine.return_value = None
    with pytest.raises(BackendError, match="cannot load the engine"):
        run_all_layers(trt)
    assert set(cuda.leaks()) <= {"primary contexts"}


def test_the_mocks_have_no_other_names(trt: MockTensorRT) -> None:
    """Foundation of the tests above."""
    with pytest.raises(AttributeError):
        _ = trt.module.CaffeParserOfTheFuture
    with pytest.raises(AttributeError):
        trt.objects["IBuilderConfig"].max_workspace_sizes = 1
    eleven = trt.module.__version__.startswith("11")
    assert hasattr(trt.module.BuilderFlag, "FP16") != eleven
    assert hasattr(trt.objects["ICudaEngine"], "create_execution_context_without_device_memory") != eleven


# Reads calls from standard input and compares them with what pybind11 wrote into the docstrings of the real bindings.
CHECK = """
import json, re, sys
import tensorrt as trt

assert trt.__version__ == sys.argv[1], trt.__version__
wrong = []

def signatures(method):
    for line in (method.__doc__ or "").splitlines():
        found = re.match(r"(?:\\d+\\. )?\\w+\\((self: .*)\\) ->", line)
        if found:
            parts = re.split(r", (?=\\w+: )", found.group(1))[1:]
            yield [(part.partition(":")[0], " = " in part) for part in parts]

calls = json.load(sys.stdin)
for kind, name, count, words in calls:
    fits = False
    for known in signatures(getattr(getattr(trt, kind), name)):
        rest = known[count:]
        names = [word for word, _ in rest]
        needed = {word for word, optional in rest if not optional}
        fits |= count <= len(known) and set(words) <= set(names) and needed <= set(words)
    if not fits:
        wrong.append(f"{kind}.{name} with {count} arguments and {words}")
for kind, name in json.loads(sys.argv[2]):
    member = getattr(getattr(trt, kind), name)
    if not isinstance(member, property) or member.fset is None:
        wrong.append(f"{kind}.{name} cannot be set")
print(len(calls), "calls")
sys.exit("; ".join(wrong) or 0)
"""
SET = [
    ("IBuilderConfig", "builder_optimization_level"),
    ("IBuilderConfig", "hardware_compatibility_level"),
    ("IBuilderConfig", "default_device_type"),
    ("IBuilderConfig", "DLA_core"),
    ("IBuilderConfig", "max_aux_streams"),
    ("IBuilderConfig", "profiling_verbosity"),
    ("ITensor", "allowed_formats"),
    ("Runtime", "engine_host_code_allowed"),
    ("Runtime", "DLA_core"),
]


# What does not need TensorRT's libraries, on the real bindings.
USE = """
import tensorrt as trt
from export.tensorrt.build import _network_flags
from export.tensorrt.progress import Watch
from export.tensorrt.settings import Settings, Version
from hpe_edge.backends.tensorrt.load_tensorrt import Messages, load_tensorrt

assert load_tensorrt() is trt
messages, severity = Messages(trt), trt.ILogger.Severity
for level in (severity.INFO, severity.ERROR, severity.WARNING, severity.INTERNAL_ERROR, severity.VERBOSE):
    messages.logger.log(level, f"{level}".rpartition(".")[2])
assert messages.take() == "ERROR; INTERNAL_ERROR", messages.take()
assert messages.take_warnings() == ["WARNING"]
version = Version.of(trt.__version__)
assert _network_flags(trt, version, typed=version.typed(Settings())) in (0, 1, 2)
monitor = Watch(trt).monitor
assert (monitor is not None) == (version.numbers >= (10,))
if monitor is not None:
    monitor.phase_start("Building", None, 2)
    assert monitor.step_complete("Building", 0) is True
    monitor.phase_finish("Building")
assert tuple(trt.Dims((1, 3, 64, 64))) == (1, 3, 64, 64)
for kind in (trt.Builder, trt.Runtime):
    try:
        kind(messages.logger)
    except TypeError:
        pass
"""


def test_what_needs_no_library_works_on_the_real_bindings(trt: MockTensorRT) -> None:
    said = with_bindings(trt.module.__version__, USE, [])
    assert said.returncode == 0, said.stderr


def with_bindings(version: str, script: str, arguments: list[str], given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a script where ``import tensorrt`` finds the real bindings; skip where they are not at hand."""
    root = os.environ.get("HPE_EDGE_TENSORRT_BINDINGS")
    if root is None or not (Path(root) / version).is_dir():
        pytest.skip(f"HPE_EDGE_TENSORRT_BINDINGS names no folder with the bindings of TensorRT {version}")
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        input=given,
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(root) / version)},
    )


def test_arguments_fit_the_real_signatures(cuda: FakeCuda, trt: MockTensorRT, build: Build) -> None:
    version = trt.module.__version__
    for settings in (Settings(precision="fp16"), *everything(trt)):
        build(settings)
    trt.objects["OnnxParser"].parse.return_value = False
    with pytest.raises(ModelError):
        build(Settings())
    backend = TensorRTBackend(Path("x.engine"), b"plan", replace(INFO, tensorrt=version))
    backend.context().run(3)
    layer_table(trt.module, backend.loaded.engine)
    backend.close()
    run_all_layers(trt)
    calls = trt.calls()
    assert len(calls) >= 30, "the mocks have lost sight of the calls"
    settable = [*SET]
    older = "ExecutionContextAllocationStrategy" not in trt.names
    settable += [("IExecutionContext", "device_memory")] if older else [("IBuilderConfig", "progress_monitor")]
    settable += [] if version.startswith("11") else [("ILayer", "precision")]
    said = with_bindings(version, CHECK, [version, json.dumps(settable)], json.dumps(calls))
    assert said.returncode == 0, said.stderr
