"""Charts of where the time of a call goes, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from benchmarks.harness.schema import Part
from benchmarks.harness.timing import Result, describe
from benchmarks.report.chart_drawing import Chart, case_axis, case_height_in, color_of, legend_above, picture
from benchmarks.report.tables import constant, in_time

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def stage_charts(part: Part) -> Iterator[Chart]:
    """Of the results that have stages of calls by alternative."""
    found = [r for r in part.results if r.name == "stages" and "alternative" in r.parameters]
    for case, group in groupby(found, lambda r: f"{r.parameters['case']}, threads {r.parameters['threads']}"):
        yield _stages(part.suite, case, list(group))


def stages_of(result: Result) -> dict[str, float]:
    """Microseconds by stage; ``other`` is what the total holds beside them."""
    found = {
        name.removesuffix("_us"): value
        for name, value in result.figures.items()
        if name.endswith("_us") and not name.startswith(("total", "roofline")) and value
    }
    total = result.figures.get("total_us")
    rest = 0.0 if total is None else total - sum(found.values())
    return {**found, "other": rest} if rest > 0 else found


def bound_us(result: Result) -> float | None:
    """The least that the stages with a roofline take together."""
    limits = [value for name, value in result.figures.items() if name.startswith("roofline_")]
    return None if not limits or None in limits else sum(value for value in limits if value is not None)


def _stages(suite: str, case: str, results: Sequence[Result]) -> Chart:
    names = [str(result.parameters["alternative"]) for result in results]
    times = [stages_of(result) for result in results]
    stages = list(dict.fromkeys(stage for by_stage in times for stage in by_stage))
    common = describe({k: v for k, v in constant(results).items() if k not in ("case", "threads")})

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        case_axis(axes, names)
        for index, stage in enumerate(stages):
            before = [_before(by_stage, stage) for by_stage in times]
            axes.barh(
                range(len(times)),
                [by_stage.get(stage, 0.0) / 1e3 for by_stage in times],
                left=[us / 1e3 for us in before],
                height=0.6,
                color=color_of(index),
                label=stage,
            )
        for at, result in enumerate(results):
            least = bound_us(result)
            if least is not None:
                axes.plot([least / 1e3] * 2, [at - 0.42, at + 0.42], color=axes.xaxis.label.get_color(), linewidth=2)
        axes.set_xlabel("milliseconds of one call, medians; upright line: the roofline of crop and network")
        axes.grid(axis="x")
        legend_above(figure, axes)

    title = f"{suite}, {case}: where the time goes ({common})"
    alt = f"{title}. " + "; ".join(
        f"{name}: " + ", ".join(f"{stage} {in_time(us)}" for stage, us in by_stage.items())
        for name, by_stage in zip(names, times, strict=True)
    )
    return picture(suite, f"{case}-stages", title, alt, case_height_in(names, stages), draw)


def _before(by_stage: Mapping[str, float], stage: str) -> float:
    """Microseconds of the stages that come before it."""
    names = list(by_stage)
    return sum(by_stage[name] for name in names[: names.index(stage)]) if stage in names else 0.0
