"""Tables of docs/performance.md: a function for each suite, from results to tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby

from benchmarks.harness.schema import Part
from benchmarks.harness.timing import Result, Spread, describe
from benchmarks.report.charts import bound_us, config_name, load_name, stage_times
from benchmarks.report.tables import Table, in_time, number

ANGLES = ("yaw", "pitch", "roll", "mean")


def ops_tables(part: Part) -> Iterator[Table]:
    """Tabulate the others' times over hpe_edge's."""
    rows = []
    for result in part.results:
        if result.name == "crop_normalize" and result.parameters["resampling"] == "bilinear":
            more = "" if result.parameters["faces"] == 1 else f", {result.parameters['faces']} faces"
            box = str(result.parameters["box"])
            what = f"crop, {box}{' box' * box.endswith('px')} to {result.parameters['size']}²{more}"
            rows.append((what, *_beside(result, ("opencv", "opencv best", "numpy"))))
        elif result.name == "decode":
            faces = result.parameters["faces"]
            what = f"decode, {faces} face{'s' * (faces != 1)} of {result.parameters['bins']} bins"
            rows.append((what, *_beside(result, ("", "", "numpy"))))
    if rows:
        title = "One thread; how many times as long the others take for the same answer"
        yield Table(title, ("", "hpe_edge", "OpenCV", "OpenCV, best chain", "NumPy"), rows)


def _beside(result: Result, names: Sequence[str]) -> list[str]:
    by = {row.name: row for row in result.rows}
    ratios = [f"{by[name].ratio.median:.1f}" if name in by else "" for name in names]
    return [f"{result.rows[0].time_us.median:.1f} µs", *ratios]


def engine_tables(part: Part) -> Iterator[Table]:
    """Tabulate a call of PoseEngine and its parts."""
    found = [result for result in part.results if result.name == "engine"]
    if found:
        names = [row.name for row in found[0].rows]
        rows = [
            (describe(result.parameters), *(in_time(result.row(name).time_us.median) for name in names))
            for result in found
        ]
        yield Table("A call of PoseEngine and its parts, one thread", ("", *names), rows)


def model_tables(part: Part) -> Iterator[Table]:
    """Tabulate the network: each configuration at batch size 1 and at the fastest one; its cost; the peaks."""
    runs = [result for result in part.results if result.name == "run" and result.figures]
    for file, group in groupby(runs, lambda result: str(result.parameters["file"])):
        of_file, rows = list(group), []
        for _, of_config in groupby(of_file, lambda result: (config_name(result), load_name(result))):
            batches = list(of_config)
            best = max(batches, key=lambda result: result.figures["faces_per_second"] or 0.0)
            shown = [result for result in batches if result is best or result.parameters["batch"] == 1]
            rows += [_run_row(result) for result in shown]
        by = of_file[0].parameters
        title = f"{file} ({by['model']}, {by['size']}², {by['weights']} weights)"
        columns = ("", "batch", "p50", "p90", "p99", "faces/s", "of the roofline", "memory", "energy a face", "change")
        yield _without_empty(Table(title, columns, rows))
    costs = [result for result in part.results if result.name == "cost" and result.parameters["layers"] == "all"]
    if costs:
        figures = {"GFLOP a face": "gflop_per_face", "MB moved a face": "mb_per_face", "FLOP a byte": "flop_per_byte"}
        rows = [(str(r.parameters["file"]), *(number(r.figures[name]) for name in figures.values())) for r in costs]
        yield Table("What a face costs, counted from the graphs", ("", *figures), rows)
    peaks = [result for result in part.results if result.name == "peaks"]
    if peaks:
        rows = [(name, *(number(result.figures.get(name)) for result in peaks)) for name in peaks[0].figures]
        heads = [f"{result.parameters['threads']} threads" for result in peaks]
        yield Table("Peaks of this machine, measured", ("", *heads), rows)


def _without_empty(table: Table) -> Table:
    """Remove empty columns, such as the energy without a sensor."""
    kept = [at for at in range(len(table.columns)) if any(row[at] for row in table.rows)]
    return Table(table.title, [table.columns[at] for at in kept], [[row[at] for at in kept] for row in table.rows])


def _run_row(result: Result) -> tuple[str, ...]:
    by = result.figures
    kb = by.get("engine_resident_kb")
    times = [_figure(by, f"p{percent}_ms", "{:.2f} ms") for percent in (50, 90, 99)]
    return (
        f"{config_name(result)}, {load_name(result)}",
        str(result.parameters["batch"]),
        *times,
        _figure(by, "faces_per_second", "{:.0f}"),
        _figure(by, "share_of_peak_percent", "{:.0f} %"),
        _figure({"mb": None if kb is None else kb / 1024}, "mb", "{:.0f} MB"),
        _figure(by, "energy_per_face_mj", "{:.1f} mJ"),
        _figure(by, "change_mean_deg", "{:.2f}°"),
    )


def pipeline_tables(part: Part) -> Iterator[Table]:
    """Tabulate the speed-up over the plain pipeline, and the times by stage."""
    cases = [result for result in part.results if result.rows and result.rows[0].name == "plain"]
    for (model, size, scene), group in groupby(
        cases, lambda result: tuple(result.parameters.get(name) for name in ("model", "size", "scene"))
    ):
        of_model = list(group)
        names = list(dict.fromkeys(row.name for result in of_model for row in result.rows[1:]))
        rows = []
        for result in of_model:
            by = {row.name: row for row in result.rows}
            what = f"{result.name} ({result.parameters['faces']} in all), {_threads(result)}"
            faster = [_faster(by[name].ratio) if name in by else "" for name in names]
            rows.append((what, in_time(by["plain"].time_us.median), *faster))
        title = f"{model}, {size}², {scene}: how many times as fast as the plain pipeline"
        yield Table(title, ("", "plain", *names), rows)
    stages = [result for result in part.results if result.name == "stages" and "alternative" in result.parameters]
    names = list(dict.fromkeys(stage for result in stages for stage in stage_times(result)))
    if stages:
        rows = []
        for result in stages:
            by_stage, least = stage_times(result), bound_us(result)
            what = f"{result.parameters['case']}, {_threads(result)}: {result.parameters['alternative']}"
            cells = [in_time(by_stage[name]) if name in by_stage else "" for name in names]
            rows.append((what, *cells, _time(result.figures.get("total_us")), _time(least)))
        yield Table("Where the time of a call goes", ("", *names, "total", "roofline of crop and network"), rows)
    around = [result for result in part.results if result.name == "around" and result.figures]
    if around:
        rows = [
            (
                f"{result.parameters['stage']}, {result.parameters['faces']} faces",
                _time(next(iter(result.figures.values()))),
            )
            for result in around
        ]
        yield Table("Before and after it, the same for all", ("", "time"), rows)


def _threads(result: Result) -> str:
    threads = result.parameters["threads"]
    return f"{threads} thread{'s' * (threads != 1)}"


def _faster(ratio: Spread) -> str:
    return f"{1 / ratio.median:.2f} ({1 / ratio.p90:.2f} to {1 / ratio.p10:.2f})"


def accuracy_tables(part: Part) -> Iterator[Table]:
    """Tabulate errors by set of faces, beside published ones."""
    for data in dict.fromkeys(result.parameters.get("data") for result in part.results):
        of_data = [result for result in part.results if result.parameters.get("data") == data]
        own = [result for result in of_data if result.name == "accuracy"]
        figures = [f"{angle}_mae_deg" for angle in ANGLES]
        if own and "geodesic_mean_deg" in own[0].figures:
            figures.append("geodesic_mean_deg")
        prefix = "" if data is None else f"{data}: "
        if own:
            rows = [
                (_judged(result), _faces(result), *(_with_interval(result.figures, name) for name in figures))
                for result in own
            ]
            title = f"{prefix}mean absolute errors in degrees{', with 95 % intervals' if len(figures) > 4 else ''}"
            yield Table(title, ("", "faces", *ANGLES, "geodesic")[: 2 + len(figures)], rows)
        bands = [result for result in of_data if result.name == "band" and result.parameters["by"] == "yaw"]
        if bands:
            yield _bands(f"{prefix}mean absolute error by the label's yaw, whichever way", bands)
        published = [result for result in of_data if result.name == "published"]
        if published:
            rows = [
                (
                    f"{result.parameters['method']}, {result.parameters['year']}",
                    *(f"{result.figures[name]:.2f}" for name in figures[:4]),
                    str(result.parameters["protocol"]),
                    str(result.parameters["source"]),
                )
                for result in published
            ]
            title = f"{prefix}figures that others have published; not measured here, and by protocols that differ"
            yield Table(title, ("", *ANGLES, "protocol", "source"), rows)


def _judged(result: Result) -> str:
    by = result.parameters
    names = [name for name in ("form", "boxes", "crop") if name in by]
    model = [str(by["model"])] if by["model"] not in (by.get("form"),) else []
    return ", ".join([*model, *(f"{name} {by[name]}" if name != "form" else str(by[name]) for name in names)])


def _faces(result: Result) -> str:
    return number(result.figures.get("faces", result.parameters.get("photos")))


def _bands(title: str, results: Sequence[Result]) -> Table:
    ranges = sorted({(int(r.parameters["from_deg"]), int(r.parameters["to_deg"])) for r in results})
    rows = []
    for judged, group in groupby(results, _judged):
        found = {(int(r.parameters["from_deg"]), int(r.parameters["to_deg"])): r.figures for r in group}
        rows.append(
            (judged, *(_with_interval(found[each], "mean_mae_deg") if each in found else "" for each in ranges))
        )
    return Table(title, ("", *(f"{low} to {high}°" for low, high in ranges)), rows)


def _with_interval(figures: Mapping[str, float | None], name: str) -> str:
    value, low, high = figures[name], figures.get(f"{name}_low"), figures.get(f"{name}_high")
    if value is None:
        return "unknown"
    return f"{value:.2f}" if low is None or high is None else f"{value:.2f} ({low:.2f} to {high:.2f})"


def video_tables(part: Part) -> Iterator[Table]:
    """Tabulate a whole video."""
    found = [result for result in part.results if result.rows and result.rows[0].name == "pipeline"]
    if found:
        title = f"A whole video: {describe(found[0].parameters)}"
        yield Table(title, ("", "how", "time", "times the first"), _alternatives(found))


def cameras_tables(part: Part) -> Iterator[Table]:
    """Tabulate several cameras at one engine."""
    for result in (result for result in part.results if result.name == "throughput"):
        yield Table(describe(result.parameters), ("", "how", "time", "times the first"), _alternatives([result]))


def _alternatives(results: Sequence[Result]) -> list[tuple[str, ...]]:
    rows = [row for result in results for row in result.rows]
    return [(row.name, row.what, in_time(row.time_us.median), f"{row.ratio.median:.2f}") for row in rows]


# Suite -> section of the page, in this order.
OF_SUITE: Mapping[str, tuple[str, Callable[[Part], Iterator[Table]]]] = {
    "pipeline": ("From frame to angles, beside the plain pipeline", pipeline_tables),
    "model": ("The network alone", model_tables),
    "ops": ("Crop and decode, beside OpenCV and NumPy", ops_tables),
    "engine": ("What PoseEngine adds to the network", engine_tables),
    "cameras": ("Several cameras at one engine", cameras_tables),
    "video": ("A whole video, from its file to an annotated one", video_tables),
    "accuracy": ("Accuracy on labelled faces", accuracy_tables),
}


def _figure(figures: Mapping[str, float | None], name: str, text: str) -> str:
    value = figures.get(name)
    return "" if value is None else text.format(value)


def _time(us: float | None) -> str:
    return "" if us is None else in_time(us)
