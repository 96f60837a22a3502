"""Suite ``card``: the figures of a model card on labelled photos, with other models on the same faces.

Errors by the labels' |yaw|, with the labels' own boxes and with detected ones, whose key points turn crops upright
where the model asks for that; a face counts for a detector where one of its landmark boxes overlaps the label's. The
first model is compared with each other one on the same faces. And slopes, the quality of sigma: Spearman's rank
correlation with the error, and calibration.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.labels_csv import LAYOUT, read_labelled_photos
from benchmarks.harness.intervals import interval, mean
from benchmarks.harness.suite import BudgetLine, Suite, default_or, option, path_option
from benchmarks.harness.timing import Effort, Result
from benchmarks.inputs.crops import DETECTORS, LANDMARKS, LEAST_IOU, detector_named
from benchmarks.report.charts import save_calibration
from hpe_edge import Detections, PoseEngine
from hpe_edge.boxes.overlap import best_overlap
from hpe_edge.faces.detector import DEFAULT_DETECTOR
from hpe_edge.geometry import geodesic_deg, rotation_from_euler, wrap_deg

ANGLES = ("yaw", "pitch", "roll")
BANDS = ((0.0, 30.0), (30.0, 60.0), (60.0, 180.0))  # of the labels' |yaw| in degrees
# Ways of turning crops upright, as the option names them.
WAYS: dict[str, Literal["model", "keypoints", "second-pass"] | None] = {
    "model": "model",
    "none": None,
    "keypoints": "keypoints",
    "second-pass": "second-pass",
}
LEAST_FACES = 10  # of a slope
BINS = 6  # equal groups of faces by sigma

WANTED_MAE_DEG, WANTED_TURNED_MAE_DEG = 3.9, 10.0
WANTED_DETECTORS_DEG = 0.4  # how much more the error may be with a detector's boxes
WANTED_SPEARMAN = 0.4

Float64Array = NDArray[np.float64]
Box = NDArray[np.float32]
Face = tuple[Box, NDArray[np.float32] | None]  # a box, and its key points where the detector has them


@dataclass(frozen=True)
class Options:
    labels: Path = path_option(LAYOUT, metavar="CSV")
    models: Sequence[Path] = path_option(
        "the one to judge, then those beside it; default: the embedded one", (), "MODEL.onnx", nargs="+"
    )
    detectors: Sequence[str] = option(
        f"{DETECTORS}; default: {DEFAULT_DETECTOR}", (DEFAULT_DETECTOR,), nargs="+", metavar="NAME"
    )
    upright: Sequence[str] = option(
        "turn crops upright in the model's own way (model), or in these others",
        ("model",),
        nargs="+",
        choices=tuple(WAYS),
    )
    plot: Path | None = path_option("draw the errors over sigma", None, "PNG")


@dataclass(frozen=True)
class Predictions:
    """Absolute errors, sigma and angles of N faces ``[N, 3]``, rotations from the label's pose ``[N]``; in degrees.

    Sigma is NaN where the model has none. Of a face in profile, pitch and roll may be far off where the rotation is
    small.
    """

    errors: Float64Array
    sigma: Float64Array
    apart: Float64Array
    angles: Float64Array


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    labelled = read_labelled_photos(options.labels, quick=effort.quick)
    photos, labels = labelled.photos, labelled.angles_deg
    found: dict[str, list[Face | None]] = {LANDMARKS: [(box, None) for box in labelled.boxes]}
    for name in options.detectors:
        detector, pairs = detector_named(name), zip(photos, labelled.boxes, strict=True)
        found[Path(name).stem] = [_found_face(detector(photo), box) for photo, box in pairs]
    models = options.models or [default_or(None)]
    first: dict[str, Predictions] = {}
    for path, upright in itertools.product(models, options.upright):
        with PoseEngine(path, threads=1, upright=WAYS[upright]) as engine:
            own = judge(engine, photos, found[LANDMARKS], labels)
            for source, faces in found.items():
                seen = np.array([face is not None for face in faces])
                theirs = judge(engine, photos, faces, labels)
                figures = band_figures(theirs, labels[seen]) | slopes(theirs, labels[seen])
                figures |= difference(first.setdefault(source, theirs), theirs)
                if source != LANDMARKS:
                    same = own.errors[seen]
                    same_mae = round(float(same.mean()), 4) if len(same) else None
                    figures["mean_mae_deg_of_these_with_landmarks"] = same_mae
                parameters: dict[str, str | int] = {"model": path.stem, "boxes": source, "photos": len(photos)}
                if tuple(options.upright) != ("model",):
                    parameters["upright"] = upright
                yield Result("error", parameters, figures=figures)
        if not np.isnan(own.sigma).any() and upright == options.upright[0]:
            yield from sigma_results(path.stem, own)
            if options.plot is not None and path is models[0]:
                save_calibration(options.plot, own.errors, own.sigma, [_points(own, i) for i in range(3)])


def _found_face(detections: Detections, box: Box) -> Face | None:
    best = best_overlap(detections.boxes, box, LEAST_IOU)
    if best is None:
        return None
    return detections.boxes[best], None if detections.keypoints is None else detections.keypoints[best]


def judge(
    engine: PoseEngine, photos: Sequence[NDArray[np.uint8]], faces: Sequence[Face | None], labels: Float64Array
) -> Predictions:
    """Run the model on the faces that were found."""
    errors, sigma, apart, angles = [], [], [], []
    for photo, face, label in zip(photos, faces, labels, strict=True):
        if face is not None:
            box, points = face
            poses = engine(photo, box[None], keypoints=None if points is None else points[None])
            angles.append(poses.angles[0].astype(np.float64))
            errors.append(np.abs(wrap_deg(angles[-1] - label)))
            sigma.append(poses.sigma[0].astype(np.float64))
            apart.append(float(geodesic_deg(poses.rotation[0], rotation_from_euler(label))))
    three = [np.array(each).reshape(-1, 3) for each in (errors, sigma, angles)]
    return Predictions(three[0], three[1], np.array(apart), three[2])


def slopes(found: Predictions, labels: Float64Array) -> dict[str, float | None]:
    """Return the slope of each estimated angle over the label's by band; below 1 the model shrinks angles."""
    yaw_deg = np.abs(labels[:, 0])
    figures: dict[str, float | None] = {}
    for low, high in BANDS:
        chosen = (yaw_deg >= low) & (yaw_deg < high)
        for i, name in enumerate(ANGLES):
            slope = (
                np.polyfit(labels[chosen, i], found.angles[chosen, i], 1)[0] if chosen.sum() >= LEAST_FACES else None
            )
            figures[f"{name}_slope_yaw_{low:g}_to_{high:g}"] = None if slope is None else round(float(slope), 3)
    return figures


def difference(first: Predictions, other: Predictions) -> dict[str, float | None]:
    """Return 95 % intervals of a model's errors, and of the first one's minus its own on the same faces."""
    figures: dict[str, float | None] = {}
    for name, mine, theirs in (
        ("mean_mae_deg", first.errors.mean(axis=1), other.errors.mean(axis=1)),
        ("rotation_deg", first.apart, other.apart),
    ):
        columns = np.stack([theirs, mine - theirs], axis=1)
        ends = interval([str(i) for i in range(len(columns))], functools.partial(mean, columns))
        if ends is None:
            continue
        (low, less_low), (high, less_high) = ends
        figures |= {f"{name}_low": round(float(low), 4), f"{name}_high": round(float(high), 4)}
        figures[f"first_minus_this_{name}"] = round(float(columns[:, 1].mean()), 4)
        figures |= {f"first_minus_this_{name}_low": round(float(less_low), 4)}
        figures |= {f"first_minus_this_{name}_high": round(float(less_high), 4)}
    return figures


def band_figures(found: Predictions, labels: Float64Array) -> dict[str, float | None]:
    """Return faces and mean errors, of all and by the label's |yaw|: each angle's, their mean, the rotation's."""
    yaw_deg = np.abs(labels[:, 0])
    rows = {"": np.ones(len(labels), np.bool_)}
    rows |= {f"_yaw_{low:g}_to_{high:g}": (yaw_deg >= low) & (yaw_deg < high) for low, high in BANDS}
    figures: dict[str, float | None] = {}
    for suffix, chosen in rows.items():
        figures[f"faces{suffix}"] = int(chosen.sum())
        errors = found.errors[chosen].mean(axis=0) if chosen.any() else np.full(3, np.nan)
        for name, value in zip((*ANGLES, "mean"), (*errors.tolist(), float(errors.mean())), strict=True):
            figures[f"{name}_mae_deg{suffix}"] = round(value, 4) if chosen.any() else None
        figures[f"rotation_deg{suffix}"] = round(float(found.apart[chosen].mean()), 4) if chosen.any() else None
    return figures


def sigma_results(model: str, found: Predictions) -> Iterator[Result]:
    """Yield the quality of sigma: for the faces as a whole (means over the angles), and for each angle."""
    kinds = {"face": (found.errors.mean(axis=1), found.sigma.mean(axis=1))}
    kinds |= {name: (found.errors[:, i], found.sigma[:, i]) for i, name in enumerate(ANGLES)}
    for name, (error, sigma) in kinds.items():
        rank = spearman(error, sigma)
        figures: dict[str, float | None] = {"spearman": None if rank is None else round(rank, 4)}
        if name != "face":  # a mean of three has another spread
            figures |= {f"within_{k}_sigma_percent": round(100 * float((error <= k * sigma).mean()), 1) for k in (1, 2)}
            figures |= {"rms_error_deg": round(rms(error), 4), "rms_sigma_deg": round(rms(sigma), 4)}
        yield Result("sigma", {"model": model, "of": name}, figures=figures)
    for i, name in enumerate(ANGLES):
        counts = [len(faces) for faces in by_sigma(found.sigma[:, i])]
        for at, (count, (sigma_deg, error_deg)) in enumerate(zip(counts, _points(found, i), strict=True)):
            parts = {"faces": count, "rms_sigma_deg": round(sigma_deg, 4), "rms_error_deg": round(error_deg, 4)}
            yield Result("calibration", {"model": model, "of": name, "sixth": at + 1}, figures=parts)


def _points(found: Predictions, i: int) -> list[tuple[float, float]]:
    """Return the root mean squares of sigma and of an angle's error for each group of faces by sigma."""
    return [(rms(found.sigma[faces, i]), rms(found.errors[faces, i])) for faces in by_sigma(found.sigma[:, i])]


def by_sigma(sigma: Float64Array) -> list[NDArray[np.intp]]:
    """Return the faces in groups by sigma, the least first."""
    return [part for part in np.array_split(np.argsort(sigma, kind="stable"), BINS) if len(part)]


def rms(values: Float64Array) -> float:
    """Return the root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def spearman(one: Float64Array, other: Float64Array) -> float | None:
    """Return Spearman's rank correlation; equal values share the mean of their ranks. None where one is constant."""
    a, b = _ranks(one), _ranks(other)
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread else None


def _ranks(values: Float64Array) -> Float64Array:
    _, at, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[at], np.float64)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    first = results[0].parameters["model"]
    lines = []
    for result in (result for result in results if result.parameters["model"] == first):
        figures, of = result.figures, result.parameters.get("of")
        if result.name == "error":
            lines += _error_lines(str(result.parameters["boxes"]), figures)
        elif result.name == "sigma" and of == "face":
            found = figures["spearman"] or 0.0
            what = "rank correlation of a face's error with its sigma"
            lines.append(BudgetLine(what, f">= {WANTED_SPEARMAN:g}", f"{found:.2f}", found >= WANTED_SPEARMAN))
    return lines


def _error_lines(boxes: str, figures: Mapping[str, float | None]) -> list[BudgetLine]:
    mean = figures["mean_mae_deg"]
    if boxes == LANDMARKS:
        turned = _limited("the same where |yaw| > 60", figures["mean_mae_deg_yaw_60_to_180"], WANTED_TURNED_MAE_DEG)
        return [_limited("mean absolute error, landmark boxes", mean, WANTED_MAE_DEG), turned]
    same = figures["mean_mae_deg_of_these_with_landmarks"]
    grown = None if mean is None or same is None else mean - same
    return [_limited(f"how much more it is with the boxes of {boxes}", grown, WANTED_DETECTORS_DEG)]


def _limited(what: str, found: float | None, limit: float) -> BudgetLine:
    text = "no such face" if found is None else f"{found:.2f} degrees"
    return BudgetLine(what, f"<= {limit:g} degrees", text, None if found is None else found <= limit)


SUITE = Suite("card", "a model card's errors by |yaw| and detector, and its sigma", _run, Options, _budget)
