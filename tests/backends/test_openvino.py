"""Specifics of OpenVINO: devices, precisions, threads, and telemetry, which is not sent.

That it gives the right answers is tested with the other backend's in test_engine.py, and in degrees in
export/test_openvino_gate.py.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from media import write_picture
from tiny_model import write_tiny_model

import hpe_edge.backends.openvino.compiled_model as openvino_backend
from hpe_edge import BackendError, InputError, ModelError, PoseEngine
from hpe_edge.backends.openvino.compiled_model import OpenVinoBackend, find_device
from hpe_edge.backends.openvino.load_openvino import shared_core, short_error
from hpe_edge.cli.main import main

needs_openvino = pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed")
BOXES = [[10, 10, 50, 60], [60, 20, 90, 45]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("openvino") / "tiny.onnx")


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


class Core:
    """A machine with these devices, each of which computes in these precisions; what is compiled is kept."""

    def __init__(self, **devices: list[str]) -> None:
        self.available_devices = [name.replace("_", ".") for name in devices]
        self._can = dict(zip(self.available_devices, devices.values(), strict=True))
        self.compiled: list[tuple[str, dict[str, str]]] = []

    def get_property(self, device: str, name: str) -> list[str]:
        assert name == "OPTIMIZATION_CAPABILITIES"
        return self._can[device]

    def compile_model(self, graph: Any, device: str, settings: dict[str, str]) -> str:
        self.compiled.append((device, settings))
        return "compiled"


@pytest.mark.parametrize(
    ("there", "asked", "found"),
    [
        (["CPU"], "cpu", "CPU"),
        (["CPU"], "Cpu", "CPU"),
        (["CPU", "GPU"], "gpu", "GPU"),
        (["CPU", "GPU"], "gpu.0", "GPU"),
        (["CPU", "GPU.0", "GPU.1"], "GPU", "GPU.0"),
        (["CPU", "GPU.0", "GPU.1"], "gpu.1", "GPU.1"),
        (["CPU", "NPU"], "npu", "NPU"),
        (["CPU", "TEMPLATE"], "template", "TEMPLATE"),
    ],
)
def test_devices_are_called_as_openvino_calls_them(there: list[str], asked: str, found: str) -> None:
    assert find_device(there, asked) == found


@pytest.mark.parametrize("asked", ["gpu", "GPU.0", "npu", "gpu.1"])
def test_a_device_that_is_not_there(asked: str) -> None:
    with pytest.raises(BackendError, match=rf"finds no {asked.upper()} here, only CPU, GPU\.2: install"):
        find_device(["CPU", "GPU.2"], asked)


@pytest.mark.parametrize("asked", ["cuda", "cuda:0", "auto", "AUTO", "hetero:CPU", "gpu:0", "gpu.x", "gpu.²", "", 0])
def test_what_is_no_device_of_openvinos(asked: Any) -> None:
    with pytest.raises(InputError, match=r"here CPU, GPU"):
        find_device(["CPU", "GPU"], asked)


@needs_openvino
def test_arguments_that_do_not_go_together(model: Path) -> None:
    for arguments, fragment in (
        ({"backend": "openvino", "device": "cuda"}, "one of OpenVINO's"),
        ({"backend": "openvino", "device": ""}, "one of OpenVINO's"),
        ({"backend": "openvino", "crop_on": "cuda"}, "pass device='cuda'"),
        ({"backend": "openvino", "precision": "int8"}, "precision must be one of fp32, bf16, fp16, got 'int8'"),
        ({"precision": "bf16"}, r"backend='openvino'.*export fp16"),
        ({"backend": "onnxruntime", "precision": "fp32"}, "backend='openvino'"),
    ):
        with pytest.raises(InputError, match=fragment):
            PoseEngine(model, **arguments)
    with PoseEngine(model, backend="openvino") as engine, pytest.raises(BackendError, match="on an NVIDIA GPU"):
        engine.frame_buffer(4, 4)


def test_a_missing_package_is_said(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendError, match="`pip install openvino`"):
        PoseEngine(model, backend="openvino")


@needs_openvino
def test_float32_unless_asked_otherwise(model: Path) -> None:
    """Left alone, OpenVINO takes bfloat16 where the CPU has it, and moves the angles by a tenth of a degree."""
    can = shared_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    for precision, kind in ((None, "f32"), ("fp32", "f32"), ("bf16", "bf16")):
        if precision == "bf16" and "BF16" not in can:
            continue
        with PoseEngine(model, backend="openvino", precision=precision) as engine:
            backend = engine._backend
            assert isinstance(backend, OpenVinoBackend)
            assert backend._compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == kind
            assert repr(engine) == f"PoseEngine(tiny, 64x64, OpenVINO in {precision or 'fp32'} on cpu)"


@needs_openvino
@pytest.mark.parametrize(
    ("can", "precision", "fragment"),
    [
        (["FP32", "INT8"], "bf16", "pass precision='fp32'"),
        (["FP16", "INT8"], "fp32", "pass precision='fp16'"),
        (["INT8"], "fp32", "but in none"),
    ],
)
def test_a_precision_that_the_device_lacks_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch, can: list[str], precision: Any, fragment: str
) -> None:
    monkeypatch.setattr(openvino_backend, "shared_core", lambda: Core(CPU=can))
    with pytest.raises(BackendError, match=fragment):
        OpenVinoBackend(model, precision=precision)


@needs_openvino
def test_what_openvino_is_told(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    core = Core(CPU=["FP32", "BF16"], GPU_0=["FP32", "FP16"], GPU_1=["FP32", "FP16"])
    monkeypatch.setattr(openvino_backend, "shared_core", lambda: core)
    for arguments in ({}, {"threads": 3, "precision": "bf16"}, {"device": "gpu.1", "threads": 3, "precision": "fp16"}):
        assert OpenVinoBackend(model, **arguments).device == arguments.get("device", "cpu")
    cpu = {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": "NO"}
    assert core.compiled == [
        ("CPU", {**cpu, "INFERENCE_PRECISION_HINT": "f32"}),
        ("CPU", {**cpu, "INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": "3"}),
        ("GPU.1", {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": "f16"}),
    ]


@needs_openvino
@pytest.mark.parametrize(("threads", "compilations"), [(1, 3), (None, 1)])
def test_callers_with_threads_of_their_own_run_at_the_same_time(
    model: Path, monkeypatch: pytest.MonkeyPatch, threads: int | None, compilations: int
) -> None:
    """A compiled model runs one request at a time."""
    backend = OpenVinoBackend(model, threads=threads)
    made = []
    compiling = backend._compile
    monkeypatch.setattr(backend, "_compile", lambda: made.append(compiling()) or made[-1])
    contexts = [backend.context() for _ in range(3)]
    assert 1 + len(made) == compilations
    for compiled in (backend._compiled, *made):
        assert compiled.get_property("ENABLE_CPU_PINNING") is False
        assert threads is None or compiled.get_property("INFERENCE_NUM_THREADS") == threads
    for k, context in enumerate(contexts):
        context.input(1)[...] = k
    outputs = [context.run(1)[0].copy() for context in contexts]
    assert np.abs(outputs[0] - outputs[1]).max() > 0.1 and np.abs(outputs[1] - outputs[2]).max() > 0.1


@needs_openvino
def test_buffers_are_read_and_written_in_place(model: Path) -> None:
    context = OpenVinoBackend(model).context()
    for count in (2, 1, 8, 2):
        faces = context.input(count)
        faces[...] = count
        (outputs,) = context.run(count)
        request = context._request
        assert request.get_input_tensor().data.ctypes.data == faces.ctypes.data
        assert request.get_output_tensor().data.ctypes.data == outputs.ctypes.data
        assert np.ptp(outputs, axis=0).max() == 0 and np.ptp(outputs) > 1


@needs_openvino
def test_a_run_that_fails_is_said_and_the_next_one_works(
    model: Path, frame: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    with PoseEngine(model, backend="openvino") as engine:
        wanted = engine(frame, BOXES).angles
        (context,) = engine._idle
        request = context._request  # type: ignore[attr-defined]

        def fail(**options: bool) -> None:
            raise RuntimeError("Exception from src/inference/src/cpp/infer_request.cpp:223:\nout of memory\n\n")

        monkeypatch.setattr(request, "infer", fail)
        with pytest.raises(BackendError, match=r"^OpenVINO failed on a batch of 2: out of memory$"):
            engine(frame, BOXES)
        monkeypatch.undo()
        np.testing.assert_array_equal(engine(frame, BOXES).angles, wanted)


@needs_openvino
def test_a_model_that_does_not_start(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Core, *arguments: object) -> None:
        raise RuntimeError("Exception from src/core.cpp:1:\nCheck 'x' failed at y:\nthe shape is dynamic\n")

    monkeypatch.setattr(Core, "compile_model", fail)
    monkeypatch.setattr(openvino_backend, "shared_core", lambda: Core(NPU=["FP16"]))
    with pytest.raises(BackendError, match=r"NPU \(the shape is dynamic\)"):
        OpenVinoBackend(model, device="npu", precision="fp16")


def test_errors_of_nothing_but_places_are_kept() -> None:
    assert short_error(RuntimeError("Exception from src/core.cpp:1:\n")) == "Exception from src/core.cpp:1:"
    assert short_error(RuntimeError("")) == ""


@needs_openvino
def test_an_operator_that_openvino_lacks(tmp_path: Path, model: Path) -> None:
    network = onnx.load(str(model))
    network.graph.node[1].domain, network.graph.node[1].op_type = "somebody.else", "Pool"
    network.opset_import.append(onnx.helper.make_opsetid("somebody.else", 1))
    onnx.save(network, str(tmp_path / "m.onnx"))
    with pytest.raises(ModelError, match=r"somebody\.else\.Pool"):
        PoseEngine(tmp_path / "m.onnx", backend="openvino")


@needs_openvino
def test_a_file_cut_off_anywhere_is_refused_quietly(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its readers of other formats, which OpenVINO would try in turn, write to standard error."""
    whole = model.read_bytes()
    for cut in (*range(0, len(whole), 97), len(whole) - 1):
        (tmp_path / "cut.onnx").write_bytes(whole[:cut])
        with pytest.raises(ModelError, match=r"cut\.onnx"):
            PoseEngine(tmp_path / "cut.onnx", backend="openvino")
    (tmp_path / "cut.onnx").write_bytes(b"")
    with pytest.raises(ModelError, match="it is empty"):
        PoseEngine(tmp_path / "cut.onnx", backend="openvino")
    (tmp_path / "cut.onnx").write_text("<net name='not onnx' version='11'/>")
    with pytest.raises(ModelError, match="cannot be loaded as an ONNX model"):
        PoseEngine(tmp_path / "cut.onnx", backend="openvino")
    assert capfd.readouterr() == ("", "")


@needs_openvino
def test_any_name_of_a_file(tmp_path: Path, model: Path, frame: np.ndarray) -> None:
    for name in ("gesicht äöü 顔.onnx", os.fsdecode(b"\xff.onnx")):
        (tmp_path / name).write_bytes(model.read_bytes())
        assert len(PoseEngine(tmp_path / name, backend="openvino")(frame, BOXES)) == 2


ASK = """
import json, sys
import hpe_edge
engine = hpe_edge.PoseEngine({model!r}, backend="openvino")
loaded = [name for name in sys.modules if name.partition(".")[0] == "openvino_telemetry"]
import openvino_telemetry
print(json.dumps(loaded))
"""


@needs_openvino
def test_openvino_reports_nothing(tmp_path: Path, model: Path) -> None:
    """Its import would write a number for the user into the home folder, and send it with a message."""
    if importlib.util.find_spec("openvino_telemetry") is None:
        pytest.skip("openvino was installed without openvino-telemetry")
    asked_for_silence = {"CI", "TF_BUILD", "JENKINS_URL"}  # which other programs set, and openvino respects
    environment = {k: v for k, v in os.environ.items() if k not in asked_for_silence} | {"HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", ASK.format(model=str(model))],
        check=True,
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    written = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    ours = Path(".cache/hpe_edge/openvino-first-runs")
    assert json.loads(done.stdout) == [] and all(path.parent == ours for path in written)


CTRL_C = """
import gc, os, signal
from hpe_edge import PoseEngine
engines = [PoseEngine({model!r}, backend="openvino") for _ in range(2)]
while engines:
    engines.pop(0).close()
    gc.collect()
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@needs_openvino
def test_ctrl_c_is_answered_after_engines_have_gone(model: Path) -> None:
    """A core that goes can leave the thread a stack for signals that is freed, and the next one kills the process."""
    done = subprocess.run([sys.executable, "-c", CTRL_C.format(model=str(model))], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr


@needs_openvino
def test_from_the_command_line(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_picture(tmp_path / "a.png", seed=0)
    Path("boxes.csv").write_text("file,x1,y1,x2,y2\na.png,30,20,60,50\n")
    run = ["run", "a.png", "--model", str(model), "--boxes", "boxes.csv"]
    printed = []
    for options in ([], ["--backend", "openvino", "--precision", "fp32", "--device", "CPU"]):
        assert main([*run, *options]) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1] and "a.png" in printed[0]
    assert main([*run, "--precision", "bf16"]) == 2
    assert "backend='openvino'" in capsys.readouterr().err
    assert main([*run, "--backend", "openvino", "--device", "cuda"]) == 2
    assert "one of OpenVINO's" in capsys.readouterr().err
    assert main([*run, "--backend", "openvin"]) == 2
    assert "did you mean openvino?" in capsys.readouterr().err
