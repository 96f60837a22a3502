"""The suites end to end, the JSON they write, and their refusal where an operation answers wrongly."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_model import tiny_spec, write_tiny_model

import benchmarks.suites.ops
from benchmarks.__main__ import main
from benchmarks.baselines.chains import NumPyDecode, OpenCvBest
from benchmarks.harness.schema import SCHEMA
from benchmarks.harness.timing import Result
from benchmarks.inputs.scene import HEIGHT, WIDTH, crowd, frame
from benchmarks.report.tables import screen_text
from hpe_edge import PoseEngine
from hpe_edge.ops.crop import CropNormalize, isa_names
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import AngleHead, AnglesDecode

SUITES = ("ops", "engine")

QuickRun = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def quick_run(tmp_path_factory: pytest.TempPathFactory) -> QuickRun:
    """Runs a suite once per set of options and gives the document that it wrote."""
    done: dict[tuple[str, ...], dict[str, Any]] = {}

    def run(suite: str, *options: str) -> dict[str, Any]:
        key = (suite, *options)
        if key not in done:
            path = tmp_path_factory.mktemp(suite) / "result.json"
            assert main([suite, "--quick", "--json", str(path), *options]) == 0
            done[key] = json.loads(path.read_text())
        return done[key]

    return run


@pytest.mark.parametrize("suite", SUITES)
def test_the_document(quick_run: QuickRun, suite: str) -> None:
    document = quick_run(suite)
    assert next(iter(document)) == "schema"
    assert document["schema"] == SCHEMA
    assert document["suite"] == suite
    assert datetime.fromisoformat(document["date"]).tzinfo is not None
    assert document["command"][:4] == ["python", "-m", "benchmarks", suite]
    assert document["quick"] is True
    environment = document["environment"]
    assert environment["hardware"]["hpe_edge_isa_names"] == isa_names()
    assert environment["hardware"]["cpu"]
    assert environment["software"]["python"] == platform.python_version()
    assert environment["software"]["numpy"] == np.__version__
    assert environment["threads"]["opencv"] == environment["threads"]["onnxruntime"] == 1
    assert set(environment["git"]) == {"commit", "dirty"}
    for line in document["budget"]:
        assert set(line) == {"suite", "what", "limit", "found", "met"}


@pytest.mark.parametrize("suite", SUITES)
def test_every_row_is_complete(quick_run: QuickRun, suite: str) -> None:
    for result in quick_run(suite)["results"]:
        assert result["parameters"]
        assert bool(result["rows"]) != bool(result["figures"])
        for index, row in enumerate(result["rows"]):
            assert row["what"]
            assert row["runs"] >= 3
            assert row["calls_per_run"] >= 1
            for spread in (row["time_us"], row["ratio"], row["first_minus_this_us"]):
                assert spread["p10"] <= spread["median"] <= spread["p90"]
            assert row["time_us"]["p10"] > 0
            # All but the first were compared with it.
            assert bool(row["differences"]) == (index > 0)
            for difference in row["differences"].values():
                assert difference["largest"] <= difference["tolerance"]


def test_the_ops_suite_has_its_cases(quick_run: QuickRun) -> None:
    results = quick_run("ops")["results"]
    crops = [result for result in results if result["name"] == "crop_normalize"]
    assert {(r["parameters"]["size"], r["parameters"]["faces"]) for r in crops} == {
        (size, faces) for size in (112, 224) for faces in (1, 8, 64)
    }
    ours = {"hpe_edge", "hpe_edge, new array", *(f"hpe_edge, {isa}" for isa in isa_names()[1:])}
    for result in crops:
        antialias = result["parameters"]["resampling"] == "antialias"
        others = {"pillow"} if antialias else {"opencv", "opencv best", "numpy"}
        assert {row["name"] for row in result["rows"]} == ours | others
    decodes = [result for result in results if result["name"] == "decode"]
    assert [result["parameters"]["faces"] for result in decodes] == [1, 8, 64]
    assert len(quick_run("ops")["budget"]) == 5


def test_the_engine_suite_has_its_cases(quick_run: QuickRun) -> None:
    *cases, memory = quick_run("engine")["results"]
    assert [case["parameters"]["faces"] for case in cases] == [1, 4, 8]
    for case in cases:
        names = [row["name"] for row in case["rows"]]
        assert names == ["engine", "session.run", "backend", "crop_normalize", "decode"]
    assert memory["name"] == "memory"
    names = {"resident_before_kb", "resident_after_kb", "growth_kb", "steady_growth_kb"}
    assert set(memory["figures"]) == names
    assert len(quick_run("engine")["budget"]) == 2


@pytest.mark.parametrize("batch", [None, 1, 3, 8])
def test_the_engine_suite_takes_models_of_every_batch(tmp_path: Path, quick_run: QuickRun, batch: int | None) -> None:
    model = write_tiny_model(tmp_path / "model.onnx", size=32, batch=batch)
    document = quick_run("engine", "--model", str(model), "--calls", "7")
    assert document["results"][0]["parameters"]["size"] == 32
    assert document["results"][-1]["parameters"]["calls"] == 7


def test_the_engine_suite_takes_models_without_deviations(tmp_path: Path, quick_run: QuickRun) -> None:
    heads = [AngleHead("logits", column) for column in range(3)]
    spec = tiny_spec(32)
    spec = type(spec)(**{**spec.__dict__, "decode": AnglesDecode(*heads)})
    model = write_tiny_model(tmp_path / "model.onnx", size=32, spec=spec)
    row = quick_run("engine", "--model", str(model), "--calls", "1")["results"][0]["rows"][1]
    assert set(row["differences"]) == {"angles_deg", "rotation"}


@pytest.mark.parametrize(
    ("resident_kb", "growth", "steady"),
    [
        ([5000, 5000, 5700, 5700, 5700], 700, 0),
        ([5000, 5100, 5200, 5300, 5400], 400, 400),
        ([None] * 5, None, None),
    ],
)
def test_a_leak_is_told_from_what_is_paged_in_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, resident_kb: list, growth: float | None, steady: float | None
) -> None:
    said = iter(resident_kb)
    monkeypatch.setattr(benchmarks.suites.ops, "resident_kb", lambda: next(said))
    with PoseEngine(write_tiny_model(tmp_path / "model.onnx", size=16)) as engine:
        figures = benchmarks.suites.ops.watch_memory(engine, 5).figures
    assert (figures["growth_kb"], figures["steady_growth_kb"]) == (growth, steady)


def spoilt_crop(call: Callable[..., Any]) -> Callable[..., Any]:
    def crop(self: CropNormalize, *args: Any, **options: Any) -> Any:
        out = call(self, *args, **options)
        out[..., 5] += 0.1
        return out

    return crop


def spoilt_decode(call: Callable[..., Any]) -> Callable[..., Any]:
    def decode(self: DecodeHeads, *args: Any) -> Any:
        poses = call(self, *args)
        poses.sigma[:] += 0.01
        return poses

    return decode


def spoilt_engine(call: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: PoseEngine, *args: Any, **options: Any) -> Any:
        poses = call(self, *args, **options)
        poses.angles[-1] += 0.1
        return poses

    return run


def nothing(call: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args: np.full_like(call(self, *args), np.nan)


@pytest.mark.parametrize(
    ("suite", "kind", "spoilt", "fragment"),
    [
        ("ops", CropNormalize, spoilt_crop, "crop_normalize (size 112, faces 1, box 60 px, resampling bilinear)"),
        ("ops", DecodeHeads, spoilt_decode, "decode (faces 1, bins 3 x 66): 'numpy'"),
        ("ops", OpenCvBest, nothing, "'opencv best' and 'hpe_edge' differ in values by nan"),
        ("engine", PoseEngine, spoilt_engine, "'session.run' and 'engine' differ in angles_deg"),
    ],
)
def test_a_suite_refuses_wrong_answers(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    suite: str,
    kind: type,
    spoilt: Callable[..., Any],
    fragment: str,
) -> None:
    monkeypatch.setattr(kind, "__call__", spoilt(kind.__call__))
    monkeypatch.setattr(benchmarks.suites.ops, "SIZES", (112,))
    assert main([suite, "--quick", "--json", str(tmp_path / "result.json")]) == 1
    message = capsys.readouterr().err
    assert message.startswith("benchmarks: error: ")
    assert fragment in message
    assert "nothing was timed" in message
    assert list(tmp_path.iterdir()) == []


def test_without_pillow_its_row_is_skipped_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks.suites.ops, "SIZES", (112,))
    monkeypatch.setattr(benchmarks.suites.ops.importlib.util, "find_spec", lambda name: None)
    (case,) = (case for case in benchmarks.suites.ops._cases() if case.parameters.get("resampling") == "antialias")
    assert list(case.skipped) == ["pillow"]
    assert "pillow: skipped, it is not installed" in screen_text(
        Result(case.name, case.parameters, skipped=case.skipped)
    )


def test_the_scene_is_always_the_same() -> None:
    assert frame().shape == (HEIGHT, WIDTH, 3)
    assert 40 < frame().std() < 60
    assert crowd(8) == crowd(8)
    assert all(0 <= x1 < x2 <= WIDTH and 0 <= y1 < y2 <= HEIGHT for x1, y1, x2, y2 in crowd(64))


def test_numpy_decodes_a_peaked_distribution() -> None:
    logits = np.zeros((1, 198), np.float32)
    logits[0, [0, 66 + 33, 132 + 65]] = 60
    angles, sigma, rotation = NumPyDecode(-99.0, 3.0, 66)(logits)
    np.testing.assert_allclose(angles, [[-99, 0, 96]], atol=1e-4)
    np.testing.assert_allclose(sigma, 0, atol=1e-4)
    np.testing.assert_allclose(rotation[0] @ rotation[0].T, np.eye(3), atol=1e-6)
