"""The lesson of a student: faces, the teachers' consensus on them, and what is held out."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.distillation.pool import can_turn, make_pool, pool_of
from export.distillation.views import Pool
from export.step import Reporter
from export.teaching.arrays import SEED, Patches
from export.teaching.consensus import Consensus, Opinion, agree
from export.teaching.material import Material, TeacherChoice
from export.teaching.patches import read_patches
from export.teaching.patches_file import load_patches, save_patches
from export.teaching.teachers import Teacher, cached_looks, open_teacher
from export.turning.head_shape import landmarks_of
from export.zoo.threeddfa import ThreeDdfa
from hpe_edge.boxes.box_fit import box_fit
from hpe_edge.errors import ModelError
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.util.atomic import output_error

_KEPT_SHARE, _KEPT_MOST = 0.05, 1500  # of the pictures, whose faces are held out; their faces at most
_KEPT_DOUBT_DEG = 10.0  # held-out faces on which the teachers disagree more judge nothing
_RARE_DEG = 20.0  # a teacher further off than this on a face is reported


@dataclass(frozen=True)
class Lesson:
    """Faces with labels: those that a student learns from, and those that judge it.

    Attributes:
        pool: the faces to learn from.
        held_out: the faces that judge.
        digest: hexadecimal, of all labels and pictures.
    """

    pool: Pool
    held_out: Pool
    digest: str


def make_lesson(material: Material, cache: Path, report: Reporter) -> Lesson:
    """Find the faces, ask the teachers and turn faces. All results are kept in the cache folder.

    Raises:
        HpeEdgeError: a picture, a detector or a teacher cannot be used, or the cache cannot be written.
    """
    study = _study(material, cache, report)

    def ask(turned: Patches) -> list[Opinion]:
        # An aligned teacher's offset was measured on other faces, and its pictures are not needed twice.
        fixed = [each for each in study.teachers if not each[0].aligned]
        return [_opinion(choice, teacher, turned, cache, report) for choice, teacher in fixed]

    pool = make_pool(study.patches, study.taught, study.points, study.consensus, cache, ask)
    report("pool", [f"{len(pool.boxes)} faces from {len(study.taught)}; {len(study.kept)} others are held out"])
    content = hashlib.sha256(study.patches.digest.encode())
    for array in (pool.labels.rotations, pool.labels.widths, pool.boxes, study.kept):
        content.update(np.ascontiguousarray(array).data)
    return Lesson(pool, pool_of(study.patches, study.kept, study.points, study.consensus), content.hexdigest())


def held_out_faces(material: Material, cache: Path, report: Reporter) -> Pool:
    """The faces that :func:`make_lesson` holds out of the same material, with the teachers' consensus.

    Raises:
        HpeEdgeError: as there.
    """
    make_folder(cache)
    study = _study(material, cache, report)
    return pool_of(study.patches, study.kept, study.points, study.consensus)


def make_folder(path: Path) -> None:
    """Make a folder unless it is there.

    Raises:
        OutputError: it cannot be made.
    """
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise output_error(path, error) from None


@dataclass(frozen=True)
class _Study:
    """All faces, their landmarks if a teacher gives them, the consensus, and the numbers of the faces of each use."""

    teachers: list[tuple[TeacherChoice, Teacher]]
    patches: Patches
    points: NDArray[np.float32] | None
    consensus: Consensus
    taught: NDArray[np.intp]
    kept: NDArray[np.intp]


def _study(material: Material, cache: Path, report: Reporter) -> _Study:
    teachers = [(choice, open_teacher(choice.path, report)) for choice in material.teachers]
    patches = _patches(material, cache, report)
    opinions = [_opinion(choice, teacher, patches, cache, report) for choice, teacher in teachers]
    consensus = agree(opinions)
    report("consensus", _summary(opinions, consensus))
    net = next((teacher.net for _, teacher in teachers if isinstance(teacher.net, ThreeDdfa)), None)
    points = None
    if net is None:
        report("turning", ["no teacher is a checkpoint of 3DDFA, which gives landmarks: no face is turned in depth"])
    elif not can_turn(consensus):
        report("turning", ["the teachers agree on too few faces to shape a mean head: no face is turned in depth"])
    else:
        points = landmarks_of(net, patches)
    kept, taught = _split(patches.sources)
    kept = kept[consensus.disagreement_deg[kept] < _KEPT_DOUBT_DEG]
    if not len(kept):
        raise ModelError(
            f"the teachers disagree by {_KEPT_DOUBT_DEG:g} degrees or more on every held-out face, so none can judge; "
            "check the boxes (chin to eyebrows), give more images, or name a teacher with a convention of its own with "
            "--aligned-teacher"
        )
    return _Study(teachers, patches, points, consensus, taught, kept)


def _opinion(choice: TeacherChoice, teacher: Teacher, patches: Patches, cache: Path, report: Reporter) -> Opinion:
    looks, known = cached_looks(teacher, patches, cache)
    report("teacher", [f"{teacher.name}, {teacher.spec.architecture}, {len(patches)} faces{', as cached' * known}"])
    return Opinion(teacher.name, looks, choice.weights, choice.aligned)


def _patches(material: Material, cache: Path, report: Reporter) -> Patches:
    parts = [*material.images, *([material.boxes] if material.boxes else [])]
    # The fit's numbers stand for its name or file.
    name = " ".join([repr(box_fit(material.boxes_from)), *map(_identity, material.detectors), *map(_listing, parts)])
    patches = load_patches(cache, name)
    known = patches is not None
    if patches is None:
        detectors = [] if material.boxes else [open_detector(each) for each in material.detectors]
        patches = read_patches(material.images, material.boxes, material.boxes_from, detectors)
        save_patches(patches, cache, name)
    where = ", ".join(map(str, material.images))
    report("faces", [f"{len(patches)} of {where}{', as cached' * known}", *patches.notes])
    return patches


def _identity(detector: str) -> str:
    """Hash of a detector's file; otherwise its name, which stands for one published file."""
    try:
        return hashlib.sha256(Path(detector).read_bytes()).hexdigest()
    except OSError:
        return detector


def _listing(path: Path) -> str:
    """Names and contents of a file or of a folder's files."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    content = hashlib.sha256()
    for each in files:
        if each.is_file():
            content.update(f"{each.name} {each.stat().st_size} ".encode())
            content.update(each.read_bytes())
    return content.hexdigest()


def _split(sources: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Numbers of the held-out faces, and of all others; a picture's faces stay together."""
    pictures = np.unique(sources)
    order = np.random.default_rng(SEED).permutation(pictures)
    kept = np.isin(sources, order[: max(1, int(_KEPT_SHARE * len(pictures)))])
    if kept.all():
        return np.arange(len(sources)), np.arange(len(sources))
    held_out = np.flatnonzero(kept)
    if len(held_out) > _KEPT_MOST:  # from all pictures, which come folder by folder
        held_out = np.sort(np.random.default_rng(SEED).choice(held_out, _KEPT_MOST, replace=False))
    return held_out, np.flatnonzero(~kept)


def _summary(opinions: Sequence[Opinion], consensus: Consensus) -> list[str]:
    return [
        f"{each.name}: median {np.median(apart):.1f} degrees from it, more than {_RARE_DEG:g} on "
        f"{100 * np.mean(apart > _RARE_DEG):.1f} % of the faces"
        for each, apart in zip(opinions, consensus.by_teacher_deg, strict=True)
    ]
