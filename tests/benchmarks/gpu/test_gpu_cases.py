"""Cases within a budget of time, and the document that is written after each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import benchmarks.__main__
import benchmarks.gpu.gpu_cases
from benchmarks.__main__ import main
from benchmarks.gpu.gpu_cases import GpuCase, GpuOptions, run_cases
from benchmarks.harness.schema import read_document
from benchmarks.harness.suite import Suite
from benchmarks.harness.timing import FULL, Effort, Result
from hpe_edge.errors import BackendError


class Time:
    """A clock that goes on when a case says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(benchmarks.gpu.gpu_cases.time, "monotonic", lambda: self.now)


def case(index: int, time: Time, takes: float, efforts: list[Effort]) -> GpuCase:
    def run(effort: Effort) -> Iterator[Result]:
        efforts.append(effort)
        time.now += takes
        yield Result("case", {"index": index}, figures={"found": 1.0})

    return GpuCase("case", {"index": index}, run, timings=2)


def test_cases_share_the_time_that_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    time, efforts = Time(monkeypatch), list[Effort]()
    takes = [1.0, 6.0, 0.5, 0.5]
    results = list(run_cases([case(i, time, t, efforts) for i, t in enumerate(takes)], FULL, 10.0))
    assert [result.figures for result in results] == [{"found": 1.0}] * 4
    # Half of 10 s / 4 cases / 2 timings, and so on: what the slow case took, the later ones lack.
    assert [effort.seconds for effort in efforts] == pytest.approx([0.625, 0.75, 0.375, 0.625])
    assert all(effort.least_runs == 5 for effort in efforts)


def test_without_a_budget_the_effort_is_the_suites(monkeypatch: pytest.MonkeyPatch) -> None:
    time, efforts = Time(monkeypatch), list[Effort]()
    assert len(list(run_cases([case(0, time, 1e6, efforts), case(1, time, 1, efforts)], FULL, None))) == 2
    assert efforts == [FULL, FULL]


def test_cases_without_time_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    time, efforts = Time(monkeypatch), list[Effort]()
    results = list(run_cases([case(i, time, 11, efforts) for i in range(3)], FULL, 10.0))
    assert [dict(result.skipped) for result in results] == [{}, *[{"case": "the 10 seconds were used up"}] * 2]
    assert [result.parameters["index"] for result in results] == [0, 1, 2]
    assert len(efforts) == 1


def test_one_that_fails_leaves_the_others_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    time, efforts = Time(monkeypatch), list[Effort]()

    def fails(effort: Effort) -> Iterator[Result]:
        yield Result("case", {"index": 0}, figures={"found": 0.5})
        raise RuntimeError("CUDA error: out of memory\nCompile with more")

    cases = [GpuCase("case", {"index": 0}, fails), case(1, time, 1, efforts)]
    found = []
    with pytest.raises(BackendError, match=r"1 of 2 cases failed, the first: case \(index 0\): CUDA error: out of mem"):
        found.extend(run_cases(cases, FULL, None))
    results = list[Result]()
    with pytest.raises(BackendError):
        for result in run_cases(cases, FULL, None):
            results.append(result)
    assert [result.parameters["index"] for result in results] == [0, 0, 1]
    assert results[1].skipped == {"case": "case (index 0): CUDA error: out of memory"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.json"


def run_suite(monkeypatch: pytest.MonkeyPatch, path: Path, run: Any, *arguments: str) -> int:
    suite = Suite("made-up", "its summary", run, GpuOptions, write_each=True)
    monkeypatch.setattr(benchmarks.__main__, "SUITES", (suite,))
    return main(["made-up", "--quick", "--json", str(path), *arguments])


def test_a_killed_run_keeps_its_results(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    seen = []

    def run(options: GpuOptions, effort: Effort) -> Iterator[Result]:
        assert options.seconds == 7.5
        for index in range(3):
            yield Result("case", {"index": index}, figures={"found": 1.0})
            # As it would be found if the process ended here.
            document = read_document(path)
            seen.append([result.parameters["index"] for result in document.parts[0].results])
            assert document.parts[0].failed == "the run was cut off here"

    assert run_suite(monkeypatch, path, run, "--seconds", "7.5") == 0
    assert seen == [[0], [0, 1], [0, 1, 2]]
    assert read_document(path).parts[0].failed == ""
    assert list(path.parent.iterdir()) == [path]


def test_an_error_at_the_end_is_part_of_the_document(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    def run(options: GpuOptions, effort: Effort) -> Iterator[Result]:
        yield Result("case", {"index": 0}, figures={"found": 1.0})
        raise BackendError("1 of 2 cases failed")

    assert run_suite(monkeypatch, path, run) == 1
    assert json.loads(path.read_text())["parts"][0]["failed"] == "1 of 2 cases failed"


def test_an_error_at_the_beginning_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: GpuOptions, effort: Effort) -> Iterator[Result]:
        raise BackendError("there is no GPU")
        yield

    assert run_suite(monkeypatch, path, run) == 1
    assert "there is no GPU" in capsys.readouterr().err
    assert not path.exists()
