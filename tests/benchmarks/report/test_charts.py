"""Charts of made-up results: every value is in the picture, and the pictures are well-formed."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.harness.schema import Document, Part
from benchmarks.harness.timing import Result, Row, Spread
from benchmarks.report.charts import Chart, charts, save, save_calibration

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install 'hpe-edge[benchmarks]'")

CONFIGS = (("onnxruntime", "fp32", "fp32"), ("openvino", "fp32", "fp32"), ("openvino", "fp32", "bf16"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def drawn(part: Part, folder: Path) -> dict[str, Chart]:
    environment: dict[str, object] = {}
    document = Document(part.suite, "2026-01-01T00:00:00+00:00", ["x"], False, environment, {}, [], [part])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where things do not fit
        found = charts(document)
        for chart in found:
            save(chart, folder / f"{chart.name}.png")
    for chart in found:
        picture = cv2.imread(str(folder / f"{chart.name}.png"))
        assert picture.shape[1] == 960
        assert 200 < picture.shape[0] < 3000
        # What is cut off at the edge would leave ink there.
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert edge.min() > 240, chart.name
    assert len({chart.name for chart in found}) == len(found)  # or one's file would take the place of another's
    return {chart.name: chart for chart in found}


def marks(chart: Chart) -> dict[str, list[tuple[float, float]]]:
    """Points of each labelled series of error bars or lines, over all axes."""
    found: dict[str, list[tuple[float, float]]] = {}
    for axes in chart.figure.axes:
        bars = [(str(each.get_label()), each.lines[0]) for each in axes.containers if hasattr(each, "has_xerr")]
        lines = [(str(line.get_label()), line) for line in axes.lines if not str(line.get_label()).startswith("_")]
        for name, line in (*bars, *lines):
            points = zip(np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float), strict=True)
            found.setdefault(name, []).extend(points)
    return found


def values(chart: Chart, name: str) -> list[float]:
    return pytest.approx([x for x, _ in marks(chart)[name]])  # type: ignore[return-value]


def case_names(chart: Chart) -> list[str]:
    return [" ".join(label.get_text().split()) for label in chart.figure.axes[0].get_yticklabels()]


def row(name: str, ratio: float) -> Row:
    return Row(
        name, "", 15, 1, Spread(ratio, ratio, ratio), Spread(ratio, ratio * 0.9, ratio * 1.2), Spread(0, 0, 0), {}
    )


def test_ratios(folder: Path) -> None:
    long = "110 x 140 px at the frame's left edge, and then some more words, which need several lines"
    results = [
        Result("crop", {"size": 112, "box": box}, [row("hpe_edge", 1.0), row("opencv", 4.5), row("numpy", 13.1)])
        for box in ("60 px", long)
    ]
    found = drawn(Part("ops", [*results, Result("alone", {}, [row("hpe_edge", 1.0)])]), folder)
    chart = found["ops-crop-ratios"]
    assert len(found) == 1
    assert "hpe_edge" in chart.title and "size 112" in chart.title
    assert values(chart, "opencv") == [4.5, 4.5] and values(chart, "numpy") == [13.1, 13.1]
    assert case_names(chart) == ["box 60 px", f"box {long}"]


def test_cases_of_one_name_that_others_stand_between(folder: Path) -> None:
    rows = [row("plain", 1.0), row("hpe_edge", 0.004)]
    results = [Result(name, {"threads": threads}, rows) for threads in (1, "all") for name in ("one face", "8 faces")]
    found = drawn(Part("pipeline", results), folder)
    assert set(found) == {"pipeline-one-face-ratios", "pipeline-8-faces-ratios"}
    assert values(found["pipeline-one-face-ratios"], "hpe_edge") == [0.004, 0.004]
    assert case_names(found["pipeline-one-face-ratios"]) == ["threads 1", "threads all"]


def test_many_alternatives_with_long_names(folder: Path) -> None:
    rows = [row(f"an alternative that has a rather long name, number {i}", 1.0 + i) for i in range(12)]
    (chart,) = drawn(Part("ops", [Result("crop", {"size": 1}, rows)]), folder).values()
    assert values(chart, rows[11].name) == [12.0]


def run(config: tuple[str, str, str], threads: int | str, callers: int, batch: int) -> Result:
    backend, numbers, floats = config
    speed = 1000.0 * (1 + CONFIGS.index(config)) / callers * (1 + batch / 16)
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


def test_the_model(folder: Path) -> None:
    peaks = {"triad_gbytes_per_s": 12.5, "numpy_fp32_gflops": 110.0, "openvino_fp32_gflops": 230.0}
    runs = [
        run(config, threads, callers, batch)
        for config in CONFIGS
        for threads, callers in ((1, 1), ("all", 1), (1, 2))
        for batch in (1, 2, 4, 8, 16)
    ]
    part = Part("model", [Result("peaks", {"threads": 1}, figures={**peaks, "openvino_int8_gflops": None}), *runs])
    found = drawn(part, folder)
    assert set(found) == {"model-lightweight-onnx-throughput", "model-lightweight-onnx-roofline"}
    throughput = marks(found["model-lightweight-onnx-throughput"])
    assert set(throughput) == {"onnxruntime cpu fp32", "openvino cpu fp32", "openvino cpu fp32, floats in bf16"}
    assert max(y for _, y in throughput["openvino cpu fp32, floats in bf16"]) == 6000
    assert throughput["onnxruntime cpu fp32"][10] == (1, 531.25)  # by two callers
    roofline = found["model-lightweight-onnx-roofline"]
    assert [text.get_text() for text in roofline.figure.axes[0].texts] == ["fp32: 230"]  # the better library's
    assert sum(len(points) for points in marks(roofline).values()) == 15  # those on one thread alone
    assert "12.5 GB/s" in roofline.figure.axes[0].get_xlabel()


def test_a_model_without_a_roofline(folder: Path) -> None:
    results = [Result(r.name, r.parameters, figures={"faces_per_second": 10.0}) for r in [run(CONFIGS[0], 1, 1, 1)]]
    assert set(drawn(Part("model", results), folder)) == {"model-lightweight-onnx-throughput"}


def test_stages(folder: Path) -> None:
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
    (chart,) = drawn(part, folder).values()
    assert chart.name == "pipeline-8-faces-threads-all-stages"
    bars = {str(bar.get_label()): [patch.get_width() for patch in bar] for bar in chart.figure.axes[0].containers}
    assert bars == {
        "crop": pytest.approx([0.9, 0.2]),
        "infer": pytest.approx([8.0, 3.0]),
        "decode": pytest.approx([0.3, 0.002]),
        "other": pytest.approx([0.2, 0.008]),
    }
    (bound,) = chart.figure.axes[0].lines
    assert list(bound.get_xdata()) == pytest.approx([1.25, 1.25])


def test_accuracy(folder: Path) -> None:
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
    found = drawn(Part("accuracy", results), folder)
    assert set(found) == {"accuracy-aflw2000-errors", "accuracy-aflw2000-by-yaw", "accuracy-biwi-errors"}
    errors = found["accuracy-aflw2000-errors"]
    assert case_names(errors)[3] == "model b, form b int8"
    assert values(errors, "mean") == [5.0, 6.0, 7.0, 8.0] and values(errors, "geodesic") == [6.0, 7.0, 8.0, 9.0]
    by_yaw = found["accuracy-aflw2000-by-yaw"]
    assert values(by_yaw, "model a, form a fp32") == [4.0, 7.0, 10.0]


def test_nothing_to_draw(folder: Path) -> None:
    assert drawn(Part("memory", [Result("memory", {}, figures={"growth_kb": 0.0})]), folder) == {}


def test_calibration(tmp_path: Path) -> None:
    path = tmp_path / "calibration.png"
    save_calibration(path, np.full((12, 3), 5.0), np.full((12, 3), 10.0), [[(10.0, 5.0)]] * 3)
    picture = cv2.imread(str(path))
    assert picture.shape == (960, 960, 3)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
