"""Tables of docs/accuracy.md from the committed runs and from what others have published."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from benchmarks.datasets.published import published_results
from benchmarks.harness.schema import Document
from benchmarks.harness.timing import Result

ANGLES = ("yaw", "pitch", "roll", "mean")

# The original pipelines' record of the same 195 photos, in the order of ANGLES.
ORIGINALS = {
    ("lightweight", "square of 1.3 times the box, whole pixels"): (3.3671, 4.6390, 3.5187, 3.8416),
    ("lightweight", "square of 1.5 times the box, whole pixels"): (3.8367, 5.0093, 3.7095, 4.1852),
    ("fsanet", "HopeNet's margins"): (3.6246, 5.4109, 3.7549, 4.2634),
}
BOXES = {
    "landmarks": "landmarks",
    "face-detector": "face-detector",
    "haar": "Haar",
    "yunet_n_640_640": "YuNet",
}


def accuracy_blocks(documents: Mapping[str, Document]) -> dict[str, str]:
    """Return each table, by the name of its markers; documents by the stems of their files."""
    errors = ("yaw", "pitch", "roll", "mean")
    found: dict[str, tuple[Sequence[str], Iterator[str]]] = {
        "originals": (("pipeline", "crop", *errors), _reproduced(documents)),
        "differences": (
            ("variant", "crop", "MAE", "its interval", "more than float32", "interval of that"),
            _differences(documents),
        ),
        "detectors": (
            ("boxes", "model", "faces", "missed", "MAE", "interval", "geodesic, median", "99th percentile"),
            _detectors(documents),
        ),
        "published": (
            ("set", "method, year", *errors, "protocol, as far as it is known", "trained on", "read in"),
            _published(),
        ),
    }
    return {name: "\n".join([_head(columns), *lines]) + "\n" for name, (columns, lines) in found.items()}


def _head(columns: Sequence[str]) -> str:
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


def _results(documents: Mapping[str, Document], name: str, kind: str) -> list[Result]:
    found = (document for stem, document in documents.items() if stem.split("-", 2)[-1] == name)
    return [r for document in found for part in document.parts for r in part.results if r.name == kind]


def _cells(values: Sequence[float | None]) -> str:
    return " | ".join(f"{value:.2f}°" for value in values)


def _reproduced(documents: Mapping[str, Document]) -> Iterator[str]:
    """Yield, for each crop of an original, its record and each variant's errors on the same windows."""
    for (model, crop), original in ORIGINALS.items():
        yield f"| {model}, the original | {crop} | {_cells(original)} |"
        for result in _results(documents, f"accuracy-{model}", "accuracy"):
            if result.parameters["crop"] == crop:
                errors = [result.figures[f"{angle}_mae_deg"] for angle in ANGLES]
                yield f"| {result.parameters['form']}, here | {crop} | {_cells(errors)} |"


def _differences(documents: Mapping[str, Document]) -> Iterator[str]:
    name = "mean_mae_minus_first_deg"
    for model in ("lightweight", "fsanet"):
        whole = _results(documents, f"accuracy-{model}", "accuracy")
        errors = {(r.parameters["form"], r.parameters["crop"]): r.figures for r in whole}
        for result in _results(documents, f"accuracy-{model}", "difference"):
            p, by = result.parameters, result.figures
            own = errors[p["form"], p["crop"]]
            change = f"{by[name]:+.3f}° | {by[f'{name}_low']:+.3f}° to {by[f'{name}_high']:+.3f}°"
            yield f"| {p['form']} | {p['crop']} | {own['mean_mae_deg']:.2f}° | {_interval(own)} | {change} |"


def _detectors(documents: Mapping[str, Document]) -> Iterator[str]:
    for result in _results(documents, "accuracy-aflw2000", "accuracy"):
        p, by = result.parameters, result.figures
        who = f"| {BOXES[str(p['boxes'])]} | {p['form']} | {by['faces']} | {by['missed']} "
        rest = _cells([by["geodesic_median_deg"], by["geodesic_p99_deg"]])
        yield f"{who}| {by['mean_mae_deg']:.2f}° | {_interval(by)} | {rest} |"


def _interval(figures: Mapping[str, float | None]) -> str:
    return f"{figures['mean_mae_deg_low']:.2f}° to {figures['mean_mae_deg_high']:.2f}°"


def _published() -> Iterator[str]:
    for result in published_results():
        p, about = (
            result.parameters,
            " | ".join(str(result.parameters[n]) for n in ("protocol", "trained_on", "source")),
        )
        yield f"| {p['data']} | {p['method']}, {p['year']} | {_cells(list(result.figures.values()))} | {about} |"
