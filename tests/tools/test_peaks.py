"""Measured peaks: wrong products are refused, and the command prints JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

import tools.peaks
from benchmarks.harness.timing import WrongAnswerError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.peaks, "SIDE", 64)
    tools.peaks._left.cache_clear()
    tools.peaks._weight.cache_clear()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("numbers", ["fp32", "int8"])
def test_peaks_are_those_of_right_products(numbers: tools.peaks.Numbers) -> None:
    found = tools.peaks._gemm_gflops(numbers, 1, 0.0)
    assert {"onnxruntime"} <= set(found) and all(value > 0 for value in found.values())


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("numbers", tools.peaks.NUMBERS)
def test_a_wrong_product_is_refused(numbers: tools.peaks.Numbers) -> None:
    right = tools.peaks._left() @ tools.peaks._weight()
    tools.peaks._check("library", numbers, right)
    for wrong in (right.T, right * 1.2, np.zeros_like(right), np.full_like(right, np.nan)):
        with pytest.raises(WrongAnswerError, match="library's product of two matrices"):
            tools.peaks._check("library", numbers, wrong)


def test_the_triad_moves_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools.peaks, "_last_cache_bytes", lambda: 0)
    assert tools.peaks._triad_gbytes(2, 0.0) > 0


@pytest.mark.usefixtures("small")
def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(tools.peaks, "_last_cache_bytes", lambda: 0)
    assert tools.peaks.main(["--quick", "--threads", "1", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["1", "2"] and {"triad_gbytes_per_s", "numpy_fp32_gflops"} <= set(found["1"])
    assert tools.peaks.main(["--fast"]) == 2
