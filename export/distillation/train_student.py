"""Distillation, from the teachers' predictions to the trained student."""

from __future__ import annotations

import csv
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export import zoo
from export.distillation import training, training_log
from export.distillation.arrays import BATCH, SEED, Batch, FaceSource, Patches, Predictions
from export.distillation.patches import cut_patch, read_patches
from export.distillation.scenes import Scenes
from export.distillation.targets import Batches, Targets, disagreement_widths, label_widths, mean_of
from export.distillation.teachers import Teacher, cached_predictions, open_teacher
from export.step import Notes, Reporter
from hpe_edge.errors import InputError, SourceError
from hpe_edge.util.atomic import output_error

_KEPT_SHARE, _KEPT_MOST = 0.04, 512  # of the faces, held out for validation
_MOST_SCENES = 400_000  # the teachers take some milliseconds each
_SAVE_EVERY = 200  # steps; ten seconds to minutes
_LABEL_COLUMNS = ("file", "x1", "y1", "x2", "y2", "yaw", "pitch", "roll")


@dataclass(frozen=True)
class Settings:
    """Settings of a run; see :func:`export.distill.train`."""

    teachers: Sequence[Path]
    images: Path
    boxes: Path | None
    boxes_from: str
    labels: Path | None
    student: str
    views: int


def train_student(settings: Settings, out: Path, notes: Notes) -> tuple[Path, float]:
    """Train a student and write its weights. See :func:`export.distill.train`.

    Returns:
        The run's folder, and the student's mean error on the held-out faces, in degrees.
    """
    run, cache = out.with_suffix(".run"), out.parent / "distill_cache"
    for folder in (run, cache):
        _make_folder(folder)
    teachers = [open_teacher(path, notes) for path in settings.teachers]
    patches = read_patches(settings.images, settings.boxes, settings.boxes_from)
    notes("faces", [f"{len(patches)} of {settings.images}", *patches.notes])
    plain = [_predictions(teacher, patches, cache, notes) for teacher in teachers]
    widths = _widths(teachers, plain, settings.labels, cache, notes)
    kept, taught = _split(len(patches))
    scenes = Scenes(patches, taught, mean_of(plain), min(settings.views, _MOST_SCENES))
    notes("scenes", [f"{len(scenes)} of {len(taught)} faces; the others are held out"])
    targets = Targets([_predictions(teacher, scenes, cache, notes) for teacher in teachers], widths)
    family = zoo.get(settings.student)
    batches = Batches(scenes, targets, family.crop, family.input)
    test = Batches(patches, Targets(plain, widths), family.crop, family.input).of(kept)
    about = {
        "student": settings.student,
        "views": settings.views,
        "teachers": [each.sha256 for each in teachers],
        "targets": targets.digest,
    }
    student = training.Training(family, batches, training.steps_of(settings.views))
    checkpoint = run / "checkpoint.pth"
    log = training_log.TrainingLog(run / "log.jsonl", _resume(student, checkpoint, about))
    size = f"{family.parameters:,} parameters, {student.steps} steps of {BATCH} views on {student.device}"
    resumed = [f"resumes at step {student.step}"] if student.step else []
    notes("student", [f"{family.name}, {size}", *resumed])
    try:
        _loop(student, log, test, checkpoint, about, run)
    finally:
        log.close()
    training.save(training.load(checkpoint)["state_dict"], out)
    return run, float(log.records[-1]["kept_error_deg"])


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(folder, error) from None


def _widths(
    teachers: list[Teacher], predictions: list[Predictions], labels: Path | None, cache: Path, report: Reporter
) -> list[NDArray[np.float64] | None]:
    """Standard deviations of each teacher with plain angles, from labelled crops or from the other teachers."""
    widths: list[NDArray[np.float64] | None] = [None] * len(teachers)
    unsure = [i for i, each in enumerate(predictions) if each.distributions is None]
    if unsure and labels is not None:
        labelled, angles = read_labelled(labels)
        for i in unsure:
            widths[i] = label_widths(_predictions(teachers[i], labelled, cache, report), angles)
    elif unsure:
        apart = disagreement_widths(predictions)
        for i in unsure:
            widths[i] = apart[i]
    for teacher, width in zip(teachers, widths, strict=True):
        if width is not None:
            degrees = ", ".join(f"{name} {deg:.1f}" for name, deg in zip(("yaw", "pitch", "roll"), width, strict=True))
            report("width", [f"{teacher.name} gives plain angles; standard deviation set to {degrees} degrees"])
    return widths


def _predictions(teacher: Teacher, source: FaceSource, cache: Path, report: Reporter) -> Predictions:
    predictions, cached = cached_predictions(teacher, source, cache)
    report("teacher", [f"{teacher.name}, {teacher.spec.architecture}, {len(source)} faces{', as cached' * cached}"])
    return predictions


def read_labelled(path: Path) -> tuple[Patches, NDArray[np.float64]]:
    """Labelled crops and their yaw, pitch and roll in degrees, ``[N, 3]``.

    Raises:
        SourceError: the file or a picture that it names is missing, or cannot be read.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        numbers = np.array([[float(row[name]) for name in _LABEL_COLUMNS[1:]] for row in rows])
    except OSError as error:
        raise SourceError(f"cannot read the labels {path}: {error.strerror}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path} must have the columns {','.join(_LABEL_COLUMNS)} with numbers ({error})") from None
    if not rows:
        raise SourceError(f"{path} has no rows; it needs the columns {','.join(_LABEL_COLUMNS)}")
    images, places = [], []
    for row, box in zip(rows, numbers[:, :4].astype(np.float32), strict=True):
        image = cv2.imread(str(path.parent / row["file"]))
        if image is None:
            raise SourceError(f"cannot read {path.parent / row['file']}, which the labels name")
        patch, place = cut_patch(np.asarray(image, np.uint8), box)
        images.append(patch)
        places.append(place)
    return Patches(np.stack(images), np.stack(places)), numbers[:, 4:]


def _split(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the held-out faces, and of all others."""
    order = np.random.default_rng(SEED).permutation(count)
    kept = order[: min(_KEPT_MOST, max(1, int(_KEPT_SHARE * count)))]
    return kept, np.arange(count) if count == 1 else np.setdiff1d(np.arange(count), kept)


def _resume(student: training.Training, checkpoint: Path, about: dict[str, Any]) -> int:
    """Resume from a checkpoint, if there is one; return the length of its log."""
    if not checkpoint.is_file():
        return 0
    state = training.load(checkpoint)
    before = {name: state["about"].get(name) for name in about}
    if before != about:
        differing = ", ".join(name for name in about if before[name] != about[name])
        raise InputError(
            f"{checkpoint} belongs to a run with other {differing}; name another output with -o, or remove that folder"
        )
    student.restore(state)
    return int(state["about"]["log_bytes"])


def _loop(
    student: training.Training,
    log: training_log.TrainingLog,
    kept: Batch,
    checkpoint: Path,
    about: dict[str, Any],
    run: Path,
) -> None:
    with tqdm(total=student.steps, initial=student.step, unit="step", disable=None) as bar:
        while student.step < student.steps:
            started = time.monotonic()
            seen = []
            for measured in student.run(min(student.steps, (student.step // _SAVE_EVERY + 1) * _SAVE_EVERY)):
                seen.append(measured)
                bar.update()
            test = student.examine(kept)
            log.add(
                {
                    "step": student.step,
                    "views": student.step * BATCH,
                    "divergence": round(float(np.mean([each.divergence for each in seen])), 5),
                    "error_deg": round(float(np.mean([each.error_deg for each in seen])), 4),
                    "kept_divergence": round(test.divergence, 5),
                    "kept_error_deg": round(test.error_deg, 4),
                    "seconds": round(time.monotonic() - started, 2),
                }
            )
            bar.set_postfix(kept_deg=f"{test.error_deg:.2f}")
            student.save(checkpoint, {**about, "log_bytes": log.size_bytes})
            training_log.draw_curves(log.records, run / "curves.png")
