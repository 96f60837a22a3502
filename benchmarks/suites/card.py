"""The suite ``card``: what a model card must say, on labelled photos, with other models on the same faces beside it.

Errors by the labels' |yaw|, with the labels' own boxes and with those that detectors draw; a face counts for a detector
where one of its boxes, brought to the landmarks' extent, overlaps the label's. And what sigma is worth: whether the
error grows with it (Spearman's rank correlation), and whether it is as large as it says (calibration).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.face import QUICK_PHOTOS, read_photo
from benchmarks.datasets.labels_csv import COLUMNS, read_labels
from benchmarks.harness.suite import BudgetLine, Suite
from benchmarks.harness.timing import Effort, Result
from benchmarks.inputs.found_faces import overlapping_box
from benchmarks.inputs.models import default_or
from hpe_edge import PoseEngine
from hpe_edge.drawing.angle_plot import save_png
from hpe_edge.faces.haar import HaarDetector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.geometry import geodesic_deg, rotation_from_euler, wrap_deg

HAAR = "haar"
LANDMARKS = "landmarks"
ANGLES = ("yaw", "pitch", "roll")
BANDS = ((0.0, 30.0), (30.0, 60.0), (60.0, 180.0))  # of the labels' |yaw| in degrees
BINS = 6  # of faces with alike sigma, equally many in each

WANTED_MAE_DEG, WANTED_TURNED_MAE_DEG = 3.9, 10.0
WANTED_DETECTORS_DEG = 0.4  # how much more the error may be with a detector's boxes
WANTED_SPEARMAN = 0.4

Image = NDArray[np.uint8]
Float64Array = NDArray[np.float64]

_SIZE, _EDGE = 560, 70  # of the plot's square, and what is left around it
_FONT, _INK, _GRID, _PAPER = cv2.FONT_HERSHEY_SIMPLEX, (40, 40, 40), (222, 222, 222), (255, 255, 255)
_COLORS = ((178, 114, 0), (0, 94, 213), (115, 158, 0))  # BGR; Okabe and Ito, Color Universal Design
_PALE = 0.65  # how much paper is in the colour of a single face


@dataclass(frozen=True)
class Said:
    """What a model says of N labelled faces, in degrees.

    Attributes:
        errors: ``[N, 3]``, absolute, of yaw, pitch and roll.
        sigma: ``[N, 3]``; NaN where the model has none.
        apart: ``[N]``, the rotation from the label's pose to the model's. Of a face in profile, pitch and roll may be
            far off where this is small.
    """

    errors: Float64Array
    sigma: Float64Array
    apart: Float64Array

    @property
    def has_sigma(self) -> bool:
        """Whether the model says how sure it is."""
        return not np.isnan(self.sigma).any()


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models",
        type=Path,
        nargs="+",
        metavar="MODEL.onnx",
        help="the one to judge, then those beside it; default: the embedded one",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="CSV",
        required=True,
        help=f"columns {','.join(COLUMNS)}: boxes tight round the landmarks, in pixels; the photos lie beside the file",
    )
    parser.add_argument(
        "--detectors",
        nargs="+",
        default=[HAAR],
        metavar="FILE.onnx",
        help=f"SCRFD or YuNet, or {HAAR} for OpenCV's cascade; default: {HAAR}",
    )
    parser.add_argument("--plot", type=Path, metavar="PNG", help="draw how large errors are where sigma is large")


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    names, boxes, labels = read_labels(args.labels)
    if args.quick:
        names, boxes, labels = names[:QUICK_PHOTOS], boxes[:QUICK_PHOTOS], labels[:QUICK_PHOTOS]
    photos = [read_photo(args.labels.parent / name) for name in names]
    found = {LANDMARKS: list[NDArray[np.float32] | None](boxes)}
    for name in args.detectors:
        detector = HaarDetector() if name == HAAR else open_detector(name, threads=1)
        found[Path(name).stem] = [
            overlapping_box(detector(photo), box) for photo, box in zip(photos, boxes, strict=True)
        ]
    models = [default_or(path) for path in args.models or [None]]
    said: dict[Path, Said] = {}
    for path in models:
        with PoseEngine(path, threads=1) as engine:
            said[path] = judge(engine, photos, found[LANDMARKS], labels)
            for boxes_of, places in found.items():
                seen = np.array([place is not None for place in places])
                figures = band_figures(judge(engine, photos, places, labels), labels[seen])
                if boxes_of != LANDMARKS:
                    same = said[path].errors[seen]
                    figures["mean_mae_deg_of_these_with_landmarks"] = (
                        round(float(same.mean()), 4) if len(same) else None
                    )
                parameters: dict[str, str | int] = {"model": path.stem, "boxes": boxes_of, "photos": len(photos)}
                yield Result("error", parameters, figures=figures)
        if said[path].has_sigma:
            yield from sigma_results(path.stem, said[path])
    if args.plot is not None and said[models[0]].has_sigma:
        save_png(args.plot, draw_calibration(said[models[0]]))


def judge(
    engine: PoseEngine, photos: Sequence[Image], boxes: Sequence[NDArray[np.float32] | None], labels: Float64Array
) -> Said:
    """What the model says of the faces that have a box."""
    errors, sigma, apart = [], [], []
    for photo, box, label in zip(photos, boxes, labels, strict=True):
        if box is None:
            continue
        poses = engine(photo, box[None])
        errors.append(np.abs(wrap_deg(poses.angles[0].astype(np.float64) - label)))
        sigma.append(poses.sigma[0].astype(np.float64))
        apart.append(float(geodesic_deg(poses.rotation[0], rotation_from_euler(label))))
    return Said(np.array(errors).reshape(-1, 3), np.array(sigma).reshape(-1, 3), np.array(apart))


def band_figures(said: Said, labels: Float64Array) -> dict[str, float | None]:
    """Faces and mean errors in degrees, of all and by the label's |yaw|: each angle's, their mean, the rotation's."""
    yaw_deg = np.abs(labels[:, 0])
    rows = {"": np.ones(len(labels), np.bool_)}
    rows |= {f"_yaw_{low:g}_to_{high:g}": (yaw_deg >= low) & (yaw_deg < high) for low, high in BANDS}
    figures: dict[str, float | None] = {}
    for suffix, chosen in rows.items():
        figures[f"faces{suffix}"] = int(chosen.sum())
        errors = said.errors[chosen].mean(axis=0) if chosen.any() else np.full(3, np.nan)
        for name, value in zip((*ANGLES, "mean"), (*errors.tolist(), float(errors.mean())), strict=True):
            figures[f"{name}_mae_deg{suffix}"] = round(value, 4) if chosen.any() else None
        figures[f"rotation_deg{suffix}"] = round(float(said.apart[chosen].mean()), 4) if chosen.any() else None
    return figures


def sigma_results(model: str, said: Said) -> Iterator[Result]:
    """What sigma is worth: for the faces as a whole (means over the angles), and for each angle."""
    kinds = {"face": (said.errors.mean(axis=1), said.sigma.mean(axis=1))}
    kinds |= {name: (said.errors[:, i], said.sigma[:, i]) for i, name in enumerate(ANGLES)}
    for name, (error, sigma) in kinds.items():
        rank = spearman(error, sigma)
        figures: dict[str, float | None] = {"spearman": None if rank is None else round(rank, 4)}
        if name != "face":  # a mean of three is not spread as one of them
            figures |= {f"within_{k}_sigma_percent": round(100 * float((error <= k * sigma).mean()), 1) for k in (1, 2)}
            figures |= {"rms_error_deg": round(rms(error), 4), "rms_sigma_deg": round(rms(sigma), 4)}
        yield Result("sigma", {"model": model, "of": name}, figures=figures)
    for i, name in enumerate(ANGLES):
        for at, faces in enumerate(by_sigma(said.sigma[:, i])):
            error, sigma = said.errors[faces, i], said.sigma[faces, i]
            parts: dict[str, float | None] = {
                "faces": len(faces),
                "rms_sigma_deg": round(rms(sigma), 4),
                "rms_error_deg": round(rms(error), 4),
            }
            yield Result("calibration", {"model": model, "of": name, "sixth": at + 1}, figures=parts)


def by_sigma(sigma: Float64Array) -> list[NDArray[np.intp]]:
    """The faces in groups of alike sigma, the surest first."""
    return [part for part in np.array_split(np.argsort(sigma, kind="stable"), BINS) if len(part)]


def rms(values: Float64Array) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(values**2)))


def spearman(one: Float64Array, other: Float64Array) -> float | None:
    """Spearman's rank correlation; equal values share the mean of their ranks. None where either is constant."""
    a, b = _ranks(one), _ranks(other)
    a, b = a - a.mean(), b - b.mean()
    spread = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / spread) if spread else None


def _ranks(values: Float64Array) -> Float64Array:
    _, at, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[at], np.float64)


def draw_calibration(said: Said) -> Image:
    """The errors over sigma: a pale dot per face and angle, and a line through the groups of alike sigma.

    Where sigma is as large as it says, a line follows the diagonal.
    """
    groups = [[(rms(said.sigma[g, i]), rms(said.errors[g, i])) for g in by_sigma(said.sigma[:, i])] for i in range(3)]
    top = 5 * np.ceil(max(max(pair) for group in groups for pair in group) * 1.25 / 5)
    side = _SIZE + 2 * _EDGE
    image = np.full((side, side, 3), _PAPER, np.uint8)

    def place(sigma: float, error: float) -> tuple[int, int]:
        return round(_EDGE + sigma / top * _SIZE), round(_EDGE + _SIZE - min(error, top) / top * _SIZE)

    for value in np.arange(0, top + 1, 5.0):
        cv2.line(image, place(value, 0), place(value, top), _GRID, 1)
        cv2.line(image, place(0, value), place(top, value), _GRID, 1)
        x, y = place(value, 0)
        cv2.putText(image, f"{value:g}", (x - 8, y + 22), _FONT, 0.5, _INK, 1, cv2.LINE_AA)
        x, y = place(0, value)
        cv2.putText(image, f"{value:g}", (x - 34, y + 5), _FONT, 0.5, _INK, 1, cv2.LINE_AA)
    cv2.line(image, place(0, 0), place(top, top), _INK, 1, cv2.LINE_AA)
    for i, color in enumerate(_COLORS):
        pale = tuple(round(_PALE * paper + (1 - _PALE) * ink) for paper, ink in zip(_PAPER, color, strict=True))
        for sigma, error in zip(said.sigma[:, i].tolist(), said.errors[:, i].tolist(), strict=True):
            if sigma <= top:
                cv2.circle(image, place(sigma, error), 2, pale, -1, cv2.LINE_AA)
    for i, (name, color) in enumerate(zip(ANGLES, _COLORS, strict=True)):
        points = np.array([place(*pair) for pair in groups[i]], np.int32)
        cv2.polylines(image, [points[:, None]], False, color, 2, cv2.LINE_AA)
        for x, y in points.tolist():
            cv2.circle(image, (x, y), 5, color, -1, cv2.LINE_AA)
        cv2.putText(image, name, (_EDGE + 14, _EDGE + 26 + 24 * i), _FONT, 0.6, color, 2, cv2.LINE_AA)
    cv2.rectangle(image, place(0, top), place(top, 0), _INK, 1)
    cv2.putText(image, "sigma (degrees)", (_EDGE + _SIZE - 150, side - 18), _FONT, 0.6, _INK, 1, cv2.LINE_AA)
    cv2.putText(image, "error (degrees)", (16, _EDGE - 24), _FONT, 0.6, _INK, 1, cv2.LINE_AA)
    return image


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    first = results[0].parameters["model"]
    lines = []
    for result in results:
        if result.parameters["model"] != first:
            break
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
        turned = figures["mean_mae_deg_yaw_60_to_180"]
        return [
            _limited("mean absolute error, landmark boxes", mean, WANTED_MAE_DEG),
            _limited("the same where |yaw| > 60", turned, WANTED_TURNED_MAE_DEG),
        ]
    same = figures["mean_mae_deg_of_these_with_landmarks"]
    grown = None if mean is None or same is None else mean - same
    return [_limited(f"how much more it is with the boxes of {boxes}", grown, WANTED_DETECTORS_DEG)]


def _limited(what: str, found: float | None, limit: float) -> BudgetLine:
    if found is None:
        return BudgetLine(what, f"<= {limit:g} degrees", "no such face", None)
    return BudgetLine(what, f"<= {limit:g} degrees", f"{found:.2f} degrees", found <= limit)


SUITE = Suite(
    "card",
    "a model card's figures: errors by |yaw| and by detector, and what sigma is worth",
    _add_arguments,
    _run,
    _budget,
)
