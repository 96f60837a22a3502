"""Charts of runs by matplotlib: times beside a baseline, throughput, rooflines, stages, and errors with intervals."""

from __future__ import annotations

import importlib.util
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness.schema import Document, Part
from benchmarks.harness.timing import Result, describe
from benchmarks.report.tables import constant
from hpe_edge.errors import BackendError
from hpe_edge.util.atomic import Pending

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MARKERS = "osD^vPX*"
_WIDTH_IN, _DPI = 8.0, 120
_SHORT = re.compile(r"(_mae|_mean)?_deg$")
_WHOLE = ("yaw_mae_deg", "pitch_mae_deg", "roll_mae_deg", "mean_mae_deg", "geodesic_mean_deg")

# Series -> points: number of the case, value, and its interval's reach down and up.
Points = Mapping[str, Sequence[tuple[int, float, float, float]]]


@dataclass(frozen=True)
class Chart:
    """A picture; ``name`` is that of its file, without the ending."""

    name: str
    title: str
    figure: Figure


def require_matplotlib() -> None:
    """Raise BackendError without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:  # not imported yet: it takes memory, which a suite may measure
        raise BackendError("charts and reports need matplotlib: pip install 'hpe-edge[benchmarks]'")


def charts(document: Document) -> list[Chart]:
    """Draw all charts of a run."""
    require_matplotlib()
    drawn = (_ratio_charts, _model_charts, _stage_charts, _accuracy_charts)
    return [chart for part in document.parts for draw in drawn for chart in draw(part)]


def config_name(result: Result) -> str:
    """Name backend, device and precision of a run."""
    by = result.parameters
    name = f"{by['backend']} {by['device']} {by['numbers']}"
    return name if by["floats"] == by["numbers"] else f"{name}, floats in {by['floats']}"


def load_name(result: Result) -> str:
    """Name threads and callers of a run."""
    threads, callers = result.parameters["threads"], int(result.parameters["callers"])
    name = f"{threads} thread{'s' * (threads != 1)}"
    return name if callers == 1 else f"{callers} callers of {name} each"


def stage_times(result: Result) -> dict[str, float]:
    """Return microseconds by stage; ``other`` is the rest of the total."""
    found = {
        name.removesuffix("_us"): value
        for name, value in result.figures.items()
        if name.endswith("_us") and not name.startswith(("total", "roofline")) and value
    }
    rest = (result.figures.get("total_us") or 0.0) - sum(found.values())
    return {**found, "other": rest} if rest > 0 else found


def bound_us(result: Result) -> float | None:
    """Return the least time of the stages with a roofline together."""
    limits = [value for name, value in result.figures.items() if name.startswith("roofline_")]
    known = [value for value in limits if value is not None]
    return sum(known) if known and len(known) == len(limits) else None


def subjects(results: Sequence[Result], beside: Sequence[str] = ()) -> list[str]:
    """Name each result by the parameters that differ, except those in ``beside``."""
    common = {*constant(results), *beside}
    names = [{name: value for name, value in r.parameters.items() if name not in common} for r in results]
    return [describe(each) or str(results[0].parameters.get("model", results[0].name)) for each in names]


def _chart(suite: str, name: str, title: str, height_in: float) -> Chart:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height_in), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display, whatever backend the user has set
    figure.suptitle("\n".join(textwrap.wrap(title, 100)), fontsize=9)
    return Chart(re.sub(r"[^a-z0-9]+", "-", f"{suite} {name}".lower()).strip("-"), title, figure)


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if len(handles) > 1:
        figure.legend(handles, labels, loc="outside lower left", ncols=_columns(labels), frameon=False, fontsize=8)


def _columns(labels: Iterable[str]) -> int:
    return max(1, 110 // (max(map(len, labels)) + 7))


def _dots(suite: str, name: str, title: str, cases: Sequence[str], series: Points, label: str) -> tuple[Chart, Axes]:
    """Draw a mark with its interval for each case, the first on top, and each series a little below the one before."""
    names = ["\n".join(textwrap.wrap(case, 34)) for case in cases]
    rows = math.ceil((len(series) + 1) / _columns(series))
    case_in = max(0.25 + 0.16 * max(case.count("\n") + 1 for case in names), 0.11 * len(series))
    chart = _chart(suite, name, title, 1.2 + 0.2 * rows + case_in * max(len(cases), 2))
    axes = chart.figure.add_subplot()
    for index, (of, points) in enumerate(series.items()):
        offset = (index - (len(series) - 1) / 2) * 0.7 / len(series)
        at, values, down, up = zip(*points, strict=True)
        marker = MARKERS[(index + index // 10) % len(MARKERS)]  # where colours begin again, they meet other marks
        places = [place + offset for place in at]
        axes.errorbar(values, places, xerr=[down, up], fmt=marker, markersize=5, color=f"C{index % 10}", label=of)
    axes.set_yticks(range(len(cases)), names, fontsize=8)
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.grid(axis="x")
    return chart, axes


def _log_axis(axis: Any) -> None:
    """Label a logarithmic axis with plain numbers, as many as there is room for; after everything was drawn on it."""
    from matplotlib.ticker import LogLocator

    low, high = axis.get_view_interval()
    decades = math.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5) if decades < 2 else (1, 3) if decades < 4 else (1,)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(LogLocator(subs=()))


def _ratio_charts(part: Part) -> Iterator[Chart]:
    """Draw the alternatives' times over the first one's, by name of the case."""
    for name in dict.fromkeys(result.name for result in part.results):
        results = [result for result in part.results if result.name == name and len(result.rows) > 1]
        if not results:
            continue
        first, common = results[0].rows[0].name, constant(results)
        series: dict[str, list[tuple[int, float, float, float]]] = {}
        for at, result in enumerate(results):
            for row in result.rows[1:]:
                ratio = row.ratio
                reach = max(ratio.median - ratio.p10, 0.0), max(ratio.p90 - ratio.median, 0.0)
                series.setdefault(row.name, []).append((at, ratio.median, *reach))
        title = f"{part.suite}, {name}" if name != part.suite else name
        title += f": time over that of {first}{f' ({describe(common)})' if common else ''}"
        label = "log scale; marks: medians, lines: 10th to 90th percentile"
        chart, axes = _dots(part.suite, f"{name}-ratios", title, subjects(results), series, label)
        axes.axvline(1.0, color="black", label=first)
        axes.set_xscale("log")
        _log_axis(axes.xaxis)
        _legend(chart.figure, axes)
        yield chart


def _model_charts(part: Part) -> Iterator[Chart]:
    """Draw each file's throughput by batch size, and its roofline where there is one."""
    runs = [result for result in part.results if result.name == "run" and "faces_per_second" in result.figures]
    peaks = [result.figures for result in part.results if result.name == "peaks"]  # the first on one thread
    for file, group in groupby(runs, lambda result: str(result.parameters["file"])):
        of_file = list(group)
        yield _throughput(part.suite, file, of_file)
        if peaks and any(result.figures.get("roofline_ms") for result in of_file):
            yield _roofline(part.suite, file, of_file, peaks[0])


def _throughput(suite: str, file: str, runs: Sequence[Result]) -> Chart:
    loads = list(dict.fromkeys(map(load_name, runs)))
    chart = _chart(suite, f"{file}-throughput", f"{suite}, {file}: faces a second by batch size", 4.0)
    all_axes = chart.figure.subplots(1, len(loads), sharey=True, squeeze=False)[0]
    batches = sorted({int(r.parameters["batch"]) for r in runs})
    for axes, panel in zip(all_axes, loads, strict=True):
        _lines(axes, [r for r in runs if load_name(r) == panel], "batch", "faces_per_second")
        axes.set_title(panel, fontsize=9)
        axes.set_xscale("log")
        axes.set_xticks(batches, [str(batch) for batch in batches], minor=False)
        axes.minorticks_off()
        axes.set_ylim(bottom=0)
        axes.grid()
    all_axes[0].set_ylabel("faces a second")
    chart.figure.supxlabel("batch size, log scale", fontsize=9)
    _legend(chart.figure, all_axes[0])
    return chart


def _lines(axes: Axes, runs: Sequence[Result], x: str, y: str) -> None:
    """Draw a line for each configuration."""
    for index, name in enumerate(dict.fromkeys(map(config_name, runs))):
        found = [{**r.parameters, **r.figures} for r in runs if config_name(r) == name]
        points = [(float(by[x] or 0), float(by[y] or 0)) for by in found]
        axes.plot(*zip(*points, strict=True), marker=MARKERS[index % len(MARKERS)], color=f"C{index % 10}", label=name)


def _roofline(suite: str, file: str, runs: Sequence[Result], limits: Mapping[str, float | None]) -> Chart:
    """Draw the attained rate of one thread over the operations per byte, with the machine's limits."""
    single = [r for r in runs if r.parameters["threads"] == 1 and r.parameters["callers"] == 1]
    bandwidth = limits["triad_gbytes_per_s"] or 1.0
    tops: dict[str, float] = {}
    for name, value in limits.items():
        if name.endswith("_gflops") and value:
            kind = name.split("_")[-2]
            tops[kind] = max(value, tops.get(kind, 0.0))
    title = f"{suite}, {file}: roofline on one thread, batch sizes joined by lines"
    chart = _chart(suite, f"{file}-roofline", title, 4.4)
    axes = chart.figure.add_subplot()
    intensity = [r.figures["flop_per_byte"] or 1.0 for r in single]
    low, high = min(intensity) / 4, max(*intensity, *(top / bandwidth for top in tops.values())) * 4
    for index, (kind, top) in enumerate(tops.items()):
        style = ("-", "--", "-.", ":")[index % 4]
        axes.plot([low, top / bandwidth, high], [low * bandwidth, top, top], linestyle=style, color="gray")
        axes.annotate(f"{kind}: {top:.0f}", (high, top), ha="right", va="bottom", fontsize=8)
    _lines(axes, single, "flop_per_byte", "attained_gflops")
    axes.set_xlim(low, high)
    for scale, axis in ((axes.set_xscale, axes.xaxis), (axes.set_yscale, axes.yaxis)):
        scale("log")
        _log_axis(axis)
    axes.set_ylabel("GFLOP a second")
    axes.set_xlabel(f"FLOP for each byte; slope: {bandwidth:.1f} GB/s of memory; level: matrix product's GFLOP/s")
    axes.grid()
    _legend(chart.figure, axes)
    return chart


def _stage_charts(part: Part) -> Iterator[Chart]:
    """Draw the stages of calls one after the other, by alternative."""
    found = [r for r in part.results if r.name == "stages" and "alternative" in r.parameters]
    for case, group in groupby(found, lambda r: f"{r.parameters['case']}, threads {r.parameters['threads']}"):
        results = list(group)
        common = describe({k: v for k, v in constant(results).items() if k not in ("case", "threads")})
        title = f"{part.suite}, {case}: times by stage ({common})"
        chart = _chart(part.suite, f"{case}-stages", title, 1.4 + 0.35 * len(results))
        axes = chart.figure.add_subplot()
        times = [stage_times(result) for result in results]
        done = [0.0] * len(times)
        for stage in dict.fromkeys(stage for by_stage in times for stage in by_stage):
            widths = [by_stage.get(stage, 0.0) / 1e3 for by_stage in times]
            axes.barh(range(len(times)), widths, left=done, height=0.6, label=stage)
            done = [start + width for start, width in zip(done, widths, strict=True)]
        for at, least in enumerate(map(bound_us, results)):
            if least is not None:
                axes.plot([least / 1e3] * 2, [at - 0.42, at + 0.42], color="black", linewidth=2)
        axes.set_yticks(range(len(results)), [str(r.parameters["alternative"]) for r in results], fontsize=8)
        axes.invert_yaxis()
        axes.set_xlabel("milliseconds of one call, medians; upright line: the roofline of crop and network")
        axes.grid(axis="x")
        _legend(chart.figure, axes)
        yield chart


def _accuracy_charts(part: Part) -> Iterator[Chart]:
    """Draw the errors on every set of faces: of every variant, and by |yaw|."""
    for data in dict.fromkeys(str(r.parameters["data"]) for r in part.results if "data" in r.parameters):
        of_data = [r for r in part.results if r.parameters.get("data") == data]
        whole = [r for r in of_data if r.name == "accuracy" and r.figures.get("mean_mae_deg") is not None]
        if whole:
            kinds = [name for name in _WHOLE if name in whole[0].figures]
            series = {_SHORT.sub("", k): [(at, *_with_reach(r, k)) for at, r in enumerate(whole)] for k in kinds}
            yield _errors(part.suite, f"{data}-errors", f"{data}: mean errors", subjects(whole), series)
        bands = [r for r in of_data if r.name == "band" and r.parameters["by"] == "yaw"]
        if bands:
            ranges = sorted({_range(r) for r in bands})
            series = {}
            for name, r in zip(subjects(bands, ("from_deg", "to_deg", "by")), bands, strict=True):
                series.setdefault(name, []).append((ranges.index(_range(r)), *_with_reach(r, "mean_mae_deg")))
            title, cases = f"{data}: mean absolute error by |yaw| of the label", [f"{a} to {b}°" for a, b in ranges]
            yield _errors(part.suite, f"{data}-by-yaw", title, cases, series)


def _errors(suite: str, name: str, title: str, cases: Sequence[str], series: Points) -> Chart:
    chart, axes = _dots(suite, name, f"{suite}, {title}", cases, series, "degrees; lines: 95 % intervals")
    axes.set_xlim(left=0)
    _legend(chart.figure, axes)
    return chart


def _range(result: Result) -> tuple[int, int]:
    return int(result.parameters["from_deg"]), int(result.parameters["to_deg"])


def _with_reach(result: Result, name: str) -> tuple[float, float, float]:
    """Return a figure, and how far its interval reaches down and up; 0 where there is none."""
    value, low, high = (result.figures.get(f"{name}{end}") for end in ("", "_low", "_high"))
    value = value or 0.0
    return value, max(value - (value if low is None else low), 0.0), max((value if high is None else high) - value, 0.0)


def save_calibration(path: Path, errors: Any, sigma: Any, groups: Sequence[Sequence[tuple[float, float]]]) -> None:
    """Draw errors over sigma, ``[N, 3]`` degrees of yaw, pitch and roll, and lines through groups of similar sigma.

    A calibrated sigma gives a line on the diagonal.
    """
    require_matplotlib()
    chart = _chart("card", "calibration", "Error over sigma; lines: root mean squares of faces with similar sigma", 8.0)
    axes = chart.figure.add_subplot()
    top = 1.25 * max(max(pair) for group in groups for pair in group)
    for i, name in enumerate(("yaw", "pitch", "roll")):
        axes.scatter(sigma[:, i], errors[:, i], s=6, color=f"C{i}", alpha=0.35)
        axes.plot(*zip(*groups[i], strict=True), marker="o", color=f"C{i}", label=name)
    axes.plot([0, top], [0, top], color="black", linewidth=1)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="sigma (degrees)", ylabel="error (degrees)")
    axes.grid()
    axes.legend()
    save(chart, path)


def save(chart: Chart, path: Path) -> None:
    """Write a chart as PNG, complete or not at all."""
    pending = Pending(path)
    try:
        chart.figure.savefig(pending.temp, metadata={"Software": None})
        pending.commit()
    finally:
        pending.discard()
