"""The suite ``accuracy``: how far models are off on labelled faces, by the papers' protocols, with intervals.

docs/accuracy.md says how to read it. Two errors stand beside each other: of each angle by itself, as papers report
them, and the geodesic distance, the angle of the one rotation from the label's pose to the model's. An angle's error is
the shorter way round, 0 to 180 degrees. It is not folded further: a face that is said to look the other way is off by
180 degrees, where a test code that takes the lesser of e and 180 - e finds nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.datasets.aflw2000 import AFLW2000
from benchmarks.datasets.biwi import BIWI
from benchmarks.datasets.face import QUICK_PHOTOS, Dataset, Face, read_photo
from benchmarks.datasets.labels_csv import LABELS_CSV
from benchmarks.datasets.pointing04 import POINTING04
from benchmarks.datasets.w300_lp import W300_LP
from benchmarks.harness.intervals import interval, mean, percentiles
from benchmarks.harness.suite import Suite, no_budget
from benchmarks.harness.timing import Effort, Result, WrongAnswerError
from benchmarks.inputs.forms import Form, add_form_options, open_forms
from benchmarks.inputs.found_faces import nearest_box, overlapping_box
from benchmarks.inputs.windows import OWN, SYNTAX, CropRule, crop_rule
from benchmarks.suites.published import published_results
from hpe_edge import InputError
from hpe_edge.faces.detector import Detector
from hpe_edge.faces.haar import HaarDetector
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.geometry import geodesic_deg, rotation_from_euler, wrap_deg

DATASETS: tuple[Dataset, ...] = (LABELS_CSV, AFLW2000, W300_LP, BIWI, POINTING04)
LANDMARKS = "landmarks"
HAAR = "haar"
ANGLES = ("yaw", "pitch", "roll")
BANDS = ((0.0, 30.0), (30.0, 60.0), (60.0, 99.0), (99.0, 181.0))  # in degrees
WITHIN_DEG = 99.0  # the range of HopeNet's bins, which set the protocol: 1969 of AFLW2000's 2000 photos remain

Float64Array = NDArray[np.float64]
Box = NDArray[np.float32]
# Boxes of one source, one per face; None where its detector missed the face.
Boxes = list[Box | None]
_Parameters = dict[str, str | int]
_Figures = dict[str, float | None]


@dataclass(frozen=True)
class Answers:
    """What a form said of N faces, in degrees.

    Attributes:
        errors: ``[N, 3]``, absolute, of yaw, pitch and roll, 0 to 180.
        geodesic: ``[N]``, the rotation from the label's pose to the form's.
    """

    errors: Float64Array
    geodesic: Float64Array


def judge(angles_deg: Float64Array, rotation: Float64Array, labels_deg: Float64Array) -> Answers:
    """How far answers are from the labels.

    Args:
        angles_deg: ``[N, 3]``, yaw, pitch, roll as the model gave them.
        rotation: ``[N, 3, 3]``, as it gave it.
        labels_deg: ``[N, 3]``.
    """
    errors = np.abs(wrap_deg(angles_deg - labels_deg))
    apart = geodesic_deg(rotation, rotation_from_euler(labels_deg))
    return Answers(np.asarray(errors, np.float64), np.asarray(apart, np.float64))


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_form_options(parser)
    for dataset in DATASETS:
        parser.add_argument(dataset.option, type=Path, metavar=dataset.metavar, dest=dataset.name, help=dataset.layout)
    parser.add_argument(
        "--boxes",
        nargs="+",
        default=[LANDMARKS],
        metavar="SOURCE",
        help=f"{LANDMARKS}: tight round the labels' (default); {HAAR}: OpenCV's cascade; a file: SCRFD or YuNet",
    )
    parser.add_argument("--crops", nargs="+", type=_crop_rule, default=[crop_rule(OWN)], metavar="CROP", help=SYNTAX)
    parser.add_argument(
        "--within",
        type=float,
        default=WITHIN_DEG,
        metavar="DEG",
        help="leave out faces with a larger angle in the label; 180 keeps all (default: %(default)g)",
    )


def _crop_rule(text: str) -> CropRule:
    try:
        return crop_rule(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(args: argparse.Namespace, effort: Effort) -> Iterator[Result]:
    chosen = [(dataset, path) for dataset in DATASETS if (path := getattr(args, dataset.name)) is not None]
    if not chosen:
        raise InputError(f"name a set of labelled faces: {', '.join(dataset.option for dataset in DATASETS)}")
    detectors = {
        Path(name).stem: HaarDetector() if name == HAAR else open_detector(name, threads=1)
        for name in args.boxes
        if name != LANDMARKS
    }
    sources = [name if name == LANDMARKS else Path(name).stem for name in args.boxes]
    _check_names("source of boxes", sources)
    _check_names("crop", [rule.name for rule in args.crops])
    with open_forms(args) as forms:
        _check_names("model", [form.label for form in forms])
        for dataset, path in chosen:
            faces = list(islice(dataset.read(path), QUICK_PHOTOS if args.quick else None))
            kept = [face for face in faces if np.abs(face.angles_deg).max() <= args.within]
            if LANDMARKS in sources and any(face.box is None for face in kept):
                raise InputError(f"{dataset.name} has no landmarks; name a detector for it, such as --boxes {HAAR}")
            what: _Parameters = {"data": dataset.name, "faces": len(kept), "grouped_by": dataset.grouped_by}
            said, boxes = _answers(kept, sources, detectors, args.crops, forms)
            for source in sources:
                seen = [box is not None for box in boxes[source]]
                found = [face for face, is_seen in zip(kept, seen, strict=True) if is_seen]
                counts: _Figures = {
                    "faces": len(found),
                    "missed": len(kept) - len(found),
                    "left_out": len(faces) - len(kept),
                }
                for rule in args.crops:
                    answers = [said[source, rule.name, form.label] for form in forms]
                    where: _Parameters = {**what, "boxes": source, "crop": rule.name}
                    yield from _results(where, counts, found, forms, answers)
    yield from published_results([dataset.name for dataset, _ in chosen])


def _check_names(what: str, names: Sequence[str]) -> None:
    """Results are told apart by name, so that each may stand for one thing only."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"{what} {name!r} is named twice, or by two files; leave one out, or rename it")


def _answers(
    faces: Sequence[Face],
    sources: Sequence[str],
    detectors: Mapping[str, Detector],
    rules: Sequence[CropRule],
    forms: Sequence[Form],
) -> tuple[dict[tuple[str, str, str], Answers], dict[str, Boxes]]:
    """What every form says of every face by every crop, by source, rule and form; and the boxes by source.

    A photo is read once and then forgotten, for a set may be larger than the memory.
    """
    boxes: dict[str, Boxes] = {source: [] for source in sources}
    given: dict[tuple[str, str, str], list[tuple[Float64Array, Float64Array]]] = {
        (source, rule.name, form.label): [] for source in sources for rule in rules for form in forms
    }
    labels: dict[str, list[Float64Array]] = {source: [] for source in sources}
    # disable=None: no bar where nobody watches.
    for face in tqdm(faces, unit="face", leave=False, disable=None):
        photo = read_photo(face.photo)
        for source in sources:
            box = face.box if source == LANDMARKS else _found(detectors[source], photo, face)
            boxes[source].append(box)
            if box is None:
                continue
            labels[source].append(face.angles_deg)
            for rule in rules:
                window = box if rule.window is None else rule.window(box, (photo.shape[1], photo.shape[0]))
                for form in forms:
                    poses = (form.own if rule.window is None else form.as_cut)(photo, window[None])
                    if np.isnan(poses.angles).any():
                        raise WrongAnswerError(f"{form.label} gave no angles for {face.photo}: {poses.angles[0]}")
                    pose = poses.angles[0].astype(np.float64), poses.rotation[0].astype(np.float64)
                    given[source, rule.name, form.label].append(pose)
    said = {}
    for key, poses_of in given.items():
        angles = np.array([pose[0] for pose in poses_of]).reshape(-1, 3)
        rotation = np.array([pose[1] for pose in poses_of]).reshape(-1, 3, 3)
        said[key] = judge(angles, rotation, np.array(labels[key[0]]).reshape(-1, 3))
    return said, boxes


def _found(detector: Detector, photo: NDArray[np.uint8], face: Face) -> Box | None:
    detections = detector(photo)
    if face.box is not None:
        return overlapping_box(detections, face.box)
    assert face.center is not None  # a face has one of the two
    return nearest_box(detections, face.center)


def _results(
    where: Mapping[str, str | int],
    counts: Mapping[str, float | None],
    faces: Sequence[Face],
    forms: Sequence[Form],
    answers: Sequence[Answers],
) -> Iterator[Result]:
    """What is said of one source of boxes and one crop: the whole, the bands, the differences from the first form."""
    groups = [face.group for face in faces]
    labels_deg = np.abs(np.array([face.angles_deg for face in faces]).reshape(-1, 3))
    by = {"yaw": labels_deg[:, 0], "largest angle": labels_deg.max(axis=1, initial=0.0)}
    for form, said in zip(forms, answers, strict=True):
        parameters: _Parameters = {
            **where,
            "model": form.spec.architecture,
            "form": form.label,
            "numbers": form.spec.precision,
        }
        yield Result("accuracy", parameters, figures={**counts, **whole_figures(said, groups)})
        for kind, angle_deg in by.items():
            for low, high in BANDS:
                inside = np.flatnonzero((angle_deg >= low) & (angle_deg < high))
                if len(inside):
                    band: _Parameters = {**parameters, "by": kind, "from_deg": int(low), "to_deg": min(int(high), 180)}
                    part = Answers(said.errors[inside], said.geodesic[inside])
                    yield Result("band", band, figures=band_figures(part, [groups[i] for i in inside]))
        if said is not answers[0]:
            against: _Parameters = {**parameters, "minus": forms[0].label}
            yield Result("difference", against, figures=difference_figures(said, answers[0], groups))


def whole_figures(said: Answers, groups: Sequence[str]) -> _Figures:
    """Mean absolute errors, and the geodesic error's mean, median and 99th percentile, with their intervals."""
    names = [f"{angle}_mae_deg" for angle in (*ANGLES, "mean")]
    names += [f"geodesic_{what}_deg" for what in ("mean", "median", "p99")]
    columns = _columns(said)

    def statistics(times: NDArray[np.int64]) -> Float64Array:
        return np.concatenate([mean(columns, times), percentiles(said.geodesic, times, (50, 99))])

    return _with_interval(names, groups, statistics)


def band_figures(said: Answers, groups: Sequence[str]) -> _Figures:
    """The mean absolute errors and the mean geodesic error of some of the faces, with their intervals."""
    columns = _columns(said)
    names = [*(f"{angle}_mae_deg" for angle in (*ANGLES, "mean")), "geodesic_mean_deg"]
    return {"faces": len(groups), **_with_interval(names, groups, lambda times: mean(columns, times))}


def difference_figures(said: Answers, first: Answers, groups: Sequence[str]) -> _Figures:
    """How much larger the errors are than another form's on the same faces, face by face, with intervals.

    An interval that holds 0 says that the faces do not tell the two apart. It is narrower than those of the two errors,
    for both forms find the same faces hard.
    """
    columns = _columns(said) - _columns(first)
    names = [*(f"{angle}_mae_minus_first_deg" for angle in (*ANGLES, "mean")), "geodesic_mean_minus_first_deg"]
    return _with_interval(names, groups, lambda times: mean(columns, times))


def _columns(said: Answers) -> Float64Array:
    """The errors of yaw, pitch and roll, their mean, and the geodesic: ``[N, 5]``."""
    return np.column_stack([said.errors, said.errors.mean(axis=1), said.geodesic])


def _with_interval(
    names: Sequence[str], groups: Sequence[str], statistics: Callable[[NDArray[np.int64]], Float64Array]
) -> _Figures:
    """The statistics of all faces and, as NAME_low and NAME_high, their interval; None where there is none."""
    figures: _Figures = {}
    values = statistics(np.ones(len(groups), np.int64)) if groups else None
    ends = interval(groups, statistics)
    for i, name in enumerate(names):
        figures[name] = None if values is None else round(float(values[i]), 4)
        for end, suffix in enumerate(("low", "high")):
            figures[f"{name}_{suffix}"] = None if ends is None else round(float(ends[end][i]), 4)
    return figures


SUITE = Suite(
    "accuracy",
    "errors on labelled faces, by the papers' protocols, with intervals, beside published figures",
    _add_arguments,
    _run,
    no_budget,
)
