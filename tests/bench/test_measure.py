"""The short benchmark: what it reports, and that wrong answers stop it."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny_model import write_tiny_model

from hpe_edge import BackendError, Detections, InputError, PoseEngine, Poses
from hpe_edge.bench import measure
from hpe_edge.bench.bench_report import Latency
from hpe_edge.bench.measure import StageClock, bench_model
from hpe_edge.bench.power import PowerMeter, Sensor
from hpe_edge.cli.main import main


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx")


def test_report_and_its_json(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = ["bench", model, "--batch", "1,3", "--seconds", "0.05", "--threads", "1", "--json", tmp_path / "b.json"]
    assert main(list(map(str, parts))) == 0
    report = json.loads((tmp_path / "b.json").read_text())
    assert next(iter(report)) == "format" and report["model"] == str(model) and report["threads"] == 1
    assert [batch["faces"] for batch in report["batches"]] == [1, 3]
    for batch in report["batches"]:
        assert list(batch["stages"]) == ["crop", "infer", "decode", "total"] and batch["calls"] >= 10
        for stage in batch["stages"].values():
            assert 0 < stage["p50_ms"] <= stage["p90_ms"] <= stage["p99_ms"]
    assert report["environment"]["hardware"]["cores_usable"] > 0 and report["conditions"]["before"]
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("crop", "infer", "decode", "total", "p50", "p90", "p99", "faces/s"))


def test_the_embedded_model_is_the_default() -> None:
    report = bench_model(batches=[1], seconds=0.0)
    assert "student-v2" in report.model and report.detector is report.detect is None


def test_a_detector_is_measured_too(data: Path, model: Path) -> None:
    detector = data / "detectors" / "yunet_n_320_320.onnx"
    report = bench_model(model, detector=detector, batches=[2], seconds=0.0, threads=1)
    assert report.detect is not None and report.detect.p50_ms > 0 and "detect" in report.to_text()


def test_percentiles_are_numpys(rng: np.random.Generator) -> None:
    seconds = rng.lognormal(-7, 1, 1000)
    latency = Latency.of(list(seconds))
    expected = [1e3 * np.quantile(seconds, q) for q in (0.5, 0.9, 0.99)]
    np.testing.assert_allclose([latency.p50_ms, latency.p90_ms, latency.p99_ms], expected)


def test_stages_are_summed_within_a_call() -> None:
    """An engine that splits a call into batches runs each stage several times."""
    clock = StageClock()
    for times in (1, 3):
        for _ in range(times):
            with clock("infer"):
                pass
        clock.end_call()
    assert len(clock.calls["infer"]) == 2


class ClockedEngine:
    """Takes 2 ms a call on a clock of the test's own: twice 0.25 ms to crop and 0.5 ms to infer, 0.5 ms beside them."""

    batch = 2

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.calls, self.drift_after = 0.0, 0, 10**9
        monkeypatch.setattr(measure.time, "perf_counter", lambda: self.now_s)

    def warmup(self, faces: int) -> None:
        pass

    def __call__(self, frame: object, boxes: np.ndarray, timer: Any = None) -> Poses:
        self.calls += 1
        for _ in range(2):
            for stage, seconds in (("crop", 0.25e-3), ("infer", 0.5e-3)):
                with timer(stage) if timer else contextlib.nullcontext():
                    self.now_s += seconds
        self.now_s += 0.5e-3
        return poses_of(len(boxes), 1.0 if self.calls > self.drift_after else 0.0)


def poses_of(faces: int, yaw_deg: float = 0.0) -> Poses:
    angles = np.full((faces, 3), np.float32(yaw_deg))
    return Poses(angles, np.ones_like(angles), np.tile(np.eye(3, dtype=np.float32), (faces, 1, 1)))


def test_times_and_rates_of_a_known_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, frame = ClockedEngine(monkeypatch), np.zeros((4, 4, 3), np.uint8)
    result = measure._measure_batch(engine, frame, np.zeros((3, 4), np.float32), poses_of(1), 0.1, None)
    assert result.faces_per_s == pytest.approx(3 / 2e-3)
    assert {name: stage.p50_ms for name, stage in result.stages.items()} == pytest.approx(
        {"crop": 0.5, "infer": 1.0, "total": 2.0}
    )
    assert (result.faces, result.network_batch, result.calls) == (3, 2, 25)


def test_an_answer_that_changes_while_timing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, frame = ClockedEngine(monkeypatch), np.zeros((4, 4, 3), np.uint8)
    engine.drift_after = 15  # after the comparison at the start
    with pytest.raises(BackendError, match="different poses"):
        measure._measure_batch(engine, frame, np.zeros((1, 4), np.float32), poses_of(1), 0.1, None)


def test_energy_is_per_face_of_all_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ClockedEngine(monkeypatch)

    class Meter:
        kind = "made up"

        def measure(self, load: Any) -> SimpleNamespace:
            load()
            return SimpleNamespace(total_joules=10.0, mean_watts=10.0)

    power = measure._measure_power(lambda: engine(None, np.zeros((4, 4))), 4, 0.0, Meter())
    assert power is not None and power.millijoules_per_face == pytest.approx(1e3 * 10.0 / (engine.calls * 4))


def test_the_largest_face_of_the_detector_is_measured(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boxes = np.float32([[10, 10, 40, 40], [150, 80, 270, 190], [300, 10, 330, 40]])
    monkeypatch.setattr(measure, "open_detector", lambda path, threads: lambda frame: Detections.from_boxes(boxes))
    measured: list[np.ndarray] = []
    measure_batch = measure._measure_batch

    def noting(engine: PoseEngine, frame: object, boxes: np.ndarray, *given: Any) -> Any:
        measured.append(boxes)
        return measure_batch(engine, frame, boxes, *given)

    monkeypatch.setattr(measure, "_measure_batch", noting)
    bench_model(model, detector=Path("any.onnx"), batches=[2], seconds=0.0, threads=1)
    np.testing.assert_array_equal(measured, [np.repeat(boxes[1:2], 2, axis=0)])


def test_answers_that_change_stop_it(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call, drift = PoseEngine.many, iter(range(1000))

    def drifting(self: PoseEngine, *given: object, **named: object) -> list[Poses]:
        answers = call(self, *given, **named)
        answers[0].angles[:] += 0.1 * next(drift)
        return answers

    monkeypatch.setattr(PoseEngine, "many", drifting)
    with pytest.raises(BackendError, match="different poses"):
        bench_model(model, batches=[1], seconds=0.0)
    assert main(["bench", str(model), "--json", str(tmp_path / "b.json")]) == 1
    assert not (tmp_path / "b.json").exists()


def test_power_is_divided_among_the_faces(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A board that takes 10 W throughout."""
    monkeypatch.setattr(measure, "power_meter", lambda: PowerMeter([Sensor("VDD_IN", lambda: 10.0)], "made up"))
    (batch,) = bench_model(model, batches=[4], seconds=0.0, threads=1).batches
    assert batch.power is not None and batch.power.mean_watts == pytest.approx(10.0)
    assert 0 < batch.power.millijoules_per_face < 10_000


@pytest.mark.parametrize("arguments", [["--batch", "0"], ["--batch", "1,x"], ["--seconds", "-1"], ["--json", "."]])
def test_wrong_usage(model: Path, arguments: list[str]) -> None:
    assert main(["bench", str(model), *arguments]) in (1, 2)


def test_no_batch_at_all(model: Path) -> None:
    with pytest.raises(InputError):
        bench_model(model, batches=[])
