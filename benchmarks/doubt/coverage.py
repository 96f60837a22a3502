"""Suite ``coverage``: the share of errors within one and two sigma, before and after calibration.

The factors are measured on one random half of the labelled faces and judged on the other, ten times, with the boxes of
all sources together. ``"calibrated without labels"`` are the factors that an export finds against the embedded model,
on the gate's bundled photos and on other images; all labelled faces judge them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.harness.suite import BudgetLine, Suite, default_or, option, path_option
from benchmarks.harness.timing import Effort, Result
from benchmarks.inputs.crops import DETECTORS, detector_named
from export.gate.gate import backend_runner, poses_of
from export.step import quiet
from export.uncertainty.against_model import calibrate_against, faces_and_beliefs
from export.uncertainty.labelled_faces import (
    COLUMNS,
    Boxes,
    Errors,
    Labels,
    detected_boxes,
    errors_on,
    read_labels,
)
from export.uncertainty.sigma_factors import Coverage, coverage, cross_validated, from_errors
from hpe_edge import PoseEngine
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.faces.detector import DEFAULT_DETECTOR
from hpe_edge.models import DEFAULT
from hpe_edge.spec import BinsDecode, ModelSpec, SigmaCalibration

ANGLES = ("yaw", "pitch", "roll")
QUICK_FACES, QUICK_ROUNDS, ROUNDS = 30, 2, 10
WANTED_PERCENT, AWAY = 68.0, 5.0

Figures = dict[str, float | None]


@dataclass(frozen=True)
class Options:
    labels: Path = path_option(f"columns {','.join(COLUMNS)}: boxes tight round the landmarks", metavar="CSV")
    models: Sequence[Path] = path_option("default: the embedded one", (), "MODEL.onnx", nargs="+")
    detectors: Sequence[str] = option(
        f"the boxes: {DETECTORS}; default: {DEFAULT_DETECTOR}",
        (DEFAULT_DETECTOR,),
        nargs="+",
        metavar="NAME",
    )
    images: Sequence[Path] = path_option(
        "calibrate without labels on these, too: pictures, folders or videos of faces", (), "PATH", nargs="+"
    )


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    labels = read_labels(options.labels)
    if effort.quick:
        few = slice(QUICK_FACES)
        labels = Labels(labels.path, labels.files[few], labels.boxes[few], labels.angles_deg[few])
    by_source = {Path(name).stem: detected_boxes(labels, [detector_named(name)]) for name in options.detectors}
    together: Boxes = [[box for own in row for box in own] for row in zip(*by_source.values(), strict=True)]
    with PoseEngine(DEFAULT) as engine:
        known = engine.spec
    for path in options.models or [default_or(None)]:
        with PoseEngine(path, threads=1) as engine:
            spec = engine.spec
            what: dict[str, str | int] = {"model": path.stem}
            if not isinstance(spec.decode, BinsDecode):
                yield Result("coverage", {**what, "sigma": "none"}, figures={"faces": len(labels.files)})
                continue
            found = errors_on(engine, labels, together)
            yield from _calibrated(what, found, QUICK_ROUNDS if effort.quick else ROUNDS)
            if spec.origin.sha256 != known.origin.sha256:
                for images in (None, *options.images):
                    yield _without_labels(what, path, spec, found, images)
            if spec.sigma is not None:
                yield from _as_stored(what, engine, spec.sigma, labels, by_source)


def _calibrated(what: dict[str, str | int], found: Errors, rounds: int) -> Iterator[Result]:
    faces: Figures = {"faces": len(set(found.faces.tolist())), "boxes": len(found.errors)}
    factors = from_errors(found.errors, found.sigma)
    figures: Figures = dict(faces)
    for name, median in zip(ANGLES, np.median(found.sigma, axis=0).tolist(), strict=True):
        figures[f"{name}_median_sigma_deg"] = round(median, 4)
    figures |= _shares(coverage(found.errors, found.sigma))
    yield Result("coverage", {**what, "sigma": "of the bins"}, figures=figures)
    after = cross_validated(found.errors, found.sigma, found.faces, rounds)
    yield Result(
        "coverage",
        {**what, "sigma": "calibrated, other faces"},
        figures={**faces, **_factors(factors.tolist()), **_shares(after)},
    )


def _without_labels(
    what: dict[str, str | int], path: Path, spec: ModelSpec, found: Errors, images: Path | None
) -> Result:
    plain = replace(spec, sigma=None)
    believed = faces_and_beliefs(plain, images, None)
    backend = OnnxRuntimeBackend(path, threads=1)
    try:
        poses = poses_of(backend_runner(backend), plain, believed.faces.crops, backend.max_batch)
    finally:
        backend.close()
    sigma = calibrate_against(plain, poses, believed, quiet)
    source = "bundled photos" if images is None else images.stem
    parameters = {**what, "sigma": "calibrated without labels", "images": source}
    if sigma is None:
        return Result("coverage", parameters, figures={"faces": len(poses)})
    shares = _shares(coverage(found.errors, found.sigma * np.array(sigma.factors)))
    return Result("coverage", parameters, figures={"faces": len(poses), **_factors(sigma.factors), **shares})


def _as_stored(
    what: dict[str, str | int], engine: PoseEngine, sigma: SigmaCalibration, labels: Labels, by_source: dict[str, Boxes]
) -> Iterator[Result]:
    """Judge the file's own factors by source of boxes, the labels' own included; not on faces of its own."""
    sources: dict[str, Boxes] = {"landmarks": [[box] for box in labels.boxes], **by_source}
    for source, boxes in sources.items():
        found = errors_on(engine, labels, boxes)
        shares = _shares(coverage(found.errors, found.sigma * np.array(sigma.factors)))
        parameters = {**what, "sigma": "as stored in the file", "boxes": source}
        yield Result("coverage", parameters, figures={"faces": len(set(found.faces.tolist())), **shares})


def _factors(factors: Sequence[float]) -> Figures:
    return {f"{name}_factor": round(float(factor), 4) for name, factor in zip(ANGLES, factors, strict=True)}


def _shares(found: Coverage) -> Figures:
    figures: Figures = {}
    for k, shares, spreads in ((1, found.one, found.one_spread), (2, found.two, found.two_spread)):
        for name, share, spread in zip((*ANGLES, "all"), shares.tolist(), spreads.tolist(), strict=True):
            figures[f"{name}_within_{k}_sigma_percent"] = round(100 * share, 1)
            if spread:
                figures[f"{name}_within_{k}_sigma_spread_percent"] = round(100 * spread, 1)
    return figures


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = []
    for result in results:
        if result.parameters["sigma"] == "calibrated, other faces":
            found = result.figures["all_within_1_sigma_percent"] or 0.0
            what = f"errors of {result.parameters['model']} within one sigma, on faces not used"
            limit = f"{WANTED_PERCENT:g} % ± {AWAY:g}"
            lines.append(BudgetLine(what, limit, f"{found:g} %", abs(found - WANTED_PERCENT) <= AWAY))
    return lines


SUITE = Suite("coverage", "the share of errors within sigma, before and after calibration", _run, Options, _budget)
