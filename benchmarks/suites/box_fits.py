"""Suite ``box-fits``: fits of detectors' boxes, and the errors with raw, fitted and landmark boxes on the same faces.

The boxes come from CSV files, one for each detector, so that the detectors need not be installed. A file is called
NAME.csv or NAME.VARIANT.csv, with NAME in the table of fits; the table's fit converts its boxes. As a check that a fit
is not fitted to these faces alone, each half of the faces is also converted by the fit that the other half gives.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.labels_csv import LAYOUT, LabelledPhotos, read_labelled_photos
from benchmarks.harness.intervals import interval, mean
from benchmarks.harness.suite import BudgetLine, Suite, default_or, path_option
from benchmarks.harness.timing import Effort, Result
from hpe_edge import PoseEngine
from hpe_edge.boxes.box_fit import FITS, BoxFit, box_fit
from hpe_edge.boxes.measure_fit import Matches, match_boxes, measure_fit, median_fit
from hpe_edge.errors import SourceError
from hpe_edge.geometry import wrap_deg

COLUMNS = ("file", "x1", "y1", "x2", "y2")
WANTED_DEG = 0.25  # how much larger the error may be with fitted boxes than with the landmarks'

Box = NDArray[np.float32]
Float64Array = NDArray[np.float64]
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Options:
    labels: Path = path_option(LAYOUT, metavar="CSV")
    boxes: Path = path_option(
        f"NAME.csv or NAME.VARIANT.csv for each detector: columns {','.join(COLUMNS)}, boxes as it draws them",
        metavar="FOLDER",
    )
    models: Sequence[Path] = path_option("default: the embedded one", (), "MODEL.onnx", nargs="+")


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    labelled = read_labelled_photos(options.labels, quick=effort.quick)
    files = sorted(options.boxes.glob("*.csv"))
    if not files:
        raise SourceError(f"there is no CSV file in {options.boxes}; it must hold one of boxes for each detector")
    found = {}
    for path in files:
        fit = box_fit(path.stem.partition(".")[0])
        boxes = read_boxes(path, [photo.name for photo in labelled.paths])
        yield Result("fit", {"boxes": path.stem}, figures=fit_figures(boxes, labelled, fit))
        found[path.stem] = match_boxes(boxes, [box[None] for box in labelled.boxes]), fit
    for name in sorted(set(FITS) - {stem.partition(".")[0] for stem in found}):
        yield Result("fit", {"boxes": name}, skipped={"boxes": FITS[name].source}, figures=numbers(FITS[name].fit))
    for model in options.models or [default_or(None)]:
        with PoseEngine(model, threads=1) as engine:
            for name, (matches, fit) in found.items():
                yield Result(
                    "error", {"model": model.stem, "boxes": name}, figures=errors(engine, labelled, matches, fit)
                )


def read_boxes(path: Path, names: Sequence[str]) -> list[Box]:
    """Return a detector's boxes ``[N, 4]`` of each photo.

    Raises:
        SourceError: the file cannot be read or lacks a column.
    """
    by_photo: dict[str, list[list[float]]] = {name: [] for name in names}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                if row["file"] in by_photo:
                    by_photo[row["file"]].append([float(row[column]) for column in COLUMNS[1:]])
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"cannot read the boxes {path}: {error!r}; columns {','.join(COLUMNS)} are needed") from None
    return [np.array(boxes, np.float32).reshape(-1, 4) for boxes in by_photo.values()]


def numbers(fit: BoxFit, suffix: str = "") -> Figures:
    return {f"{name}{suffix}": getattr(fit, name) for name in ("width", "height", "down")}


def fit_figures(boxes: Sequence[Box], labelled: LabelledPhotos, known: BoxFit) -> Figures:
    """Return the table's fit, and the one that these boxes give, with quartiles."""
    measured = measure_fit(boxes, [box[None] for box in labelled.boxes]).measured
    figures: Figures = {"faces": measured.faces, "photos": len(labelled.photos)}
    figures |= numbers(known) | numbers(measured.fit, "_measured")
    assert measured.quartiles is not None
    for name, (low, high) in zip(("width", "height", "down"), measured.quartiles, strict=True):
        figures |= {f"{name}_quartile_1": low, f"{name}_quartile_3": high}
    return figures


def errors(engine: PoseEngine, labelled: LabelledPhotos, matches: Matches, fit: BoxFit) -> Figures:
    """Return mean absolute errors of the three angles with each kind of boxes, in degrees."""
    by_kind = {
        "raw": matches.boxes,
        "fitted": fit(matches.boxes),
        "other_half_fitted": fitted_by_other_half(matches),
        "landmarks": matches.landmarks,
    }
    each = {kind: face_errors(engine, labelled, matches.pictures, boxes) for kind, boxes in by_kind.items()}
    figures: Figures = {"faces": len(matches)}
    figures |= {f"{kind}_mae_deg": round(float(found.mean()), 4) for kind, found in each.items()}
    return figures | paired_figures(each)


def paired_figures(each: Mapping[str, Float64Array]) -> Figures:
    """Return differences from the landmark boxes' error, face by face, with 95 % intervals."""
    figures: Figures = {}
    for kind in ("raw", "fitted", "other_half_fitted"):
        added = (each[kind] - each["landmarks"])[:, None]
        ends = interval([str(face) for face in range(len(added))], partial(mean, added))
        figures[f"{kind}_added_deg"] = round(float(added.mean()), 4)
        low, high = (None, None) if ends is None else (round(float(end[0]), 4) for end in ends)
        figures |= {f"{kind}_added_low_deg": low, f"{kind}_added_high_deg": high}
    return figures


def fitted_by_other_half(matches: Matches) -> Box:
    """Return the boxes, each converted by the fit of those faces that are not in its half; every second is in one."""
    even = np.arange(len(matches)) % 2 == 0
    converted = np.empty_like(matches.boxes)
    for half in (even, ~even):
        if half.any():
            others = ~half if (~half).any() else half
            converted[half] = median_fit(matches.boxes[others], matches.landmarks[others])(matches.boxes[half])
    return converted


def face_errors(engine: PoseEngine, labelled: LabelledPhotos, pictures: NDArray[np.int64], boxes: Box) -> Float64Array:
    """Return the mean absolute error of the three angles of each face ``[N]``, in degrees."""
    found = [
        engine(labelled.photos[picture], box[None], boxes_from="landmarks").angles[0]
        for picture, box in zip(pictures.tolist(), boxes, strict=True)
    ]
    apart = np.abs(wrap_deg(np.array(found, np.float64).reshape(-1, 3) - labelled.angles_deg[pictures]))
    return np.asarray(apart.mean(axis=1), np.float64)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    for result in (result for result in results if result.name == "error"):
        added = result.figures["fitted_added_deg"]
        assert added is not None
        what = f"error that fitted boxes of {result.parameters['boxes']} add, {result.parameters['model']}"
        lines.append(BudgetLine(what, f"<= {WANTED_DEG:g} degrees", f"{added:+.3f} degrees", added <= WANTED_DEG))
    return lines


SUITE = Suite("box-fits", "fits of detectors' boxes, and the errors with them", _run, Options, _budget)
