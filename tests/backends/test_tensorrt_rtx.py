"""Engines of TensorRT-RTX on mocks of it and of CUDA: built without a GPU, verified by the GPU that loads them.

tests/export/tensorrt/test_rtx_builds.py has the real parser and builder.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_cuda import FakeCuda
from fake_tensorrt_rtx import VERSION, FakeTensorRTRTX
from tiny_model import write_tiny_model

from export.trt import build, main
from hpe_edge import BackendError, InputError, ModelError, OutputError, PoseEngine
from hpe_edge.backends.tensorrt.first_load import UnverifiedError, run_gate
from hpe_edge.backends.tensorrt.gate_file import gate_file, input_of, levels_of, read_gate_crops
from hpe_edge.backends.tensorrt.plan_file import read_info, sidecar
from hpe_edge.cli.describe import describe_engine
from hpe_edge.spec import Input

FRAME = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
BOXES = [[10, 10, 60, 60]] * 5


@pytest.fixture
def cuda(monkeypatch):
    return FakeCuda().install(monkeypatch)


@pytest.fixture
def fake(cuda, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return FakeTensorRTRTX(cuda).install(monkeypatch)


@pytest.fixture
def model(tmp_path):
    return write_tiny_model(tmp_path / "tiny.onnx")


@pytest.fixture
def engine_file(fake, model, tmp_path):
    """An engine that no GPU has verified."""
    (tmp_path / "out").mkdir()
    return build(model, output=tmp_path / "out" / "x.rtx", rtx=True).path


def load(path, **options):
    with PoseEngine(path, **options) as engine:
        return engine(FRAME, BOXES).angles


def test_a_build_leaves_the_gate_to_the_device(engine_file, fake):
    assert sorted(each.name for each in engine_file.parent.iterdir()) == ["x.rtx", "x.rtx.gate.npz", "x.rtx.json"]
    info = read_info(engine_file)
    assert (info.library, info.tensorrt, info.gpu, info.hardware) == ("tensorrt-rtx", VERSION, "", "ampere-plus")
    assert (info.gate, info.gate_gpu) == (None, None)
    assert "unverified" in describe_engine(info) and "on no GPU" not in describe_engine(info)
    (config,) = fake.configs
    flags = {flag.name for flag in map(fake.module.BuilderFlag, config.flags)}
    assert flags == {"REQUIRE_USER_ALLOCATION"}, "TF32 is off, and graphs can be captured"
    assert len(config.profiles) == 1
    assert info.rebuild.startswith("hpe-edge export trt --rtx ")


def test_the_first_load_verifies_and_writes_the_result(engine_file, model, fake, caplog):
    with caplog.at_level(logging.WARNING):
        np.testing.assert_allclose(load(engine_file), load(model), atol=1e-3)
    assert "not verified yet" in caplog.text and "passed on Fake GPU" in caplog.text
    info = read_info(engine_file)
    assert info.gate is not None and info.gate_gpu == "Fake GPU (compute capability 8.7, driver for CUDA 12.4)"
    assert (info.gate.compared, info.gate.faces) == ("engine with onnx", 64)
    assert info.gate.limits == {"worst_deg": 0.01} and 0 <= info.gate.worst_deg <= 0.01
    assert "unverified" not in describe_engine(info) and "Fake GPU" in describe_engine(info)
    assert {1, 2, 4, 8, 16} <= set(fake.batches), "every batch size was run"
    caplog.clear()
    runs = len(fake.batches)
    load(engine_file)
    assert "gate" not in caplog.text
    assert len(fake.batches) < 2 * runs


def test_another_kind_of_gpu_verifies_again(engine_file, cuda, caplog):
    load(engine_file)
    sidecar(engine_file).write_text(replace(read_info(engine_file), gate_gpu="Elsewhere").to_json())
    caplog.clear()
    load(engine_file)
    assert "verified on Elsewhere" in caplog.text
    assert "Fake GPU" in str(read_info(engine_file).gate_gpu)


@pytest.mark.parametrize("batch", [1, 8, 16])
def test_wrong_kernels_of_any_batch_are_refused_at_each_load(engine_file, fake, cuda, batch):
    fake.spoilt_batches = {batch}
    before = sidecar(engine_file).read_bytes()
    for _ in range(2):
        with pytest.raises(BackendError, match=f"fails the accuracy gate.*batches of {batch}:.*allowed 0.01") as failed:
            PoseEngine(engine_file)
        assert failed.value.exit_status == 3
    assert sidecar(engine_file).read_bytes() == before
    assert set(cuda.leaks()) <= {"primary contexts"}


def test_batch_sizes_above_the_number_of_crops_are_verified(fake, model, tmp_path):
    out = build(model, output=tmp_path / "large.rtx", rtx=True, batch=(1, 1, 256)).path
    for batch in (128, 256):
        fake.spoilt_batches = {batch}
        with pytest.raises(BackendError, match=f"fails the accuracy gate.*batches of {batch}:"):
            PoseEngine(out)
    fake.spoilt_batches = set()
    load(out)
    assert read_info(out).gate is not None


def test_a_name_that_is_taken_leaves_no_temporary_files(fake, model, tmp_path):
    out = tmp_path / "out" / "x.rtx"
    gate_file(out).mkdir(parents=True)
    with pytest.raises(OutputError, match="is a folder"):
        build(model, output=out, rtx=True)
    assert list(out.parent.iterdir()) == [gate_file(out)]


def test_a_missing_description_names_the_command(engine_file):
    sidecar(engine_file).unlink()
    with pytest.raises(ModelError, match=r"no x\.rtx\.json beside it.*hpe-edge export trt --rtx MODEL"):
        PoseEngine(engine_file)


def test_nan_fails_the_gate(engine_file):
    """NaN compares as neither above nor below a limit."""

    class Context:
        def input(self, count):
            return np.empty((count, 3, 64, 64), np.float32)

        def run(self, count):
            return [np.full((count, 198), np.nan, np.float32)]

    info = read_info(engine_file)
    with pytest.raises(UnverifiedError, match="worst nan degrees"):
        run_gate(engine_file, info, "GPU", read_gate_crops(engine_file, info), Context(), (16,))


def test_a_read_only_folder_is_said_and_the_gate_runs_each_time(engine_file, caplog, monkeypatch):
    if os.geteuid() == 0:  # to whom no folder is read-only
        monkeypatch.setattr("pathlib.Path.touch", raise_read_only)
    else:
        engine_file.parent.chmod(0o555)
    try:
        for _ in range(2):
            caplog.clear()
            load(engine_file)
            assert "passed on" in caplog.text and "the result is not kept" in caplog.text
    finally:
        engine_file.parent.chmod(0o755)
    assert read_info(engine_file).gate is None


def raise_read_only(self, *args, **kwargs):
    raise OSError(30, "Read-only file system")


def test_crops_are_needed_until_the_gate_has_run(engine_file, tmp_path):
    gate_file(engine_file).rename(tmp_path / "kept.npz")
    with pytest.raises(ModelError, match=r"no x\.rtx\.gate\.npz beside it.*hpe-edge export trt --rtx"):
        PoseEngine(engine_file)
    (tmp_path / "kept.npz").rename(gate_file(engine_file))
    load(engine_file)
    gate_file(engine_file).unlink()
    load(engine_file)


@pytest.mark.parametrize("damage", ["empty", "text", "truncated", "another plan's", "pickle"])
def test_damaged_crops_are_refused(engine_file, model, tmp_path, damage):
    path = gate_file(engine_file)
    if damage == "another plan's":
        other = build(model, output=tmp_path / "other.rtx", rtx=True, batch=4).path
        path.write_bytes(gate_file(other).read_bytes())
    elif damage == "pickle":
        np.savez(path, steps=np.array([{}], object), rotation=np.zeros((1, 3, 3)), about=np.array("{}"))
    else:
        content = path.read_bytes()
        path.write_bytes({"empty": b"", "text": b"no archive", "truncated": content[: len(content) // 2]}[damage])
    with pytest.raises(ModelError, match=r"x\.rtx\.gate\.npz (is damaged|belongs to another)"):
        PoseEngine(engine_file)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_levels_become_the_same_input(dtype):
    plain = {"scale": 1.0, "mean": (0, 0, 0), "std": (1, 1, 1)}
    given = {"scale": 1 / 255, "mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
    spec = Input(size=16, color="RGB", dtype=dtype, **(plain if dtype == "uint8" else given))
    levels = np.random.default_rng(0).integers(0, 256, (3, 3, 16, 16)).astype(np.uint8)
    rows = input_of(levels, spec)
    assert rows.dtype == dtype
    np.testing.assert_array_equal(levels_of(rows, spec), levels)


def test_kernels_are_compiled_once(engine_file, fake):
    load(engine_file)
    assert fake.compiled == 1, "contexts share them"
    load(engine_file)
    assert fake.compiled == 1, "and so does the next process"
    (kept,) = Path(os.environ["XDG_CACHE_HOME"]).glob("hpe_edge/tensorrt-rtx/*.kernels")
    kept.write_bytes(b"of another driver")
    load(engine_file)
    assert fake.compiled == 2


def test_turing_gets_convolutions(capsys, fake, model, tmp_path):
    out = tmp_path / "t.rtx"
    assert main([str(model), "--rtx", "--hardware", "turing", "-o", str(out)]) == 0
    assert "convolutions" in capsys.readouterr().out
    info = read_info(out)
    assert (info.hardware, fake.configs[0].targets) == ("turing", [fake.module.ComputeCapability.SM75])
    with pytest.raises(BackendError, match=r"compute capability 7.5 \(Turing\), got Fake GPU"):
        PoseEngine(out)


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--rtx", "--level", "3"], "--level is for TensorRT,"),
        (["--rtx", "--device", "cuda:1"], "--device is for TensorRT,"),
        (["--rtx", "--workspace", "9", "--version-compatible"], "--workspace, --version-compatible is for TensorRT,"),
        (["--rtx", "--hardware", "same-gpu"], "--hardware same-gpu is for TensorRT;"),
        (["--hardware", "turing"], "--hardware turing is for --rtx"),
        (["-o", "x.rtx"], "x.rtx names an engine of TensorRT-RTX: add --rtx"),
        (["--rtx", "--fp16", "--dla", "0", "--batch", "1"], "--dla is for TensorRT,"),
        (["--rtx", "-o", "x.engine"], "must name a file that ends in .rtx"),
    ],
)
def test_options_of_the_other_library_are_refused(capsys, fake, model, options, fragment):
    assert main([str(model), *options]) == 2
    assert fragment in capsys.readouterr().err


def test_a_backend_runs_its_own_files(engine_file, model):
    assert load(engine_file, backend="tensorrt-rtx").shape == (5, 3)
    with pytest.raises(InputError, match="it runs with backend='tensorrt-rtx'"):
        PoseEngine(engine_file, backend="tensorrt")
    with pytest.raises(InputError, match=f"build an engine: hpe-edge export trt --rtx {model}"):
        PoseEngine(model, backend="tensorrt-rtx")


def test_an_engine_keeps_its_suffix(engine_file):
    for path in (engine_file, sidecar(engine_file)):
        path.rename(path.with_name(path.name.replace(".rtx", ".engine")))
    with pytest.raises(ModelError, match=r"TensorRT-RTX by its description; its name must end in \.rtx"):
        PoseEngine(engine_file.with_suffix(".engine"))


def test_another_version_is_refused(engine_file, fake):
    fake.module.__version__ = "1.8.0.1"
    with pytest.raises(
        BackendError, match=f"was built with TensorRT-RTX {VERSION} and runs with that version, got 1.8"
    ):
        PoseEngine(engine_file)


def test_a_version_without_captures_is_too_old(fake):
    fake.module.__version__ = "1.1.1.26"
    with pytest.raises(BackendError, match=r"TensorRT-RTX 1\.1\.1\.26 is too old"):
        build(rtx=True)


def test_a_missing_package_and_a_missing_driver_are_named(engine_file, monkeypatch):
    for name in ("tensorrt_rtx_bindings", "tensorrt_rtx"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendError, match="pip install tensorrt-rtx-cu13-bindings tensorrt-rtx-cu13-libs"):
        PoseEngine(engine_file)
    with pytest.raises(BackendError, match="needs TensorRT-RTX"):
        build(rtx=True)


def test_the_result_is_in_the_json(engine_file):
    load(engine_file)
    told = json.loads(sidecar(engine_file).read_text())
    assert told["gate"]["source"].startswith("bundled sample") and told["gate_gpu"].startswith("Fake GPU")
