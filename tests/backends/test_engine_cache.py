"""PoseEngine on ONNX files with backend="tensorrt": the cache of engines, on mocks of TensorRT and CUDA."""

from __future__ import annotations

import errno
import logging
import os
import signal
import sys
import threading
import types
from pathlib import Path

import numpy as np
import onnx
import pytest
from fake_cuda import FakeCuda
from fake_tensorrt import FakeTensorRT
from onnx import numpy_helper
from tiny_model import write_tiny_model

from export.inspection import latency
from hpe_edge import BackendError, HpeEdgeError, InputError, ModelError, OutputError, PoseEngine
from hpe_edge.backends.tensorrt.plan_file import read_info, sidecar
from hpe_edge.cli.main import main
from hpe_edge.samples import PHOTO
from hpe_edge.util.signals import StopSignals

LOGGER = "hpe_edge.backends.tensorrt.engine_cache"


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda().install(monkeypatch)


@pytest.fixture
def trt(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeTensorRT:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(latency, "WARMUP", 1)
    monkeypatch.setattr(latency, "MOST_RUNS", 2)
    return FakeTensorRT(cuda).install(monkeypatch)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx")


def engines(folder: Path) -> list[Path]:
    """The plans in the cache."""
    return sorted((folder / "cache" / "hpe_edge" / "tensorrt" / "engines").rglob("*.engine"))


def leftovers(folder: Path) -> list[str]:
    """Names in the engines' folder but locks."""
    found = (folder / "cache" / "hpe_edge" / "tensorrt" / "engines").rglob("*")
    return sorted(path.name for path in found if path.is_file() and path.suffix != ".lock")


def use(model: Path | None, **arguments: object) -> None:
    PoseEngine(model, backend="tensorrt", **arguments).close()  # type: ignore[arg-type]


def test_the_first_use_builds_and_later_ones_load(
    trt: FakeTensorRT,
    cuda: FakeCuda,
    model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    rng: np.random.Generator,
) -> None:
    frame, boxes = rng.integers(0, 256, (99, 99, 3), np.uint8), [[10, 10, 60, 60]] * 21
    with PoseEngine(model, backend="tensorrt") as engine, PoseEngine(model) as reference:
        np.testing.assert_allclose(engine(frame, boxes).angles, reference(frame, boxes).angles, atol=1e-3)
    (path,) = engines(tmp_path)
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == 2 and "minutes" in said[0] and str(path) in said[0]
    assert "engine with onnx" in said[1], "the accuracy gate has run"
    assert "16 faces" in said[1] and "p99" in said[1]
    info = read_info(path)
    assert info.gate is not None and info.profile == (1, 4, 16) and info.precision == "fp32"
    assert f"export trt {model} -o {path}" in info.rebuild
    caplog.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] in ("export", "onnx")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "onnx", None)  # an import fails
    use(model)
    assert len(trt.configs) == 1 and caplog.records == [] and "export" not in sys.modules
    assert set(cuda.leaks()) <= {"primary contexts"}


def test_an_engine_belongs_to_model_precision_gpu_and_version(
    trt: FakeTensorRT, cuda: FakeCuda, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def builds() -> int:
        use(model)
        use(model)
        return len(engines(tmp_path))

    assert builds() == 1
    cuda.multiprocessors = 8
    assert builds() == 2
    cuda.memory_bytes = 8 << 30
    assert builds() == 3
    cuda.memory_bytes += 100 << 20  # another driver
    assert builds() == 3
    cuda.devices = [("NVIDIA A10/x", (8, 6))]
    assert builds() == 4
    changed = onnx.load(model)
    changed.graph.initializer[1].CopyFrom(numpy_helper.from_array(np.ones(198, np.float32), "bias"))
    onnx.save(changed, model)
    assert builds() == 5
    use(model, precision="fp16")
    use(model, precision="fp32")
    assert len(engines(tmp_path)) == 6
    FakeTensorRT(cuda, "10.13.3.9").install(monkeypatch)
    assert builds() == 7
    assert {read_info(path).precision for path in engines(tmp_path)} == {"fp32", "fp16"}


@pytest.mark.parametrize("damage", ["cut", "other", "no description", "damaged description", "older"])
def test_a_file_that_is_damaged_is_built_again(
    trt: FakeTensorRT, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    use(model)
    (path,) = engines(tmp_path)
    plan, description = path.read_bytes(), sidecar(path).read_text()
    if damage == "cut":
        path.write_bytes(plan[:100])
    elif damage == "other":
        path.write_bytes(plan[:-1] + b"?")
    elif damage == "no description":
        sidecar(path).unlink()
    else:
        sidecar(path).write_text("{" if damage == "damaged description" else description.replace("10.3.0", "10.2.0"))
    caplog.clear()
    use(model)
    use(model)
    assert len(trt.configs) == 2 and path.read_bytes() == plan
    assert any("is built again" in record.getMessage() for record in caplog.records)


def test_one_of_several_builds(
    trt: FakeTensorRT, model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    waits = threading.Event()

    class Seen(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "waiting for" in record.getMessage():
                waits.set()

    trt.at_step = lambda step: None if waits.wait(10) else pytest.fail("the second one does not wait")
    seen = Seen()
    logging.getLogger(LOGGER).addHandler(seen)
    try:
        threads = [threading.Thread(target=use, args=(model,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        logging.getLogger(LOGGER).removeHandler(seen)
    assert len(trt.configs) == 1 and len(engines(tmp_path)) == 1


def test_changed_angles_leave_nothing(trt: FakeTensorRT, model: Path, tmp_path: Path) -> None:
    def spoil(graph: onnx.ModelProto) -> None:
        values = numpy_helper.to_array(graph.graph.initializer[1]).copy()
        values[0] += 1
        graph.graph.initializer[1].CopyFrom(numpy_helper.from_array(values, "bias"))

    trt.distort = spoil
    with pytest.raises(HpeEdgeError, match="gate failed") as failed:
        use(model)
    assert failed.value.exit_status == 3 and leftovers(tmp_path) == []


@pytest.mark.parametrize("within_a_run", [False, True])
def test_ctrl_c_leaves_nothing(trt: FakeTensorRT, model: Path, tmp_path: Path, within_a_run: bool) -> None:
    """A run of the command line only records the first signal; a build of minutes obeys it."""
    trt.at_step = lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 0 else None
    with StopSignals() if within_a_run else threading.Lock():
        before = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            use(model)
        assert signal.getsignal(signal.SIGINT) == before
    assert leftovers(tmp_path) == []
    trt.at_step = lambda step: None
    use(model)
    assert len(engines(tmp_path)) == 1


def test_no_place_for_the_cache(trt: FakeTensorRT, model: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    with pytest.raises(OutputError, match=r"XDG_CACHE_HOME.*hpe-edge export trt"):
        use(model)
    assert trt.configs == [], "found out before the build"


def test_a_folder_that_is_read_only_is_read(
    trt: FakeTensorRT, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image of a container may bring its engines."""
    use(model)

    def refuse(path: Path, mode: str = "r", *args: object, **keywords: object) -> object:
        if set(mode) & set("wax+"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return original(path, mode, *args, **keywords)  # type: ignore[call-overload]

    original = Path.open
    monkeypatch.setattr(Path, "open", refuse)
    use(model)
    engines(tmp_path)[0].unlink()
    with pytest.raises(OutputError, match=r"Read-only.*XDG_CACHE_HOME"):
        use(model)
    assert len(trt.configs) == 1


def test_a_full_disk(trt: FakeTensorRT, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if path.suffix == ".engine":
            original(path, content[:100])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"No space left.*XDG_CACHE_HOME"):
        use(model)
    assert leftovers(tmp_path) == []


def test_tools_that_are_missing(
    trt: FakeTensorRT, cuda: FakeCuda, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "onnx", None)
        with pytest.raises(BackendError, match=r"needs onnx.*pip install 'onnx"):
            use(model)
    with monkeypatch.context() as patch:
        patch.delattr(trt.module, "Builder")
        with pytest.raises(BackendError, match=r"no Builder.*pip install 'hpe-edge\[tensorrt\]'"):
            use(model)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "tensorrt", None)
        with pytest.raises(BackendError, match=r"pip install 'hpe-edge\[tensorrt\]'"):
            use(model)
    cuda.devices = []
    with pytest.raises(BackendError, match="no working NVIDIA GPU"):
        use(model)


def test_what_cannot_be_built(trt: FakeTensorRT, model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bf16"):
        use(model, precision="bf16")
    with pytest.raises(InputError, match="runs on a GPU"):
        use(model, device="cpu")
    with pytest.raises(ModelError, match="no hpe_edge spec"):
        use(write_tiny_model(tmp_path / "bare.onnx", spec=None))
    trt.fail_build = "no tactic"
    with pytest.raises(BackendError, match="no tactic"):
        use(model)
    assert leftovers(tmp_path) == []


def test_a_file_keeps_its_precision(trt: FakeTensorRT, model: Path, tmp_path: Path) -> None:
    from export.fp16 import convert

    half = convert(model, output=tmp_path / "half.onnx").path
    use(half)
    assert [read_info(path).precision for path in engines(tmp_path)] == ["fp16"]
    with pytest.raises(InputError, match="is in fp16"):
        use(half, precision="fp32")


def test_a_module_of_the_users_that_is_named_export_stays(
    trt: FakeTensorRT, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "export"]:
        monkeypatch.delitem(sys.modules, name)
    own = types.ModuleType("export")
    monkeypatch.setitem(sys.modules, "export", own)
    use(model)
    assert sys.modules["export"] is own and "export.trt" not in sys.modules
    assert len(engines(tmp_path)) == 1


def test_the_command_line_builds_the_embedded_model(
    trt: FakeTensorRT, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(
        ["run", str(PHOTO), "--backend", "tensorrt", "--precision", "fp16", "--jsonl", str(tmp_path / "x.jsonl")]
    )
    assert status == 0
    (path,) = engines(tmp_path)
    assert read_info(path).precision == "fp16"
