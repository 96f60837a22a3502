"""The suite ``all``: each suite has its own options, and one that cannot run leaves the others their turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import benchmarks.__main__
import benchmarks.suites.ops
from benchmarks.__main__ import main
from benchmarks.harness.suite import BudgetLine, Suite, option, option_flags
from benchmarks.harness.timing import Effort, Result, WrongAnswerError
from benchmarks.running import jobs
from hpe_edge import BackendError, InputError, SourceError

Run = Callable[[Any, Effort], Iterator[Result]]


def made_up(name: str, run: Run, *needed: str, **optional: object) -> Suite:
    fields = [(each[2:], str, option("needed", metavar="FILE")) for each in needed]
    fields += [(each, str, option("optional", default, type=type(default))) for each, default in optional.items()]
    return Suite(name, f"the summary of {name}", run, make_dataclass(name, fields, frozen=True))


def says(options: Any, effort: Effort) -> Iterator[Result]:
    yield Result("options", {**asdict(options), "runs": effort.least_runs}, figures={"found": 1.0})


def fails(error: Exception, after: int) -> Run:
    def run(options: Any, effort: Effort) -> Iterator[Result]:
        for index in range(after):
            yield Result("before", {"index": index}, figures={"found": 1.0})
        raise error

    return run


@pytest.fixture
def document(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, dict[str, object]]]:
    def run(suites: list[Suite], *arguments: str) -> tuple[int, dict[str, object]]:
        monkeypatch.setattr(benchmarks.__main__, "SUITES", suites)
        path = tmp_path / "all.json"
        status = main(["all", "--quick", "--json", str(path), *arguments])
        return status, json.loads(path.read_text())

    return run


def test_each_suite_has_its_own_options(document: Callable[..., tuple[int, dict[str, object]]]) -> None:
    suites = [
        made_up("ops", says, size=3),
        made_up("model", says, size=5, model="default"),
        made_up("accuracy", says, "--labels", model="other"),
        made_up("endurance", says),  # is none of those that ``all`` runs
    ]
    status, plain = document(suites, "--model", "m.onnx", "--labels", "a.csv")
    assert status == 0
    found = {result["suite"]: result["parameters"] for result in plain["results"]}
    assert found == {
        "ops": {"size": 3, "runs": 3},
        "model": {"size": 5, "model": "m.onnx", "runs": 3},
        "accuracy": {"labels": "a.csv", "model": "m.onnx", "runs": 3},
    }
    assert [part["suite"] for part in plain["parts"]] == ["ops", "model", "accuracy"]
    assert plain["suite"] == "all"
    assert plain["command"][:4] == ["python", "-m", "benchmarks", "all"]


def test_what_lacks_an_option_is_skipped(
    document: Callable[..., tuple[int, dict[str, object]]], capsys: pytest.CaptureFixture[str]
) -> None:
    suites = [made_up("accuracy", says, "--labels", "--photos"), made_up("ops", says)]
    status, plain = document(suites)
    assert status == 0
    assert [(part["suite"], part["skipped"]) for part in plain["parts"]] == [
        ("ops", ""),
        ("accuracy", "it needs --labels, --photos"),
    ]
    assert "accuracy: skipped, it needs --labels, --photos" in capsys.readouterr().out


def test_one_name_for_two_things(document: Callable[..., tuple[int, dict[str, object]]]) -> None:
    """A number for one suite is a word for the other."""
    suites = [made_up("pipeline", says, boxes=3), made_up("accuracy", says, boxes="landmarks")]
    status, plain = document(suites, "--boxes", "4", "--accuracy-boxes", "yunet")
    assert status == 0
    assert [result["parameters"]["boxes"] for result in plain["results"]] == [4, "yunet"]
    _, plain = document(suites, "--boxes", "5")
    assert [result["parameters"]["boxes"] for result in plain["results"]] == [5, "landmarks"]


@pytest.mark.parametrize(
    ("error", "after", "status", "field"),
    [
        (BackendError("no GPU"), 0, 0, "skipped"),
        (InputError("name a set of faces"), 0, 0, "skipped"),
        (BackendError("the GPU fell off"), 1, 1, "failed"),
        (SourceError("no such file"), 0, 1, "failed"),
        (WrongAnswerError("answers differ"), 0, 1, "failed"),
    ],
)
def test_the_others_go_on(
    document: Callable[..., tuple[int, dict[str, object]]], error: Exception, after: int, status: int, field: str
) -> None:
    suites = [made_up("ops", fails(error, after)), made_up("model", says)]
    got, plain = document(suites)
    assert got == status
    ops, model = plain["parts"]
    assert ops[field] == str(error)
    assert ops["skipped" if field == "failed" else "failed"] == ""
    assert (model["skipped"], model["failed"]) == ("", "")
    assert len(plain["results"]) == after + 1


def test_options_that_no_suite_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["all", "--no-such-option"]) == 2
    assert "unrecognized arguments: --no-such-option" in capsys.readouterr().err


def test_help_has_the_options_of_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["all", "--help"]) == 0
    shown = capsys.readouterr().out
    for suite in benchmarks.__main__._in_all():
        for each in fields(suite.options):
            (name,) = option_flags(each)
            assert name in shown or f"--{suite.name}-{name[2:]}" in shown


def test_the_order_is_that_of_a_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    suites = [made_up(name, says) for name in ("accuracy", "ops", "cuda", "model")]
    monkeypatch.setattr(benchmarks.__main__, "SUITES", suites)
    assert [job.suite.name for job in jobs(benchmarks.__main__._in_all(), [])] == ["ops", "model", "accuracy"]


def test_wrong_answers_of_an_operation_fail_the_whole(
    monkeypatch: pytest.MonkeyPatch, document: Callable[..., tuple[int, dict[str, object]]]
) -> None:
    """A crop that is off by one pixel must not pass."""
    real = benchmarks.suites.ops.CropNormalize.__call__

    def shifted(self: object, picture: object, boxes: object, out: object = None) -> object:
        return real(self, picture, boxes + 1, out)  # type: ignore[arg-type, operator]

    monkeypatch.setattr(benchmarks.suites.ops.CropNormalize, "__call__", shifted)
    status, plain = document([benchmarks.suites.ops.OPS])
    assert status == 1
    assert "one of them is wrong, so nothing was timed" in plain["parts"][0]["failed"]
    assert plain["results"] == []


def test_budget_lines_say_their_suite(document: Callable[..., tuple[int, dict[str, object]]]) -> None:
    line = BudgetLine("how fast", "<= 1", "2", False)
    suite = made_up("ops", says)
    status, plain = document([replace(suite, budget=lambda results: [line])])
    assert status == 0  # a time never fails a benchmark
    assert plain["budget"] == [{"suite": "ops", "what": "how fast", "limit": "<= 1", "found": "2", "met": False}]
