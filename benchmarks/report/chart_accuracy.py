"""Charts of the suite ``accuracy``: errors with their intervals, as a whole and by how far the faces are turned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from benchmarks.harness.schema import Part
from benchmarks.harness.timing import Result, describe
from benchmarks.report.chart_drawing import Chart, case_axis, case_height_in, color_of, legend_above, marker_of, picture
from benchmarks.report.tables import constant

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WHOLE = ("yaw_mae_deg", "pitch_mae_deg", "roll_mae_deg", "mean_mae_deg", "geodesic_mean_deg")


def accuracy_charts(part: Part) -> Iterator[Chart]:
    """Of every set of faces: the errors of all that was judged on it, and those by |yaw|."""
    for data in dict.fromkeys(r.parameters["data"] for r in part.results if "data" in r.parameters):
        of_data = [r for r in part.results if r.parameters.get("data") == data]
        whole = [r for r in of_data if r.name == "accuracy" and r.figures.get("mean_mae_deg") is not None]
        bands = [r for r in of_data if r.name == "band" and r.parameters["by"] == "yaw"]
        if whole:
            yield _whole(part.suite, str(data), whole)
        if bands:
            yield _bands(part.suite, str(data), bands)


def subjects(results: Sequence[Result], beside: Sequence[str] = ()) -> list[str]:
    """What each result is about, in the parameters that tell them apart; ``beside`` names those that do not count."""
    common = {*constant(results), *beside}
    said = [{name: value for name, value in r.parameters.items() if name not in common} for r in results]
    return [describe(each) or str(results[0].parameters.get("model", "all")) for each in said]


def _whole(suite: str, data: str, results: Sequence[Result]) -> Chart:
    names = subjects(results)
    figures = [name for name in _WHOLE if name in results[0].figures]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for index, name in enumerate(figures):
            offset = (index - (len(figures) - 1) / 2) * 0.7 / len(figures)
            values = [r.figures[name] or 0.0 for r in results]
            low, high = ([r.figures.get(f"{name}_{end}") for r in results] for end in ("low", "high"))
            axes.errorbar(
                values,
                [at + offset for at in range(len(results))],
                xerr=[
                    [max(v - (e if e is not None else v), 0.0) for v, e in zip(values, low, strict=True)],
                    [max((e if e is not None else v) - v, 0.0) for v, e in zip(values, high, strict=True)],
                ],
                fmt=marker_of(index),
                color=color_of(index),
                markersize=5,
                label=_words(name),
            )
        case_axis(axes, names)
        axes.set_xlim(left=0)
        axes.set_xlabel("degrees; lines: 95 % intervals")
        axes.grid(axis="x")
        legend_above(figure, axes)

    title = f"{suite}, {data}: mean errors ({describe(_few(results))})"
    alt = f"{title}. " + "; ".join(
        f"{words}: " + ", ".join(f"{_words(name)} {result.figures[name]:.2f}" for name in figures)
        for words, result in zip(names, results, strict=True)
    )
    return picture(suite, f"{data}-errors", title, alt, case_height_in(names, figures), draw)


def _bands(suite: str, data: str, results: Sequence[Result]) -> Chart:
    names = subjects(results, ("from_deg", "to_deg", "by"))
    ranges = sorted({(int(r.parameters["from_deg"]), int(r.parameters["to_deg"])) for r in results})
    labels = [f"{low} to {high}" for low, high in ranges]
    distinct = list(dict.fromkeys(names))

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for index, name in enumerate(distinct):
            found = [r for r, of in zip(results, names, strict=True) if of == name]
            at = [ranges.index((int(r.parameters["from_deg"]), int(r.parameters["to_deg"]))) for r in found]
            offset = (index - (len(distinct) - 1) / 2) * 0.5 / len(distinct)
            values = [r.figures["mean_mae_deg"] or 0.0 for r in found]
            low, high = ([r.figures.get("mean_mae_deg_" + end) for r in found] for end in ("low", "high"))
            axes.errorbar(
                [place + offset for place in at],
                values,
                yerr=[
                    [max(v - (e if e is not None else v), 0.0) for v, e in zip(values, low, strict=True)],
                    [max((e if e is not None else v) - v, 0.0) for v, e in zip(values, high, strict=True)],
                ],
                marker=marker_of(index),
                color=color_of(index),
                linewidth=1,
                label=name,
            )
        axes.set_xticks(range(len(ranges)), labels)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("|yaw| of the label in degrees; lines: 95 % intervals")
        axes.set_ylabel("mean absolute error in degrees")
        axes.grid(axis="y")
        legend_above(figure, axes)

    title = f"{suite}, {data}: mean absolute error by |yaw|"
    alt = f"{title}. " + "; ".join(
        f"{name}, {r.parameters['from_deg']} to {r.parameters['to_deg']}: {r.figures['mean_mae_deg'] or 0:.2f}"
        for name, r in zip(names, results, strict=True)
    )
    # The legend may take a line for each.
    return picture(suite, f"{data}-by-yaw", title, alt, max(4.0, 3.0 + 0.22 * len(distinct)), draw)


def _few(results: Sequence[Result]) -> dict[str, str | int]:
    return {name: value for name, value in constant(results).items() if name not in ("data", "grouped_by")}


def _words(figure: str) -> str:
    return {"geodesic_mean_deg": "geodesic"}.get(figure, figure.removesuffix("_mae_deg"))
