"""Training of a network on labelled faces by the published losses, and its command line."""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from export import zoo
from export.checkpoints.network import load_network
from export.distillation.lesson import make_folder
from export.distillation.published_losses import EnsembleLoss, MultiLoss, Objective
from export.distillation.train_student import fit
from export.distillation.views import Pool
from export.step import Notes, quiet
from export.teaching.arrays import FACE, MIDDLE, SEED, SIDE, Labels, turned_square, warp
from export.uncertainty.labelled_faces import Labels as Table
from export.uncertainty.labelled_faces import read_labels
from export.zoo.family import Family
from hpe_edge.errors import InputError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.spec import BinsDecode

LossName = Literal["multi", "wrapped", "ensemble"]
ALPHA = 0.001  # HopeNet's default
_KEPT_SHARE = 0.05  # of the faces, held out to judge
_WIDTH_DEG = 3.0  # of a held-out face's target distribution: a bin


@dataclass(frozen=True)
class Labelled:
    """Settings of a run on labelled faces; see :func:`export.distill.train_labelled`."""

    labels: Path
    student: str
    loss: str
    alpha: float
    teachers: tuple[Path, ...]
    views: int


def train_labelled(settings: Labelled, out: Path, notes: Notes) -> tuple[Path, float]:
    """Train a student and write its weights. See :func:`export.distill.train_labelled`.

    Returns:
        The run's folder, and the student's mean error on the held-out faces, in degrees.
    """
    if settings.loss not in get_args(LossName):
        raise InputError(f"the loss must be one of {', '.join(get_args(LossName))}, got {settings.loss!r}")
    if (settings.loss == "ensemble") != bool(settings.teachers):
        raise InputError("the loss ensemble needs teachers to learn from, and the others take none")
    if not settings.alpha >= 0:
        raise InputError(f"alpha must be 0 or above, got {settings.alpha!r}")
    family = zoo.get(settings.student)
    table = read_labels(settings.labels)
    if len(table.files) < 2:
        raise InputError(f"{settings.labels} has one face; at least two are needed: to learn from and to judge by")
    make_folder(out.with_suffix(".run"))
    order = np.random.default_rng(SEED).permutation(len(table.files))
    kept = max(1, int(_KEPT_SHARE * len(order)))
    held_out, taught = (pool_of_labels(table, np.sort(rows)) for rows in (order[:kept], order[kept:]))
    notes("pool", [f"{len(taught.boxes)} labelled faces of {settings.labels}; {kept} others are held out"])
    content = hashlib.sha256(settings.labels.read_bytes())
    for path in settings.teachers:
        content.update(path.read_bytes())
    about = {
        "student": settings.student,
        "views": settings.views,
        "loss": settings.loss,
        "alpha": settings.alpha,
        "lesson": content.hexdigest(),
    }
    return fit(family, taught, held_out, about, out, notes, objective_of(settings, family))


def objective_of(settings: Labelled, family: Family) -> Objective:
    """The loss of a run.

    Raises:
        InputError: a teacher sees other pictures than the student, or has other bins.
        HpeEdgeError: a teacher cannot be read.
    """
    assert isinstance(family.decode, BinsDecode)
    if settings.loss != "ensemble":
        return MultiLoss(family.decode, settings.alpha, wrapped=settings.loss == "wrapped")
    return EnsembleLoss(family.decode, [_teacher(path, family) for path in settings.teachers])


def _teacher(path: Path, family: Family) -> Callable[[Tensor], Tensor]:
    network = load_network([path], [], trust=False, report=quiet)
    if network.spec.input.size != family.input.size or network.spec.decode != family.decode:
        raise InputError(
            f"{path} is of {network.spec.architecture}, whose input or bins are not {family.name}'s; the loss ensemble "
            "compares bins on the same crops: name teachers with the student's, or distil them without --labels"
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    net, own = network.net.eval().requires_grad_(False).to(device), network.spec.input
    mean, std = (torch.tensor(each, device=device)[:, None, None] for each in (own.mean, own.std))

    def run(levels: Tensor) -> Tensor:
        seen = levels if own.color == family.input.color else levels.flip(1)
        found: Tensor = net((seen * own.scale - mean) / std)
        return found

    return run


def pool_of_labels(table: Table, rows: np.ndarray) -> Pool:
    """Faces of a table, each a patch about its box.

    Raises:
        SourceError: a photo cannot be read.
    """
    pictures, boxes = [], []
    for row in rows:
        box = table.boxes[row].astype(np.float64)
        middle, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
        zoom = FACE / (2 * half.max())
        pictures.append(warp(table.image(row), turned_square(middle, SIDE / zoom, 0.0, SIDE), SIDE))
        boxes.append(np.concatenate([MIDDLE - half * zoom, MIDDLE + half * zoom]))
    rotations = np.asarray(rotation_from_euler(table.angles_deg[rows]), np.float64)
    labels = Labels(rotations, np.full((len(rows), 3), _WIDTH_DEG))
    return Pool(np.stack(pictures), np.array(boxes, np.float32)[:, None], labels, np.ones(len(rows)))


def add_labelled_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of training on labels."""
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="CSV",
        help="labelled faces: file, x1, y1, x2, y2, yaw, pitch, roll; the photos lie beside it",
    )
    parser.add_argument(
        "--loss",
        choices=get_args(LossName),
        default="multi",
        help="multi: cross-entropy of bins and squared error, as HopeNet; wrapped: likewise, with WHENet's error round "
        "the circle; ensemble: divergence from the mean of the --teacher networks (default: %(default)s)",
    )
    parser.add_argument(
        "--alpha", type=float, default=ALPHA, metavar="A", help="weight of a squared degree (default: %(default)s)"
    )
    parser.add_argument(
        "--teacher",
        action="append",
        dest="teachers",
        default=[],
        type=Path,
        metavar="CHECKPOINT",
        help="a teacher of --loss ensemble, with the student's input size and bins; several are averaged",
    )
