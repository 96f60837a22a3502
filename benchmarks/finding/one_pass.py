"""Suite ``one-pass``: the pose from the detector's own features against a second network on the crop.

A head of as many multiplications as the embedded pose model is trained on the frozen features of the face detector,
with the mean of the teachers' rotations as labels. Both are compared with those labels on faces that the detector's
training kept back, drawn at several sizes; both use the box and the key points that the detector finds there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.finding.detectors import Figures
from benchmarks.finding.labelled_faces import LabelledFace, labelled_faces, pose
from benchmarks.harness.intervals import interval, mean
from benchmarks.harness.suite import Suite, option, path_option, positive
from benchmarks.harness.timing import Effort, Result
from export.detection.pictures import load_pictures
from export.labelling.found import read_found
from hpe_edge.engine import PoseEngine
from hpe_edge.geometry import geodesic_deg

SIZES = (20, 28, 40, 64, 96, 160)  # longer sides of the boxes, pixels
QUICK_VIEWS, QUICK_FACES, QUICK_EPOCHS = 96, 24, 2


@dataclass(frozen=True)
class Options:
    run: Path = path_option("the run of the detector's training, with its labels", metavar="RUN")
    checkpoint: Path = path_option("its network, checkpoint.pt of the run or of a last phase")
    scenes: Path = path_option("people_* and object_* pictures of that run", metavar="FOLDER")
    faces: Path = path_option("single faces of that run", metavar="FOLDER")
    teachers: Sequence[Path] = path_option("models whose mean is the label", metavar="MODEL.onnx", nargs="+")
    views: int = option("views to train on", 40_000, type=positive)
    epochs: int = option("passes over them", 8, type=positive)


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    from benchmarks.finding import pose_on_features as features  # needs torch

    network = features.load_network(options.checkpoint)
    most = QUICK_FACES if effort.quick else None
    learned, kept = (_faces(options, held_out, most) for held_out in (False, True))
    read, rotations = features.read_views(learned, network, QUICK_VIEWS if effort.quick else options.views)
    head = features.train(read, rotations, QUICK_EPOCHS if effort.quick else options.epochs)
    yield Result("training", {"faces": len(learned), "views": len(read)})
    with PoseEngine(threads=1) as engine:
        for size in SIZES:
            rng = np.random.default_rng(features.SEED)
            drawn = [features.view(face, size, rng, network, varied=False) for face in kept]
            found = [each for each in drawn if each is not None]
            if found:
                one = np.stack([features.answer(head, network, each) for each in found])
                two = np.stack([pose(engine, each.frame, each.found.boxes, each.found.points) for each in found])
                figures = compared(one, two, np.stack([each.rotation for each in found]))
                yield Result("agreement", {"size": size}, figures=figures)


def compared(one: NDArray[np.floating], two: NDArray[np.floating], truth: NDArray[np.floating]) -> Figures:
    """Distances in degrees of both kinds of rotations ``[N, 3, 3]`` from the labels; the difference is one - two."""
    first, second = (np.asarray(geodesic_deg(each, truth), np.float64) for each in (one, two))
    figures: Figures = {"faces": len(truth)}
    for name, each in (("one_pass", first), ("two_networks", second)):
        figures[f"{name}_mean_deg"] = round(float(each.mean()), 3)
        figures[f"{name}_p99_deg"] = round(float(np.percentile(each, 99)), 3)
    apart = (first - second)[:, None]
    figures["difference_mean_deg"] = round(float(apart.mean()), 3)
    ends = interval([str(i) for i in range(len(apart))], lambda weights: mean(apart, weights))
    if ends is not None:
        figures["difference_low_deg"], figures["difference_high_deg"] = (round(float(end[0]), 3) for end in ends)
    return figures


def _faces(options: Options, held_out: bool, most: int | None) -> list[LabelledFace]:
    found = {}
    for kind in ("scenes", "faces"):
        found.update(read_found(options.run / f"found_{kind}.jsonl"))
    pictures = load_pictures(options.scenes, options.faces, found, held_out=held_out)
    return labelled_faces(pictures, options.teachers, most)


SUITE = Suite("one-pass", "the pose from the detector's own features, against a second network", _run, Options)
