"""Charts of the suite ``model``: faces a second by batch, and how far from the roofline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from benchmarks.harness.schema import Part
from benchmarks.harness.timing import Result
from benchmarks.report.chart_drawing import Chart, color_of, legend_above, log_axis, marker_of, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def model_charts(part: Part) -> Iterator[Chart]:
    """Of every file that was run: its throughput, and its roofline where there is one."""
    runs = [result for result in part.results if result.name == "run" and "faces_per_second" in result.figures]
    peaks = [result for result in part.results if result.name == "peaks"]
    for file, group in groupby(runs, lambda result: str(result.parameters["file"])):
        of_file = list(group)
        yield _throughput(part.suite, file, of_file)
        if peaks and any(result.figures.get("roofline_ms") for result in of_file):
            yield _roofline(part.suite, file, of_file, peaks)


def way(result: Result) -> str:
    """Backend, device and numbers of a run in words."""
    by = result.parameters
    said = f"{by['backend']} {by['device']} {by['numbers']}"
    return said if by["floats"] == by["numbers"] else f"{said}, floats in {by['floats']}"


def load(result: Result) -> str:
    """Threads and callers of a run in words."""
    threads, callers = result.parameters["threads"], int(result.parameters["callers"])
    said = f"{threads} thread{'s' * (threads != 1)}"
    return said if callers == 1 else f"{callers} callers of {said} each"


def _throughput(suite: str, file: str, runs: Sequence[Result]) -> Chart:
    loads, names = (list(dict.fromkeys(map(of, runs))) for of in (load, way))

    def draw(figure: Figure) -> None:
        all_axes = figure.subplots(1, len(loads), sharey=True, squeeze=False)[0]
        for axes, panel in zip(all_axes, loads, strict=True):
            for index, name in enumerate(names):
                found = [r for r in runs if load(r) == panel and way(r) == name]
                axes.plot(
                    [int(r.parameters["batch"]) for r in found],
                    [r.figures["faces_per_second"] or 0.0 for r in found],
                    marker=marker_of(index),
                    color=color_of(index),
                    label=name,
                )
            axes.set_title(panel)
            log_axis(axes)
            batches = sorted({int(r.parameters["batch"]) for r in runs})
            axes.set_xticks(batches, [str(batch) for batch in batches])
            axes.set_ylim(bottom=0)
            axes.grid()
        all_axes[0].set_ylabel("faces a second")
        figure.supxlabel("faces in a batch, log scale")
        legend_above(figure, all_axes[0])

    best = max(runs, key=lambda r: r.figures["faces_per_second"] or 0.0)
    title = f"{suite}, {file}: faces a second by batch"
    alt = f"{title}. Most: {best.figures['faces_per_second']:.0f} with {way(best)}, {load(best)}, batch "
    alt += f"{best.parameters['batch']}. " + "; ".join(
        f"{name}, {panel}: "
        + ", ".join(
            f"batch {r.parameters['batch']} {r.figures['faces_per_second'] or 0:.0f}"
            for r in runs
            if way(r) == name and load(r) == panel
        )
        for panel in loads
        for name in names
    )
    return picture(suite, f"{file}-throughput", title, alt, 3.6, draw)


def _roofline(suite: str, file: str, runs: Sequence[Result], peaks: Sequence[Result]) -> Chart:
    """On one thread: what was attained over the operations for each byte, below the machine's two limits."""
    single = [r for r in runs if r.parameters["threads"] == 1 and r.parameters["callers"] == 1]
    limits = next((r.figures for r in peaks if r.parameters["threads"] == 1), peaks[0].figures)
    bandwidth = limits["triad_gbytes_per_s"] or 1.0
    kinds = list(dict.fromkeys(name.split("_")[-2] for name in limits if name.endswith("_gflops")))
    tops = {
        kind: top
        for kind in kinds
        if (top := max((limits[name] or 0.0) for name in limits if name.endswith(f"_{kind}_gflops")))
    }
    names = list(dict.fromkeys(map(way, single)))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        intensity = [r.figures["flop_per_byte"] or 1.0 for r in single]
        low = min(intensity) / 4
        high = max(*intensity, *(top / bandwidth for top in tops.values())) * 4
        for index, (kind, top) in enumerate(tops.items()):
            style = ("-", "--", "-.", ":")[index % 4]
            knee = top / bandwidth
            axes.plot([low, knee, high], [low * bandwidth, top, top], linestyle=style, color="#7F7F7F", linewidth=1.5)
            axes.annotate(f"{kind}: {top:.0f}", (high, top), ha="right", va="bottom", fontsize=8)
        for index, name in enumerate(names):
            found = [r for r in single if way(r) == name]
            axes.plot(
                [r.figures["flop_per_byte"] or 1.0 for r in found],
                [r.figures["attained_gflops"] or 1.0 for r in found],
                marker=marker_of(index),
                color=color_of(index),
                label=name,
                linewidth=0.8,
            )
        log_axis(axes)
        log_axis(axes, "y")
        axes.set_xlim(low, high)
        axes.set_ylabel("GFLOP a second")
        axes.set_xlabel(f"FLOP for each byte; slope: {bandwidth:.1f} GB/s of memory; level: matrix product's GFLOP/s")
        axes.grid()
        legend_above(figure, axes)

    title = f"{suite}, {file}: roofline on one thread, batches joined by lines"
    alt = f"{title}. Memory {bandwidth:.1f} GB/s; peaks in GFLOP/s: "
    alt += (
        ", ".join(f"{kind} {top:.0f}" for kind, top in tops.items())
        + ". "
        + "; ".join(
            f"{way(r)}, batch {r.parameters['batch']}: {r.figures['attained_gflops'] or 0:.0f} GFLOP/s, "
            f"{r.figures['share_of_peak_percent'] or 0:.0f} % of its limit"
            for r in single
        )
    )
    return picture(suite, f"{file}-roofline", title, alt, 4.2, draw)
