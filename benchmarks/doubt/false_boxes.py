"""Suite ``doubt``: what a limit on sigma drops, of the false boxes of detectors and of faces.

On labelled photos a face is a box that overlaps the label's; elsewhere one that another of the detectors found as well.
Boxes that overlap neither a label nor a box of another detector are false for the Haar cascade, which the neural
detectors surpass, and unconfirmed for those: most of their own are small, blurred or turned faces. Boxes in between,
and of a cascade's face that no neural detector found, are counted as such only.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.face import read_photo
from benchmarks.datasets.labels_csv import LAYOUT, read_labels
from benchmarks.harness.suite import BudgetLine, Suite, default_or, path_option
from benchmarks.harness.timing import Effort, Result
from benchmarks.inputs.crops import HAAR, LEAST_IOU, detector_named
from hpe_edge import InputError, PoseEngine, SourceError
from hpe_edge.boxes.overlap import iou
from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.faces.open_detector import NAMES

APART_IOU = 0.1  # of a false box with every face, at most
EVERY_FRAME, EVERY_PICTURE = 4, 4  # of the video and of the pictures of people
QUICK_IMAGES = 12
YAW_BANDS = ((0.0, 30.0), (30.0, 60.0), (60.0, 180.0))  # of the estimate
LIMITS_DEG = (12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 20.0)
DROPPED = 0.9  # of Haar's false boxes, the operating point at which measures are compared
WANTED_DROPPED, WANTED_LOST = 90.0, 1.0  # percent

MEASURES: Mapping[str, Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]] = {
    "root mean square, calibrated": lambda sigma, factors: np.sqrt((sigma**2).mean(axis=1)),
    "root mean square, of the bins": lambda sigma, factors: np.sqrt(((sigma / factors) ** 2).mean(axis=1)),
    "largest, calibrated": lambda sigma, factors: np.asarray(sigma.max(axis=1)),
    "largest, of the bins": lambda sigma, factors: np.asarray((sigma / factors).max(axis=1)),
    "yaw's": lambda sigma, factors: sigma[:, 0],
    "pitch's": lambda sigma, factors: sigma[:, 1],
    "roll's": lambda sigma, factors: sigma[:, 2],
}

Image = NDArray[np.uint8]
_FACE, _FALSE, _UNCLEAR = 0, 1, 2


@dataclass(frozen=True)
class Options:
    labels: Path = path_option(LAYOUT, metavar="CSV")
    detectors: Sequence[Path] = path_option(
        f"two or more of {', '.join(NAMES)} or FILE.onnx, beside OpenCV's cascade", metavar="NAME", nargs="+"
    )
    video: Path | None = path_option("a video with several people", None)
    scenes: Path | None = path_option(
        "pictures beside it, columns file,source: those called object_* without people, others with them; the source "
        "of the latter forms the groups",
        None,
        "CSV",
    )
    model: Path | None = path_option("default: the embedded one", None, "MODEL.onnx")


@dataclass(frozen=True)
class Found:
    """Boxes of all images.

    Attributes:
        group: ``[N]``, kind of the image.
        detector: ``[N]``, name.
        verdict: ``[N]``: a face, a false box, or unclear.
        yaw_deg: ``[N]``, estimated.
        sigma: ``[N, 3]``, calibrated, in degrees.
    """

    group: NDArray[np.str_]
    detector: NDArray[np.str_]
    verdict: NDArray[np.intp]
    yaw_deg: NDArray[np.float64]
    sigma: NDArray[np.float64]

    def rows(self, verdict: int, group: str | None = None, detector: str | None = None) -> NDArray[np.bool_]:
        """Select boxes."""
        chosen = self.verdict == verdict
        if group is not None:
            chosen &= self.group == group
        if detector is not None:
            chosen &= self.detector == detector
        return np.asarray(chosen, np.bool_)


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    if len(options.detectors) < 2:
        raise InputError("name two neural detectors or more: each is judged by the others")
    names = [HAAR, *(path.stem for path in options.detectors)]
    detectors = [detector_named(HAAR), *(detector_named(str(path)) for path in options.detectors)]
    path = options.model or default_or(None)
    with PoseEngine(path, threads=1) as engine:
        calibration = engine.spec.sigma
        if calibration is None or calibration.limit_deg is None:
            raise InputError(f"{path} has no limit on sigma; set one: hpe-edge export sigma MODEL --limit-deg 16")
        found = find_all(engine, _images(options, effort.quick), dict(zip(names, detectors, strict=True)))
    factors, limit_deg = np.array(calibration.factors), calibration.limit_deg
    sigma = MEASURES["root mean square, calibrated"](found.sigma, factors)
    for group in dict.fromkeys(found.group.tolist()):
        for name in names:
            figures = dropped(found, sigma > limit_deg, group, name)
            yield Result("doubt", {"images": group, "detector": name, "limit_deg": f"{limit_deg:g}"}, figures=figures)
    for limit in LIMITS_DEG:
        yield Result("limits", {"limit_deg": f"{limit:g}"}, figures=_at_limit(found, sigma > limit))
    for measure, of in MEASURES.items():
        yield Result("measures", {"measure": measure}, figures=separation(found, of(found.sigma, factors)))


def _images(options: Options, quick: bool) -> Iterator[tuple[str, Image, NDArray[np.float32] | None]]:
    """Yield group, image, and the labelled box of the labelled photos."""
    names, boxes, _ = read_labels(options.labels)
    count = QUICK_IMAGES if quick else None
    for name, box in list(zip(names, boxes, strict=True))[:count]:
        yield "labelled photos", read_photo(options.labels.parent / name), box
    if options.video is not None:
        for image in list(_frames(options.video, QUICK_IMAGES if quick else 1_000_000)):
            yield "video", image, None
    if options.scenes is not None:
        for group, path in _scenes(options.scenes)[:count]:
            yield group, read_photo(path), None


def _frames(path: Path, most: int) -> Iterator[Image]:
    capture = cv2.VideoCapture(str(path))
    for at in range(most * EVERY_FRAME):
        ok, image = capture.read()
        if not ok:
            break
        if at % EVERY_FRAME == 0:
            yield np.asarray(image, np.uint8)
    capture.release()


def _scenes(path: Path) -> list[tuple[str, Path]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(row["file"], row["source"]) for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise SourceError(f"cannot read {path}: it needs the columns file and source ({error})") from None
    objects = [("objects", path.parent / name) for name, _ in rows if name.startswith("object_")]
    people = [(source, path.parent / name) for name, source in rows if not name.startswith("object_")]
    return objects + people[::EVERY_PICTURE]


def find_all(
    engine: PoseEngine,
    images: Iterator[tuple[str, Image, NDArray[np.float32] | None]],
    detectors: Mapping[str, Detector],
) -> Found:
    """Run all detectors and the model on all images."""
    groups, names, verdicts, yaw, sigma = [], [], [], [], []
    for group, image, label in images:
        found = {name: detector(image) for name, detector in detectors.items()}
        for name, own in found.items():
            if not len(own):
                continue
            others = [other.boxes for each, other in found.items() if each not in (name, HAAR)]
            verdicts.append(judge(own, others, label))
            poses = engine(image, Detections.from_boxes(own.boxes))
            yaw.append(poses.yaw.astype(np.float64))
            sigma.append(poses.sigma.astype(np.float64))
            groups += [group] * len(own)
            names += [name] * len(own)
    if not verdicts:
        raise SourceError("no detector found anything in these images")
    return Found(
        np.array(groups), np.array(names), np.concatenate(verdicts), np.concatenate(yaw), np.concatenate(sigma)
    )


def judge(
    found: Detections, others: Sequence[NDArray[np.float32]], label: NDArray[np.float32] | None
) -> NDArray[np.intp]:
    """Return the verdict on each of a detector's boxes, by the boxes of others and by the label's."""
    known = np.concatenate([*others, *([] if label is None else [label[None]]), np.empty((0, 4), np.float32)])
    if not len(known):
        return np.full(len(found), _FALSE, np.intp)
    overlaps = iou(found.boxes, known)
    verdict = np.where(overlaps.max(axis=1) < APART_IOU, _FALSE, _UNCLEAR)
    sure = overlaps if label is None else overlaps[:, -1:]  # of a labelled photo only that face counts
    return np.asarray(np.where(sure.max(axis=1) >= LEAST_IOU, _FACE, verdict), np.intp)


def dropped(found: Found, doubtful: NDArray[np.bool_], group: str, detector: str) -> dict[str, float | None]:
    """Return counts of one detector's false boxes and faces in a group of images, and of the doubtful among them."""
    false, faces = found.rows(_FALSE, group, detector), found.rows(_FACE, group, detector)
    figures: dict[str, float | None] = {
        "false_boxes": int(false.sum()),
        "false_boxes_dropped": int((false & doubtful).sum()),
        "faces": int(faces.sum()),
        "faces_lost": int((faces & doubtful).sum()),
        "unclear": int(found.rows(_UNCLEAR, group, detector).sum()),
    }
    yaw = np.abs(found.yaw_deg)
    for low, high in YAW_BANDS:
        band = faces & (yaw >= low) & (yaw < high)
        figures[f"faces_yaw_{low:g}_to_{high:g}"] = int(band.sum())
        figures[f"faces_lost_yaw_{low:g}_to_{high:g}"] = int((band & doubtful).sum())
    return figures


def _at_limit(found: Found, doubtful: NDArray[np.bool_]) -> dict[str, float | None]:
    """Return percentages by group: of Haar's false boxes dropped, of all detectors' faces lost."""
    figures: dict[str, float | None] = {}
    for group in dict.fromkeys(found.group.tolist()):
        name = group.replace(" ", "_")
        figures[f"haar_false_boxes_dropped_{name}_percent"] = _percent(doubtful[found.rows(_FALSE, group, HAAR)])
        figures[f"faces_lost_{name}_percent"] = _percent(doubtful[found.rows(_FACE, group)])
    return figures


def separation(found: Found, measure: NDArray[np.float64]) -> dict[str, float | None]:
    """Return the area under the ROC of Haar's false boxes against faces, and the faces lost at nine in ten dropped.

    The faces are those of the labelled photos and the video.
    """
    false = measure[found.rows(_FALSE, None, HAAR)]
    faces = measure[found.rows(_FACE, "labelled photos") | found.rows(_FACE, "video")]
    if not len(false) or not len(faces):
        return {"roc_area": None, "faces_lost_percent": None}
    area = float((faces[:, None] < false).mean() + (faces[:, None] == false).mean() / 2)
    return {"roc_area": round(area, 4), "faces_lost_percent": _percent(faces >= np.quantile(false, 1 - DROPPED))}


def _percent(values: NDArray[Any]) -> float | None:
    return round(100 * float(values.mean()), 2) if len(values) else None


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    rows = [result for result in results if result.name == "doubt"]
    by_detector = [result.figures for result in rows if result.parameters["detector"] == HAAR]
    kept = [result.figures for result in rows if result.parameters["images"] in ("labelled photos", "video")]
    false = _share(by_detector, "false_boxes_dropped", "false_boxes")
    lost = _share(kept, "faces_lost", "faces")
    return [
        BudgetLine(
            "false boxes of the cascade that are dropped",
            f">= {WANTED_DROPPED:g} %",
            "none" if false is None else f"{false:.1f} %",
            None if false is None else false >= WANTED_DROPPED,
        ),
        BudgetLine(
            "faces of the labelled photos and the video that are lost",
            f"<= {WANTED_LOST:g} %",
            "none" if lost is None else f"{lost:.2f} %",
            None if lost is None else lost <= WANTED_LOST,
        ),
    ]


def _share(figures: Sequence[Mapping[str, float | None]], part: str, whole: str) -> float | None:
    total = sum(each[whole] or 0 for each in figures)
    return 100 * sum(each[part] or 0 for each in figures) / total if total else None


SUITE = Suite("doubt", "a limit on sigma: false boxes dropped, faces lost", _run, Options, _budget)
