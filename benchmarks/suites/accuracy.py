"""Suite ``accuracy``: errors of models on labelled faces, by the papers' protocols, with intervals.

docs/accuracy.md explains the figures. An angle's error is 0 to 180 degrees and not folded further: the opposite
direction is an error of 180 degrees. Beside the errors of angles there is the geodesic distance, the angle of the
rotation from the label's pose to the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.datasets.face import QUICK_PHOTOS, Dataset, Face, read_photo
from benchmarks.datasets.head_sets import BIWI, POINTING04
from benchmarks.datasets.labels_csv import LABELS_CSV
from benchmarks.datasets.mat_sets import AFLW2000, W300_LP
from benchmarks.datasets.published import published_results
from benchmarks.harness.intervals import Weights, interval, mean, percentiles
from benchmarks.harness.suite import Suite, option, path_option
from benchmarks.harness.timing import Effort, Result, WrongAnswerError
from benchmarks.inputs import crops
from benchmarks.inputs.crops import DETECTORS, LANDMARKS, OWN, SYNTAX, CropRule, crop_rule
from benchmarks.inputs.model_variant import ModelVariant, open_variants
from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.errors import InputError
from hpe_edge.faces.detector import DEFAULT_DETECTOR, Detector
from hpe_edge.geometry import geodesic_deg, rotation_from_euler, wrap_deg

DATASETS: tuple[Dataset, ...] = (LABELS_CSV, AFLW2000, W300_LP, BIWI, POINTING04)
ANGLES = ("yaw", "pitch", "roll")
BANDS = ((0.0, 30.0), (30.0, 60.0), (60.0, 99.0), (99.0, 181.0))  # in degrees
WITHIN_DEG = 99.0  # the range of HopeNet's bins, which set the protocol: 1969 of AFLW2000's 2000 photos remain

Float64Array = NDArray[np.float64]
Box = NDArray[np.float32]
Parameters = dict[str, str | int]
Variants = Sequence[ModelVariant]
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Options:
    model: Sequence[Path] = path_option(
        "ONNX files made by export.onnx, fp16 or int8, or TensorRT engines; the others are compared with the first; "
        "default: the embedded one",
        (),
        "MODEL",
        action="extend",
        nargs="+",
    )
    backend: Sequence[BackendName] = option(
        "run the models by each of these; default: PoseEngine's choice", (), nargs="+", choices=get_args(BackendName)
    )
    precision: Sequence[Precision] = option(
        "OpenVINO's floating point, each of these; default: fp32", (), nargs="+", choices=get_args(Precision)
    )
    labels: Path | None = path_option(LABELS_CSV.layout, None, LABELS_CSV.metavar, flags=[LABELS_CSV.option])
    aflw2000: Path | None = path_option(AFLW2000.layout, None, AFLW2000.metavar, flags=[AFLW2000.option])
    w300_lp: Path | None = path_option(W300_LP.layout, None, W300_LP.metavar, flags=[W300_LP.option])
    biwi: Path | None = path_option(BIWI.layout, None, BIWI.metavar, flags=[BIWI.option])
    pointing04: Path | None = path_option(POINTING04.layout, None, POINTING04.metavar, flags=[POINTING04.option])
    boxes: Sequence[str] = option(
        f"{LANDMARKS}: tight round the labels' (default); or a detector: {DETECTORS}",
        (LANDMARKS,),
        nargs="+",
        metavar="SOURCE",
    )
    crops: Sequence[CropRule] = option(SYNTAX, (crop_rule(OWN),), nargs="+", type=crop_rule, metavar="CROP")
    within: float = option(
        "leave out labels with a larger angle; default: %(default)g", WITHIN_DEG, type=float, metavar="DEG"
    )


@dataclass(frozen=True)
class Errors:
    """Errors on N faces in degrees: absolute of yaw, pitch, roll ``[N, 3]``, 0 to 180, and of the rotation ``[N]``."""

    angles: Float64Array
    geodesic: Float64Array

    def columns(self) -> Float64Array:
        """Return yaw, pitch and roll, their mean, and the geodesic: ``[N, 5]``."""
        return np.column_stack([self.angles, self.angles.mean(axis=1), self.geodesic])


def judge(angles_deg: Float64Array, rotation: Float64Array, labels_deg: Float64Array) -> Errors:
    """Compare angles ``[N, 3]`` and rotations ``[N, 3, 3]`` of a model with labels ``[N, 3]``."""
    errors = np.abs(wrap_deg(angles_deg - labels_deg))
    apart = geodesic_deg(rotation, rotation_from_euler(labels_deg))
    return Errors(np.asarray(errors, np.float64), np.asarray(apart, np.float64))


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    paths = (options.labels, options.aflw2000, options.w300_lp, options.biwi, options.pointing04)
    chosen = [(dataset, path) for dataset, path in zip(DATASETS, paths, strict=True) if path is not None]
    if not chosen:
        raise InputError(f"name a set of labelled faces: {', '.join(dataset.option for dataset in DATASETS)}")
    _check_names("source of boxes", [Path(name).stem for name in options.boxes])
    sources = {Path(name).stem: None if name == LANDMARKS else crops.detector_named(name) for name in options.boxes}
    _check_names("crop", [rule.name for rule in options.crops])
    with open_variants(options.model, options.backend, options.precision) as variants:
        _check_names("model", [variant.label for variant in variants])
        for dataset, path in chosen:
            faces = list(islice(dataset.read(path), QUICK_PHOTOS if effort.quick else None))
            kept = [face for face in faces if np.abs(face.angles_deg).max() <= options.within]
            if LANDMARKS in sources and any(face.box is None for face in kept):
                raise InputError(
                    f"{dataset.name} has no landmarks; name a detector for it, such as --boxes {DEFAULT_DETECTOR}"
                )
            what: Parameters = {"data": dataset.name, "faces": len(kept), "grouped_by": dataset.grouped_by}
            boxes, errors_by = _predict(kept, sources, options.crops, variants)
            for source in sources:
                found = [face for face, box in zip(kept, boxes[source], strict=True) if box is not None]
                counts: Figures = {"faces": len(found), "missed": len(kept) - len(found)}
                counts["left_out"] = len(faces) - len(kept)
                for rule in options.crops:
                    errors = [errors_by[source, rule.name, variant.label] for variant in variants]
                    where: Parameters = {**what, "boxes": source, "crop": rule.name}
                    yield from _results(where, counts, found, variants, errors)
    yield from published_results([dataset.name for dataset, _ in chosen])


def _check_names(what: str, names: Sequence[str]) -> None:
    """Refuse duplicate names, by which results are distinguished."""
    for i, name in enumerate(names):
        if name in names[:i]:
            raise InputError(f"{what} {name!r} is named twice, or by two files; leave one out, or rename it")


def _predict(
    faces: Sequence[Face], sources: Mapping[str, Detector | None], rules: Sequence[CropRule], variants: Variants
) -> tuple[dict[str, list[Box | None]], dict[tuple[str, str, str], Errors]]:
    """Return boxes by source, None where it missed a face, and errors by source, crop and variant.

    Photos are read one at a time, as a set may be larger than the memory.
    """
    boxes: dict[str, list[Box | None]] = {source: [] for source in sources}
    errors = {}
    keys = [(source, rule.name, variant.label) for source in sources for rule in rules for variant in variants]
    poses_by = {key: list[tuple[Float64Array, Float64Array]]() for key in keys}
    labels = {source: list[Float64Array]() for source in sources}
    for face in tqdm(faces, unit="face", leave=False, disable=None):  # None: no bar without a terminal
        photo = read_photo(face.photo)
        for source, detector in sources.items():
            box = face.box if detector is None else _detected(detector, photo, face)
            boxes[source].append(box)
            if box is None:
                continue
            labels[source].append(face.angles_deg)
            for rule in rules:
                window = box if rule.window is None else rule.window(box, (photo.shape[1], photo.shape[0]))
                for variant in variants:
                    poses = (variant.own if rule.window is None else variant.as_cut)(photo, window[None])
                    if np.isnan(poses.angles).any():
                        raise WrongAnswerError(f"{variant.label} gave no angles for {face.photo}: {poses.angles[0]}")
                    pose = poses.angles[0].astype(np.float64), poses.rotation[0].astype(np.float64)
                    poses_by[source, rule.name, variant.label].append(pose)
    for key, poses_of in poses_by.items():
        angles = np.array([pose[0] for pose in poses_of]).reshape(-1, 3)
        rotation = np.array([pose[1] for pose in poses_of]).reshape(-1, 3, 3)
        errors[key] = judge(angles, rotation, np.array(labels[key[0]]).reshape(-1, 3))
    return boxes, errors


def _detected(detector: Detector, photo: NDArray[np.uint8], face: Face) -> Box | None:
    if face.box is not None:
        return crops.overlapping_box(detector(photo), face.box)
    assert face.center is not None  # a face has one of the two
    return crops.nearest_box(detector(photo), face.center)


def _results(
    where: Parameters, counts: Figures, faces: Sequence[Face], variants: Variants, errors: Sequence[Errors]
) -> Iterator[Result]:
    """Yield the results of one source of boxes and one crop: all faces, bands, differences from the first variant."""
    groups = [face.group for face in faces]
    labels_deg = np.abs(np.array([face.angles_deg for face in faces]).reshape(-1, 3))
    by = {"yaw": labels_deg[:, 0], "largest angle": labels_deg.max(axis=1, initial=0.0)}
    for variant, own in zip(variants, errors, strict=True):
        spec = variant.own.spec
        parameters: Parameters = {**where, "model": spec.architecture, "form": variant.label, "numbers": spec.precision}
        yield Result("accuracy", parameters, figures={**counts, **whole_figures(own, groups)})
        for kind, angle_deg in by.items():
            for low, high in BANDS:
                inside = np.flatnonzero((angle_deg >= low) & (angle_deg < high))
                if len(inside):
                    band: Parameters = {**parameters, "by": kind, "from_deg": int(low), "to_deg": min(int(high), 180)}
                    part = Errors(own.angles[inside], own.geodesic[inside])
                    yield Result("band", band, figures=band_figures(part, [groups[i] for i in inside]))
        if own is not errors[0]:
            against: Parameters = {**parameters, "minus": variants[0].label}
            yield Result("difference", against, figures=difference_figures(own, errors[0], groups))


def whole_figures(errors: Errors, groups: Sequence[str]) -> Figures:
    """Return mean absolute errors, and the geodesic error's mean, median and 99th percentile, with intervals."""
    names = [f"{angle}_mae_deg" for angle in (*ANGLES, "mean")]
    names += [f"geodesic_{what}_deg" for what in ("mean", "median", "p99")]
    columns = errors.columns()

    def statistics(weights: Weights) -> Float64Array:
        return np.concatenate([mean(columns, weights), percentiles(errors.geodesic, weights, (50, 99))])

    return _with_interval(names, groups, statistics)


def band_figures(errors: Errors, groups: Sequence[str]) -> Figures:
    """Return the mean absolute errors and the mean geodesic error of some of the faces, with intervals."""
    columns = errors.columns()
    names = [*(f"{angle}_mae_deg" for angle in (*ANGLES, "mean")), "geodesic_mean_deg"]
    return {"faces": len(groups), **_with_interval(names, groups, lambda weights: mean(columns, weights))}


def difference_figures(errors: Errors, first: Errors, groups: Sequence[str]) -> Figures:
    """Return the paired differences of errors from another variant's, with intervals.

    An interval that contains 0 shows no significant difference. It is narrower than those of the two errors, which are
    correlated.
    """
    columns = errors.columns() - first.columns()
    names = [*(f"{angle}_mae_minus_first_deg" for angle in (*ANGLES, "mean")), "geodesic_mean_minus_first_deg"]
    return _with_interval(names, groups, lambda weights: mean(columns, weights))


def _with_interval(
    names: Sequence[str], groups: Sequence[str], statistics: Callable[[Weights], Float64Array]
) -> Figures:
    """Return the statistics of all faces and, as NAME_low and NAME_high, their interval; None where there is none."""
    figures: Figures = {}
    values = statistics(np.ones(len(groups), np.int64)) if groups else None
    ends = interval(groups, statistics)
    for i, name in enumerate(names):
        figures[name] = None if values is None else round(float(values[i]), 4)
        for end, suffix in enumerate(("low", "high")):
            figures[f"{name}_{suffix}"] = None if ends is None else round(float(ends[end][i]), 4)
    return figures


SUITE = Suite("accuracy", "errors on labelled faces by the papers' protocols, beside published ones", _run, Options)
