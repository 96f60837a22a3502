"""Charts of results that are made up: every value is in the words beside them, and the pictures are well-formed."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
import pytest

from benchmarks.harness.schema import Document, Part
from benchmarks.harness.timing import Result, Row, Spread
from benchmarks.report.chart_drawing import Chart
from benchmarks.report.charts import charts

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'hpe-edge[benchmarks]'")

WAYS = (("onnxruntime", "fp32", "fp32"), ("openvino", "fp32", "fp32"), ("openvino", "fp32", "bf16"))


def drawn(part: Part) -> dict[str, Chart]:
    environment: dict[str, object] = {}
    document = Document(part.suite, "2026-01-01T00:00:00+00:00", ["x"], False, environment, {}, [], [part])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where things do not fit
        found = charts(document)
    for chart in found:
        for png, paper in ((chart.png, 255), (chart.dark_png, 27)):
            picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
            assert picture.shape[1] == 960
            assert 200 < picture.shape[0] < 3000
            assert abs(np.median(picture) - paper) < 12
            # What is cut off at the edge would leave ink there.
            edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
            assert np.abs(edge.astype(int) - picture[0, 0]).max() < 8, chart.name
    assert len({chart.name for chart in found}) == len(found)  # or one's file would take the place of another's
    return {chart.name: chart for chart in found}


def row(name: str, ratio: float) -> Row:
    return Row(
        name, "", 15, 1, Spread(ratio, ratio, ratio), Spread(ratio, ratio * 0.9, ratio * 1.2), Spread(0, 0, 0), {}
    )


def test_ratios() -> None:
    long = "110 x 140 px at the frame's left edge, and then some more words, which need several lines"
    results = [
        Result("crop", {"size": 112, "box": box}, [row("hpe_edge", 1.0), row("opencv", 4.5), row("numpy", 13.1)])
        for box in ("60 px", long)
    ]
    found = drawn(Part("ops", [*results, Result("alone", {}, [row("hpe_edge", 1.0)])]))
    chart = found["ops-crop-ratios"]
    assert len(found) == 1
    assert chart.title == "ops, crop: time over that of hpe_edge (size 112)"
    assert "box 60 px: opencv 4.50, numpy 13.10" in chart.alt


def test_cases_of_one_name_that_others_stand_between() -> None:
    rows = [row("plain", 1.0), row("hpe_edge", 0.004)]
    results = [Result(name, {"threads": threads}, rows) for threads in (1, "all") for name in ("one face", "8 faces")]
    found = drawn(Part("pipeline", results))
    assert set(found) == {"pipeline-one-face-ratios", "pipeline-8-faces-ratios"}
    assert "threads 1: hpe_edge 0.00; threads all: hpe_edge 0.00" in found["pipeline-one-face-ratios"].alt


def test_many_alternatives_with_long_names() -> None:
    rows = [row(f"an alternative that has a rather long name, number {i}", 1.0 + i) for i in range(12)]
    (chart,) = drawn(Part("ops", [Result("crop", {"size": 1}, rows)])).values()
    assert "number 11 12.00" in chart.alt


def run(way: tuple[str, str, str], threads: int | str, callers: int, batch: int) -> Result:
    backend, numbers, floats = way
    speed = 1000.0 * (1 + WAYS.index(way)) / callers * (1 + batch / 16)
    return Result(
        "run",
        {
            "model": "lightweight",
            "file": "lightweight.onnx",
            "backend": backend,
            "device": "cpu",
            "numbers": numbers,
            "floats": floats,
            "threads": threads,
            "callers": callers,
            "batch": batch,
        },
        figures={
            "faces_per_second": speed,
            "flop_per_byte": 6.0 + batch,
            "attained_gflops": speed / 10,
            "roofline_ms": 0.5,
            "share_of_peak_percent": 50.0,
        },
    )


def test_the_model() -> None:
    peaks = {"triad_gbytes_per_s": 12.5, "numpy_fp32_gflops": 110.0, "openvino_fp32_gflops": 230.0}
    runs = [
        run(way, threads, callers, batch)
        for way in WAYS
        for threads, callers in ((1, 1), ("all", 1), (1, 2))
        for batch in (1, 2, 4, 8, 16)
    ]
    part = Part("model", [Result("peaks", {"threads": 1}, figures={**peaks, "openvino_int8_gflops": None}), *runs])
    found = drawn(part)
    assert set(found) == {"model-lightweight-onnx-throughput", "model-lightweight-onnx-roofline"}
    alt = found["model-lightweight-onnx-throughput"].alt
    assert "Most: 6000 with openvino cpu fp32, floats in bf16, 1 thread, batch 16" in alt
    assert "onnxruntime cpu fp32, 2 callers of 1 thread each: batch 1 531" in alt
    alt = found["model-lightweight-onnx-roofline"].alt
    assert "Memory 12.5 GB/s; peaks in GFLOP/s: fp32 230." in alt  # the better library's; none in INT8
    assert alt.count("50 % of its limit") == 15  # those on one thread alone


def test_a_model_without_a_roofline() -> None:
    results = [Result(r.name, r.parameters, figures={"faces_per_second": 10.0}) for r in [run(WAYS[0], 1, 1, 1)]]
    assert set(drawn(Part("model", results))) == {"model-lightweight-onnx-throughput"}


def test_stages() -> None:
    by: dict[str, str | int] = {"model": "lightweight", "size": 224, "case": "8 faces", "threads": "all", "faces": 8}
    part = Part(
        "pipeline",
        [
            Result(
                "stages",
                {**by, "alternative": "plain"},
                figures={"crop_us": 900.0, "infer_us": 8000.0, "decode_us": 300.0, "total_us": 9400.0},
            ),
            Result(
                "stages",
                {**by, "alternative": "openvino cpu bf16"},
                figures={
                    "crop_us": 200.0,
                    "infer_us": 3000.0,
                    "decode_us": 2.0,
                    "total_us": 3210.0,
                    "copy_us": 0.0,
                    "roofline_crop_us": 50.0,
                    "roofline_infer_us": 1200.0,
                },
            ),
        ],
    )
    (chart,) = drawn(part).values()
    assert chart.name == "pipeline-8-faces-threads-all-stages"
    assert "plain: crop 900 µs, infer 8.00 ms, decode 300 µs, other 200 µs" in chart.alt
    assert "openvino cpu bf16: crop 200 µs, infer 3.00 ms, decode 2.00 µs, other 8.00 µs" in chart.alt


def test_accuracy() -> None:
    def figures(mean: float) -> dict[str, float | None]:
        found: dict[str, float | None] = {"faces": 195}
        for i, name in enumerate(("yaw_mae_deg", "pitch_mae_deg", "roll_mae_deg", "mean_mae_deg", "geodesic_mean_deg")):
            value = mean + i - 2
            found |= {name: value, f"{name}_low": value - 0.4, f"{name}_high": value + 0.5}
        return found

    by = {"data": "AFLW2000", "boxes": "landmarks", "crop": "own"}
    forms = [{**by, "model": model, "form": f"{model} {kind}"} for model in ("a", "b") for kind in ("fp32", "int8")]
    results = [Result("accuracy", form, figures=figures(4.0 + i)) for i, form in enumerate(forms)]
    results += [
        Result("band", {**form, "by": "yaw", "from_deg": low, "to_deg": high}, figures=figures(3.0 + low / 10))
        for form in forms
        for low, high in ((0, 30), (30, 60), (60, 99))
    ]
    results.append(Result("published", {"data": "AFLW2000", "method": "x"}, figures={"mean_mae_deg": 6.2}))
    # Of one group of faces there is no interval.
    alone = {name: None if name.endswith(("_low", "_high")) else value for name, value in figures(5.0).items()}
    results.append(Result("accuracy", {**by, "data": "BIWI", "model": "a", "form": "a fp32"}, figures=alone))
    found = drawn(Part("accuracy", results))
    assert set(found) == {"accuracy-aflw2000-errors", "accuracy-aflw2000-by-yaw", "accuracy-biwi-errors"}
    assert (
        "model b, form b int8: yaw 5.00, pitch 6.00, roll 7.00, mean 8.00, geodesic 9.00"
        in found["accuracy-aflw2000-errors"].alt
    )
    assert "model a, form a fp32, 60 to 99: 10.00" in found["accuracy-aflw2000-by-yaw"].alt


def test_nothing_to_draw() -> None:
    assert drawn(Part("memory", [Result("memory", {}, figures={"growth_kb": 0.0})])) == {}
