"""Training faces, each a small upright image with some surroundings, kept in memory."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from export.teaching.arrays import FACE, MIDDLE, SIDE, Image, Patches, turned_square, warp
from hpe_edge.boxes.box_fit import BoxFit, box_fit
from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.boxes.overlap import iou
from hpe_edge.errors import SourceError
from hpe_edge.faces.detector import Detections, Detector
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.turns import roll_from_keypoints
from hpe_edge.sources.open_source import Frame, open_source

_AT_ONCE = 256  # pictures
_Patch: TypeAlias = "tuple[Image, NDArray[np.float32]]"  # and the box in it
_LEAST_SIDE = 36  # pixels of the box; smaller faces teach little
_ENLARGED_TO, _ENLARGED_BY = 900, 2.0  # detectors find more in pictures of about this many pixels
_BORDER = 0.15  # of the picture, repeated around it: detectors miss faces that fill it
_SAME_IOU = 0.4  # boxes of two detectors that are one face


def read_patches(images: Sequence[Path], boxes: Path | None, boxes_from: str, detectors: Sequence[Detector]) -> Patches:
    """Every face in pictures, folders of pictures or videos.

    Args:
        images: the pictures.
        boxes: see :class:`hpe_edge.boxes.boxes_csv.BoxesFile`, for a single entry of ``images``; None runs the
            detectors. Faces given by boxes have no key points and are not turned.
        boxes_from: the detector whose boxes those are, see :func:`hpe_edge.boxes.box_fit.box_fit`.
        detectors: a face that several of them find gets the mean of their boxes and key points.

    Raises:
        SourceError: pictures or boxes that are missing or cannot be read, or no face in them.
    """
    blocks, places, sources, notes = [], [], [], []
    number = 0
    for path in images:
        source = open_source(path)
        file, fit = None if boxes is None else BoxesFile.for_source(boxes, source), box_fit(boxes_from)

        def faces_of(frame: Frame, file: BoxesFile | None = file, fit: BoxFit = fit) -> list[_Patch]:
            found = _find(frame.image, detectors) if file is None else Detections.from_boxes(fit(file(frame)))
            return _cut(frame.image, found)

        with ThreadPoolExecutor(os.cpu_count()) as threads, tqdm(desc=path.name, unit="picture", disable=None) as bar:
            frames_left = iter(source)  # a source starts anew with every iteration
            while frames := list(itertools.islice(frames_left, _AT_ONCE)):
                patches = list(threads.map(faces_of, frames))
                bar.update(len(frames))
                if any(patches):
                    blocks.append(np.stack([picture for each in patches for picture, _ in each]))
                places += [place for each in patches for _, place in each]
                sources += [number + i for i, each in enumerate(patches) for _ in each]
                number += len(frames)
        notes += source.notes
        if file is not None and file.unused:
            notes.append(f"{file.unused} boxes of {boxes} belong to none of the pictures")
    if not blocks:
        named = ", ".join(map(str, images))
        raise SourceError(
            f"no face of at least {_LEAST_SIDE} pixels was found in {named}; name other pictures, another --detector, "
            "or give the boxes: --boxes CSV"
        )
    return Patches(np.concatenate(blocks), np.stack(places), np.array(sources), tuple(notes))


def _cut(image: Image, found: Detections) -> list[_Patch]:
    """The patches of the faces that are large enough."""
    large = np.flatnonzero((found.boxes[:, 2:] - found.boxes[:, :2]).max(axis=1) >= _LEAST_SIDE)
    # Faces with unknown key points are not turned.
    known = None if found.keypoints is None else np.nan_to_num(roll_from_keypoints(found.keypoints))
    turns = [0.0 if known is None else float(known[face]) for face in large]
    return [cut_patch(image, found.boxes[face], turn) for face, turn in zip(large, turns, strict=True)]


def cut_patch(image: Image, box: NDArray[np.float32], turn_deg: float) -> tuple[Image, NDArray[np.float32]]:
    """The patch of one landmark box ``[4]`` whose face is turned clockwise, and the box in it.

    The face stands upright in the patch; the box keeps its size. The picture's edge is repeated outside.
    """
    side = float(max(box[2:] - box[:2])) * SIDE / FACE
    middle = (box[:2].astype(np.float64) + box[2:]) / 2
    # Shrink by a whole factor first: the bilinear warp below does not antialias.
    steps = max(1, int(side / SIDE))
    if steps > 1:
        height, width = image.shape[:2]
        smaller = (max(1, width // steps), max(1, height // steps))
        image = np.asarray(cv2.resize(image, smaller, interpolation=cv2.INTER_AREA), np.uint8)
        middle = middle * (smaller[0] / width, smaller[1] / height)
        side *= smaller[0] / width
    picture = warp(image, turned_square(middle, side, -turn_deg, SIDE), SIDE)
    half = (box[2:] - box[:2]) / 2 * FACE / max(box[2:] - box[:2])
    return picture, np.concatenate([MIDDLE - half, MIDDLE + half]).astype(np.float32)


def _find(image: Image, detectors: Sequence[Detector]) -> Detections:
    """The faces of all detectors in the enlarged picture, in the picture's pixels."""
    height, width = image.shape[:2]
    scale = max(1.0, min(_ENLARGED_BY, _ENLARGED_TO / max(height, width)))
    border = int(_BORDER * max(height, width))
    large = cv2.copyMakeBorder(image, border, border, border, border, cv2.BORDER_REPLICATE)
    if scale > 1:
        large = cv2.resize(large, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    boxes, points = np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32)
    merged, known = np.empty(0, np.float32), np.empty(0, np.float32)  # boxes and sets of key points in each mean
    for detector in detectors:
        found = detector(np.asarray(large, np.uint8))
        theirs = np.full((len(found), 5, 2), np.nan, np.float32) if found.keypoints is None else found.keypoints
        before = len(boxes)
        for box, five in zip(found.boxes, theirs, strict=True):
            has_points = not np.isnan(five).any()
            same = np.flatnonzero(iou(boxes[:before], box[None])[:, 0] > _SAME_IOU)
            if not len(same):
                boxes, points = np.concatenate([boxes, box[None]]), np.concatenate([points, five[None]])
                merged, known = np.append(merged, np.float32(1)), np.append(known, np.float32(has_points))
                continue
            face = same[0]
            boxes[face] = (boxes[face] * merged[face] + box) / (merged[face] + 1)
            merged[face] += 1
            if has_points:
                sum_before = points[face] * known[face] if known[face] else np.float32(0)
                points[face] = (sum_before + five) / (known[face] + 1)
                known[face] += 1
    boxes, points = (each / np.float32(scale) - np.float32(border) for each in (boxes, points))
    return Detections(boxes, boxes, np.full(len(boxes), np.nan, np.float32), points)
