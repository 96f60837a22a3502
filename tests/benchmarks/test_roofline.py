"""The roofline's arithmetic, and that peaks of wrong products are refused."""

from __future__ import annotations

import numpy as np
import pytest

import benchmarks.hardware.peaks
from benchmarks.hardware.graph_cost import GraphCost, LayerCost
from benchmarks.hardware.peaks import Peaks
from benchmarks.hardware.roofline import bound, cost_figures, roofline_figures
from benchmarks.harness.timing import WrongAnswerError


class Known(Peaks):
    """100 GFLOP/s in float32, 400 in INT8, none in bfloat16; 10 GB/s; twice that on two threads."""

    def __init__(self) -> None:
        super().__init__(quick=True)
        for threads in (1, 2):
            self._known["fp32", threads] = {"slow": 50.0 * threads, "fast": 100.0 * threads}
            self._known["int8", threads] = {"fast": 400.0 * threads}
            self._known["bf16", threads] = {}
            self._known["bytes", threads] = {"triad": 10.0 * threads}


def layer(macs: int, moved: int, *, int8: bool = False) -> LayerCost:
    return LayerCost("layer", "Conv 1x1", macs, int8, moved // 4, moved - moved // 4)


def test_the_longer_side_bounds() -> None:
    busy = GraphCost(2, (layer(500_000_000, 2_000_000),))  # 1 GFLOP: 10 ms; 2 MB: 0.2 ms
    least = bound(busy, Known(), "fp32", 1)
    assert least is not None
    assert (least.compute_ms, least.memory_ms, least.ms) == pytest.approx((10.0, 0.2, 10.0))
    idle = GraphCost(1, (layer(500_000, 20_000_000),))
    least = bound(idle, Known(), "fp32", 2)
    assert least is not None
    assert (least.compute_ms, least.memory_ms, least.ms) == pytest.approx((0.005, 1.0, 1.0))


def test_int8_layers_have_their_own_peak() -> None:
    mixed = GraphCost(1, (layer(50_000_000, 0), layer(200_000_000, 0, int8=True)))
    least = bound(mixed, Known(), "fp32", 1)
    assert least is not None and least.compute_ms == pytest.approx(1.0 + 1.0)


def test_without_a_peak_there_is_no_bound() -> None:
    cost = GraphCost(1, (layer(1000, 1000),))
    assert bound(cost, Known(), "bf16", 1) is None
    assert roofline_figures(cost, None, 1.0)["share_of_peak_percent"] is None


def test_figures_of_a_run() -> None:
    cost = GraphCost(2, (layer(500_000_000, 4_000_000),))
    figures = roofline_figures(cost, bound(cost, Known(), "fp32", 1), taken_ms=20.0)
    assert figures["gflop_per_face"] == pytest.approx(0.5)
    assert figures["mb_per_face"] == pytest.approx(2.0)
    assert figures["flop_per_byte"] == pytest.approx(250.0)
    assert figures["attained_gflops"] == pytest.approx(50.0)
    assert figures["share_of_peak_percent"] == pytest.approx(50.0)
    assert set(cost_figures(cost)) < set(figures)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks.hardware.peaks, "SIDE", 64)
    monkeypatch.setattr(benchmarks.hardware.peaks, "_QUICK_SECONDS", 0.0)
    benchmarks.hardware.peaks._left.cache_clear()
    benchmarks.hardware.peaks._weight.cache_clear()


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("numbers", ["fp32", "int8"])
def test_peaks_are_those_of_right_products(numbers: benchmarks.hardware.peaks.Numbers) -> None:
    found = Peaks(quick=True).gemm_gflops(numbers, 1)
    assert {"onnxruntime"} <= set(found) and all(value > 0 for value in found.values())


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("numbers", benchmarks.hardware.peaks.NUMBERS)
def test_a_wrong_product_is_refused(numbers: benchmarks.hardware.peaks.Numbers) -> None:
    right = benchmarks.hardware.peaks._left() @ benchmarks.hardware.peaks._weight()
    benchmarks.hardware.peaks._check("library", numbers, right)
    for wrong in (right.T, right * 1.2, np.zeros_like(right), np.full_like(right, np.nan)):
        with pytest.raises(WrongAnswerError, match="library's product of two matrices"):
            benchmarks.hardware.peaks._check("library", numbers, wrong)


def test_the_triad_moves_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks.hardware.peaks, "_last_cache_bytes", lambda: 0)
    monkeypatch.setattr(benchmarks.hardware.peaks, "_QUICK_SECONDS", 0.0)
    assert Peaks(quick=True).gbytes_per_s(2) > 0
