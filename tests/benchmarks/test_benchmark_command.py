"""The command line: usage, output files and exit status."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

import benchmarks.running
from benchmarks.__main__ import SUITES, main
from benchmarks.harness.suite import BudgetLine
from benchmarks.report.tables import budget_text

ROOT = Path(__file__).resolve().parents[2]


def test_run_as_a_module(tmp_path: Path) -> None:
    path = tmp_path / "engine.json"
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "engine", "--quick", "--json", str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "engine: model tiny, size 112, faces 1" in done.stdout
    assert "budget (for information):" in done.stdout
    assert [file.name for file in tmp_path.iterdir()] == ["engine.json"]


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [
        (["speed"], "invalid choice: 'speed'"),
        ([], "required: SUITE"),
        (["ops", "--fast"], "unrecognized arguments: --fast"),
        (["engine", "--calls", "0"], "must be at least 1, got 0"),
    ],
)
def test_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], fragment: str) -> None:
    assert main(arguments) == 2
    assert fragment in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for suite in SUITES:
        assert suite.name in shown
        assert suite.summary.split()[0] in shown


@pytest.mark.parametrize("name", ["missing/result.json", "."])
def test_an_unwritable_file_is_said_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["ops", "--quick", "--json", str(tmp_path / name)]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("benchmarks: error: cannot write ")


def test_a_missing_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "result.json"
    assert main(["engine", "--model", str(tmp_path / "none.onnx"), "--json", str(path)]) == 1
    assert "there is no model" in capsys.readouterr().err
    assert not path.exists()


def test_without_onnx_the_message_names_both_ways(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["engine", "--quick"]) == 1
    message = capsys.readouterr().err
    assert "pip install onnx" in message
    assert "--model" in message


def test_ctrl_c_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def stop(result: object) -> str:
        raise KeyboardInterrupt

    threads = cv2.getNumThreads()
    monkeypatch.setattr(benchmarks.running, "screen_text", stop)
    assert main(["ops", "--quick", "--json", str(tmp_path / "result.json")]) == 130
    assert "stopped by Ctrl-C" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
    assert cv2.getNumThreads() == threads


def test_a_missed_budget_is_only_said(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [BudgetLine("crop", ">= 2", "1", False), BudgetLine("memory", "none", "not measured", None)]
    shown = budget_text(lines)
    assert "NOT met    crop: limit >= 2, found 1" in shown
    assert "not judged memory: limit none, found not measured" in shown


def test_outside_a_checkout_it_says_what_to_do(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "benchmarks", tmp_path / "benchmarks", ignore=shutil.ignore_patterns("results"))
    done = subprocess.run([sys.executable, "-m", "benchmarks", "ops"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "hpe-edge bench" in done.stderr and "pip install -e" in done.stderr
