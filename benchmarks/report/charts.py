"""Charts of a run: those that every suite gets for its rows of times, and those of single suites."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.harness.schema import Document, Part
from benchmarks.harness.timing import Result, describe
from benchmarks.report.chart_accuracy import accuracy_charts
from benchmarks.report.chart_drawing import (
    Chart,
    case_axis,
    case_height_in,
    color_of,
    legend_above,
    log_axis,
    marker_of,
    picture,
    wrapped,
)
from benchmarks.report.chart_model import model_charts
from benchmarks.report.chart_stages import stage_charts
from benchmarks.report.tables import constant
from hpe_edge.errors import BackendError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def require_matplotlib() -> None:
    """Fail at once where there is nothing to draw with.

    Raises:
        BackendError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:  # imported later: it takes memory, which a suite may measure
        raise BackendError(
            "charts and HTML reports need matplotlib: pip install 'hpe-edge[benchmarks]', or pip install matplotlib"
        )


def charts(document: Document) -> list[Chart]:
    """All charts of a run.

    Raises:
        BackendError: matplotlib is not installed.
    """
    require_matplotlib()
    return [chart for part in document.parts for chart in _of_part(part)]


def _of_part(part: Part) -> Iterator[Chart]:
    for name in dict.fromkeys(result.name for result in part.results):
        results = [result for result in part.results if result.name == name and len(result.rows) > 1]
        if results:
            yield _ratios(part.suite, name, results)
    for of_suite in (model_charts, stage_charts, accuracy_charts):
        yield from of_suite(part)


def _ratios(suite: str, name: str, results: Sequence[Result]) -> Chart:
    """How long the alternatives take beside the first one."""
    first = results[0].rows[0].name
    names = list(dict.fromkeys(row.name for result in results for row in result.rows[1:]))
    common = constant(results)
    varying = [
        describe({key: value for key, value in result.parameters.items() if key not in common}) or name
        for result in results
    ]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for index, alternative in enumerate(names):
            found = [(at, row.ratio) for at, r in enumerate(results) for row in r.rows[1:] if row.name == alternative]
            # Markers of one case lie a little below each other, so that their whiskers can be told apart.
            offset = (index - (len(names) - 1) / 2) * 0.7 / len(names)
            median = [ratio.median for _, ratio in found]
            axes.errorbar(
                median,
                [at + offset for at, _ in found],
                xerr=[
                    [max(ratio.median - ratio.p10, 0) for _, ratio in found],
                    [max(ratio.p90 - ratio.median, 0) for _, ratio in found],
                ],
                fmt=marker_of(index),
                color=color_of(index + 1),
                markersize=5,
                label=alternative,
            )
        axes.axvline(1.0, color=color_of(0), linewidth=1.5, label=first)
        case_axis(axes, varying)
        log_axis(axes)
        figure.supxlabel(
            wrapped(f"time over that of {first}, log scale; marks: medians, lines: 10th to 90th percentile")
        )
        axes.grid(axis="x")
        legend_above(figure, axes)

    said = f"{suite}, {name}" if name != suite else suite
    title = f"{said}: time over that of {first}{f' ({describe(common)})' if common else ''}"
    alt = f"{title}. " + "; ".join(
        f"{words}: " + ", ".join(f"{row.name} {row.ratio.median:.2f}" for row in result.rows[1:])
        for words, result in zip(varying, results, strict=True)
    )
    return picture(
        suite,
        f"{name}-ratios",
        title,
        alt,
        case_height_in(varying, [first, *names]),
        draw,
    )
