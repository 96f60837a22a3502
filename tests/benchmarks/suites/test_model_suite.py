"""The suite ``model`` end to end on a small network, and its refusal where a way answers wrongly."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_model import write_tiny_model

import benchmarks.suites.model
from benchmarks.__main__ import main
from benchmarks.hardware.roofline import Peaks
from benchmarks.harness.load import Load
from benchmarks.harness.timing import QUICK, Result
from benchmarks.inputs.backend_config import BackendConfig, backend_configs
from benchmarks.inputs.generated_models import CHECKPOINT, make_untrained
from benchmarks.inputs.scene import bundled_scene
from benchmarks.suites.model import SUITE, Options, energy_mj
from hpe_edge import ModelError, PoseEngine
from hpe_edge.backends.onnx.context import OnnxRuntimeContext
from hpe_edge.backends.openvino.compiled_model import OpenVinoContext
from hpe_edge.bench.power import Energy
from hpe_edge.ops.decode import DecodeHeads

FOOTPRINT_KB = BackendConfig.footprint_kb  # which most tests here do without


def known_peaks(threads: Sequence[int], *, quick: bool) -> Peaks:
    figures = {"triad_gbytes_per_s": 10.0}
    kinds = ("fp32", "bf16", "fp16", "int8")
    return Peaks({n: {**figures, **{f"numpy_{kind}_gflops": 100.0 * n for kind in kinds}} for n in {*threads, 2}})


@pytest.fixture
def measured_footprint() -> Callable[..., float | None]:
    return FOOTPRINT_KB


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that takes seconds and is tested elsewhere."""
    monkeypatch.setattr(benchmarks.suites.model, "measure_peaks", known_peaks)
    monkeypatch.setattr(BackendConfig, "footprint_kb", lambda *args: 1234.0)
    monkeypatch.setattr(benchmarks.suites.model, "power_meter", lambda: None)
    monkeypatch.setattr(benchmarks.suites.model, "usable_cores", lambda: 2)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx", size=32)


def run(tmp_path: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    out = tmp_path / "out"
    out.mkdir()
    code = main(["model", "--quick", "--json", str(out / "result.json"), *options])
    if code:
        assert list(out.iterdir()) == []
        return code, []
    return code, json.loads((out / "result.json").read_text())["results"]


def test_every_way_is_timed_or_skipped(tmp_path: Path, model: Path) -> None:
    code, results = run(tmp_path, "--model", str(model))
    assert code == 0
    runs = [result for result in results if result["name"] == "run"]
    found = {tuple(r["parameters"][k] for k in ("backend", "floats", "threads", "callers", "batch")) for r in runs}
    loads = [(1, 1), ("all", 1), (1, 2)]
    assert {("onnxruntime", "fp32", *load, batch) for load in loads for batch in (1, 8)} <= found
    for result in runs:
        figures = result["figures"]
        assert figures["p50_ms"] > 0 and figures["faces_per_second"] > 0 and figures["calls"] >= 3
        assert figures["p99_ms"] is None  # of three calls there is none
        assert figures["change_worst_deg"] <= {"bf16": 3.0, "fp16": 0.3}.get(result["parameters"]["floats"], 0.01)
        assert figures["gflop_per_face"] == pytest.approx(2 * 3 * 198 / 1e9)
        assert figures["roofline_ms"] > 0 and figures["energy_per_face_mj"] is None
    (skipped,) = (result["skipped"] for result in results if result["name"] == "backends")
    assert "onnxruntime cuda" in skipped
    assert [r["parameters"]["threads"] for r in results if r["name"] == "peaks"] == [1, 2]
    costs = {r["parameters"]["layers"]: r["figures"] for r in results if r["name"] == "cost"}
    assert costs["all"]["mmacs"] == costs["Gemm"]["mmacs"] == pytest.approx(594e-6)


def test_larger_batches_than_an_engine_holds_are_skipped(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    monkeypatch.setattr(benchmarks.suites.model, "QUICK_BATCHES", (16,))
    monkeypatch.setattr(benchmarks.suites.model, "backend_configs", lambda path: [BackendConfig("onnxruntime", "cpu")])
    runs = [result for result in SUITE.run(Options(model=[model]), QUICK) if result.name == "run"]
    assert runs and all("hold 8 faces" in r.skipped["onnxruntime cpu"] and not r.figures for r in runs)


def flipped_input(run_: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, count: int) -> Any:
        values = self.input(count)
        before = values.copy()
        values[...] = before[:, ::-1]
        out = run_(self, count)
        values[...] = before
        return out

    return wrong


def other_bins(run_: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, count: int) -> Any:
        return [np.roll(rows, 1, axis=1) for rows in run_(self, count)]

    return wrong


def last_face_lost(run_: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, count: int) -> Any:
        rows = [out.copy() for out in run_(self, count)]
        for out in rows:
            out[-1] = out[0] if count > 1 else out[-1]
        return rows

    return wrong


def other_sign(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, outputs: Any, out: Any = None) -> Any:
        poses = call(self, outputs, out)
        poses.rotation[:] = poses.rotation.transpose(0, 2, 1)
        poses.angles[:, 0] *= -1
        return poses

    return wrong


@pytest.mark.parametrize(
    ("kind", "method", "spoilt", "fragment"),
    [
        (OnnxRuntimeContext, "run", flipped_input, "onnxruntime cpu, batch 1"),
        (OnnxRuntimeContext, "run", other_bins, "onnxruntime cpu, batch 1"),
        (OnnxRuntimeContext, "run", last_face_lost, "onnxruntime cpu, batch 8"),
        (OpenVinoContext, "run", flipped_input, "openvino cpu fp32, batch 1"),
        (DecodeHeads, "__call__", other_sign, "onnxruntime cpu, batch 1"),
    ],
)
def test_wrong_answers_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    model: Path,
    kind: type,
    method: str,
    spoilt: Callable[..., Any],
    fragment: str,
) -> None:
    if kind is OpenVinoContext:
        pytest.importorskip("openvino")
    monkeypatch.setattr(kind, method, spoilt(getattr(kind, method)))
    code, _ = run(tmp_path, "--model", str(model))
    said = capsys.readouterr()
    assert code == 1
    assert fragment in said.err and "nothing of this file was timed" in said.err
    assert "p50_ms" not in said.out


def test_a_short_form_needs_its_original(capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path) -> None:
    from dataclasses import replace

    from tiny_model import tiny_spec

    from hpe_edge.spec import Quantization

    spec = replace(tiny_spec(32), quantizations=(Quantization("int8", "tiny.onnx", "0" * 64),))
    short_form = write_tiny_model(tmp_path / "int8.onnx", size=32, spec=spec)
    code, _ = run(tmp_path, "--model", str(short_form))
    assert code == 2
    assert "int8.onnx computes in int8" in capsys.readouterr().err


def test_the_budget_is_for_the_papers_network() -> None:
    def result(model: str, faces_per_second: float) -> Result:
        parameters: dict[str, str | int] = dict.fromkeys(
            ("size", "backend", "device", "file", "floats", "batch", "callers", "threads", "weights"), 1
        )
        figures = {"faces_per_second": faces_per_second, "steady": 1.0}
        return Result("run", {"model": model, **parameters}, figures=figures)

    lines = SUITE.budget([result("ehpnet", 900.0), result("ehpnet", 1100.0), result("lightweight", 5000.0)])
    assert [line.met for line in lines] == [True, None, True]
    assert lines[0].found.startswith("1100 (") and "300 on a V100" in lines[0].limit
    assert SUITE.budget([result("ehpnet", 900.0)])[0].met is False


class HalfAWatt:
    """A meter that calls once and says half a watt."""

    def measure(self, call: Callable[[], Any]) -> Energy:
        call()
        return Energy(2.0, {"VDD_IN": 1.0}, ("VDD_IN",))


def test_energy_is_a_faces_share(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Load(np.ones(50), 2.0)
    monkeypatch.setattr(benchmarks.suites.model, "measure_load", lambda *args: load)
    assert energy_mj(HalfAWatt(), [lambda: None], 4) == pytest.approx(1000.0 / 200)  # type: ignore[arg-type]


def test_openvino_shortens_floats_only_where_asked(model: Path) -> None:
    from tiny_model import tiny_spec

    found = {config.label: config for config in backend_configs(model)}
    assert found["onnxruntime cpu"].computes_in(tiny_spec()) == "fp32"
    assert found["openvino cpu bf16"].computes_in(tiny_spec()) == "bf16"
    assert [config.label for config in backend_configs(Path("model.engine"))] == ["tensorrt cuda"]


@pytest.mark.parametrize("name", ["tiny.onnx", "none.onnx"])
def test_the_footprint_is_that_of_another_process(
    model: Path, name: str, measured_footprint: Callable[..., float | None]
) -> None:
    kb = measured_footprint(BackendConfig("onnxruntime", "cpu"), model.with_name(name), 1, 8)
    assert kb is None or (name == "tiny.onnx" and 1000 < kb < 1_000_000)


def test_untrained_weights_tell_faces_apart(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    path = make_untrained("lenet5", tmp_path)
    assert path.name == "lenet5.onnx"
    with PoseEngine(path) as engine:
        assert engine.spec.origin.checkpoint == CHECKPOINT
        frame, boxes = bundled_scene().crowd
        assert engine(frame, boxes).angles.std(axis=0).max() > 0.01


def test_an_unknown_architecture_is_said(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ModelError, match="--arch nothing: there is no architecture 'nothing'"):
        make_untrained("nothing", tmp_path)
