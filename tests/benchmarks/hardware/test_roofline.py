"""The roofline's arithmetic, the cost of a graph and the peaks of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny_model import write_tiny_model

from benchmarks.hardware.roofline import Peaks, bound, cost_figures, measure_peaks, read_costs, roofline_figures
from hpe_edge import ModelError
from tools.graph_cost import GraphCost, LayerCost

# 100 GFLOP/s in float32, 400 in INT8, none in bfloat16; 10 GB/s; twice that on two threads.
KNOWN = Peaks(
    {
        threads: {
            "triad_gbytes_per_s": 10.0 * threads,
            "slow_fp32_gflops": 50.0 * threads,
            "fast_fp32_gflops": 100.0 * threads,
            "fast_int8_gflops": 400.0 * threads,
        }
        for threads in (1, 2)
    }
)


def cost(batch: int, macs: int, moved: int, int8_macs: int = 0) -> GraphCost:
    floats = LayerCost("conv", "Conv", macs - int8_macs, False, moved // 4, moved - moved // 4)
    return GraphCost(batch, (floats, LayerCost("conv8", "Conv", int8_macs, True, 0, 0)))


def test_the_longer_side_bounds() -> None:
    busy = cost(2, 500_000_000, 2_000_000)  # 1 GFLOP: 10 ms; 2 MB: 0.2 ms
    least = bound(busy, KNOWN, "fp32", 1)
    assert least is not None
    assert (least.compute_ms, least.memory_ms, least.ms) == pytest.approx((10.0, 0.2, 10.0))
    idle = cost(1, 500_000, 20_000_000)
    least = bound(idle, KNOWN, "fp32", 2)
    assert least is not None
    assert (least.compute_ms, least.memory_ms, least.ms) == pytest.approx((0.005, 1.0, 1.0))


def test_int8_layers_have_their_own_peak() -> None:
    mixed = cost(1, 250_000_000, 0, int8_macs=200_000_000)
    least = bound(mixed, KNOWN, "fp32", 1)
    assert least is not None and least.compute_ms == pytest.approx(1.0 + 1.0)


def test_without_a_peak_there_is_no_bound() -> None:
    small = cost(1, 1000, 1000)
    assert bound(small, KNOWN, "bf16", 1) is None
    assert roofline_figures(small, None, 1.0)["share_of_peak_percent"] is None


def test_figures_of_a_run() -> None:
    busy = cost(2, 500_000_000, 4_000_000)
    figures = roofline_figures(busy, bound(busy, KNOWN, "fp32", 1), taken_ms=20.0)
    assert figures["gflop_per_face"] == pytest.approx(0.5)
    assert figures["mb_per_face"] == pytest.approx(2.0)
    assert figures["flop_per_byte"] == pytest.approx(250.0)
    assert figures["attained_gflops"] == pytest.approx(50.0)
    assert figures["share_of_peak_percent"] == pytest.approx(50.0)
    assert set(cost_figures(busy)) < set(figures)


def test_costs_and_peaks_are_measured(tmp_path: Path) -> None:
    costs = read_costs(write_tiny_model(tmp_path / "tiny.onnx", size=32), 2)
    assert costs["all"].batch == 2 and costs["all"].macs == costs["Gemm"].macs == 2 * 3 * 198
    peaks = measure_peaks([1], quick=True)
    assert peaks.gbytes_per_s(1) > 0 and (peaks.gflops("fp32", 1) or 0) > 0


def test_a_damaged_file_has_no_cost(tmp_path: Path) -> None:
    (tmp_path / "no.onnx").write_bytes(b"\x00")
    with pytest.raises(ModelError, match=r"no\.onnx"):
        read_costs(tmp_path / "no.onnx", 1)
