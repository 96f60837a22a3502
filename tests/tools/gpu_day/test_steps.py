"""The steps of the GPU day: what is promised fits into a call, and what they name exists."""

from __future__ import annotations

import importlib.util
import itertools
from pathlib import Path

import pytest

from benchmarks.__main__ import SUITES
from tools.gpu_day.__main__ import CARRIED, main
from tools.gpu_day.day import RESERVE_S
from tools.gpu_day.step import Step
from tools.gpu_day.steps import BUDGET_S, PARTS

ROOT = Path(__file__).resolve().parents[3]
STEPS = [step for steps in PARTS.values() for step in steps]


@pytest.mark.parametrize("part", PARTS)
def test_promises_fit_into_a_call(part: str) -> None:
    assert BUDGET_S < 300  # a call's five minutes
    assert sum(step.promised_s for step in PARTS[part]) <= BUDGET_S - RESERVE_S


@pytest.mark.parametrize("part", PARTS)
def test_steps_need_earlier_ones(part: str) -> None:
    before: set[str] = set()
    for step in PARTS[part]:
        assert set(step.needs) <= before and step.name not in before
        before.add(step.name)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_what_a_step_names_exists(step: Step) -> None:
    words = list(step.command)
    for module in (after for word, after in itertools.pairwise(words) if word == "-m"):
        assert importlib.util.find_spec(module) is not None, module
    for word in words:
        if word.startswith("tests/"):
            assert (ROOT / word).is_file(), word
    if step.is_benchmark:
        suite = next(suite for suite in SUITES if suite.name == words[words.index("benchmarks") + 1])
        assert ("{seconds}" in words) <= suite.write_each  # a budget is for suites that write after each case
    assert all(any(word.endswith(f"/{name}") for word in words) for name in step.results)


def test_carried_files_are_ignored_by_git() -> None:
    assert f"/{CARRIED.name}/" in (ROOT / ".gitignore").read_text().split()


def test_wrong_usage_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["part1"])
    assert ended.value.code == 2
    assert "--out" in capsys.readouterr().err
