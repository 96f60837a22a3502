"""Distillation, from the teachers' predictions to the trained student."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from export import zoo
from export.distillation import training, training_log
from export.distillation.lesson import make_folder, make_lesson
from export.distillation.published_losses import Objective
from export.distillation.views import Pool, Views, upright_views
from export.step import Notes
from export.teaching.arrays import BATCH, Batch
from export.teaching.material import Material
from export.zoo.family import Family
from hpe_edge.errors import InputError

_SAVE_EVERY = 200  # steps; ten seconds to minutes


@dataclass(frozen=True)
class Settings:
    """Settings of a run; see :func:`export.distill.train`."""

    material: Material
    student: str
    views: int


def train_student(settings: Settings, out: Path, notes: Notes) -> tuple[Path, float]:
    """Train a student and write its weights. See :func:`export.distill.train`.

    Returns:
        The run's folder, and the student's mean error on the held-out faces, in degrees.
    """
    run, cache = out.with_suffix(".run"), out.parent / "distill_cache"
    for folder in (run, cache):
        make_folder(folder)
    lesson = make_lesson(settings.material, cache, notes)
    about = {"student": settings.student, "views": settings.views, "lesson": lesson.digest}
    return fit(zoo.get(settings.student), lesson.pool, lesson.held_out, about, out, notes)


def fit(
    family: Family,
    pool: Pool,
    held_out: Pool,
    about: dict[str, Any],
    out: Path,
    notes: Notes,
    objective: Objective | None = None,
) -> tuple[Path, float]:
    """Train a student on views of a pool, and write its weights; resumes a stopped run with the same ``about``.

    Args:
        family: of the student.
        pool: faces to learn from.
        held_out: faces that judge.
        about: the run's settings; ``views`` is the number of views.
        out: the weights; the run's folder, which exists, has its name with .run.
        notes: takes each stage's lines.
        objective: see :class:`export.distillation.training.Training`.

    Returns:
        The run's folder, and the student's mean error on the held-out faces, in degrees.
    """
    run = out.with_suffix(".run")
    views = Views(pool, family.crop, family.input)
    test = upright_views(held_out, family.crop, family.input, np.arange(len(held_out.boxes)))
    student = training.Training(family, views, training.steps_of(about["views"]), objective)
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
