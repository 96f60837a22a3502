"""Training faces, each a small image with some surroundings, kept in memory."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.distillation.arrays import FACE, SIDE, Image, Patches
from hpe_edge.boxes.box_fit import box_fit
from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.errors import SourceError
from hpe_edge.faces.haar import HaarDetector
from hpe_edge.sources.open_source import open_source

_BLOCK = 1024  # faces are stacked in blocks, large enough for the allocator to free their memory


def read_patches(path: Path, boxes: Path | None, boxes_from: str) -> Patches:
    """Every face in a picture, a folder of pictures or a video.

    Args:
        path: the pictures.
        boxes: see :class:`hpe_edge.boxes.boxes_csv.BoxesFile`; None runs the Haar detector.
        boxes_from: the detector whose boxes those are, see :func:`hpe_edge.boxes.box_fit.box_fit`.

    Raises:
        SourceError: pictures or boxes that are missing or cannot be read, or no face in them.
    """
    source = open_source(path)
    file, fit = None if boxes is None else BoxesFile.for_source(boxes, source), box_fit(boxes_from)
    detector = HaarDetector() if file is None else None
    blocks, images, places = [], [], []
    for frame in source:
        if file is not None:
            found = fit(file(frame))
        else:
            assert detector is not None
            found = detector(frame.image).boxes
        for box in found:
            image, place = cut_patch(frame.image, box)
            images.append(image)
            places.append(place)
            if len(images) == _BLOCK:
                blocks.append(np.stack(images))
                images.clear()
    if images:
        blocks.append(np.stack(images))
    if not blocks:
        raise SourceError(f"no face was found in {path}; name other pictures, or give the boxes: --boxes CSV")
    notes = list(source.notes)
    if file is not None and file.unused:
        notes.append(f"{file.unused} boxes of {boxes} belong to none of the pictures")
    return Patches(np.concatenate(blocks), np.stack(places), tuple(notes))


def cut_patch(image: Image, box: NDArray[np.float32]) -> tuple[Image, NDArray[np.float32]]:
    """The patch of one landmark box ``[4]``, and the box in it. The picture's edge is repeated outside."""
    side = float(max(box[2] - box[0], box[3] - box[1])) * SIDE / FACE
    scale = SIDE / side
    left, top = ((box[:2] + box[2:]) / 2 - side / 2).tolist()
    # Shrink by a whole factor first: the bilinear warp below does not antialias.
    steps = max(1, int(1 / scale))
    if steps > 1:
        height, width = image.shape[:2]
        image = np.asarray(
            cv2.resize(image, (max(1, width // steps), max(1, height // steps)), interpolation=cv2.INTER_AREA), np.uint8
        )
        left, top = left * image.shape[1] / width, top * image.shape[0] / height
        scale *= width / image.shape[1]
    # cv2 counts from the centre of the first pixel.
    shift = (-left * scale + 0.5 * scale - 0.5, -top * scale + 0.5 * scale - 0.5)
    patch = cv2.warpAffine(
        image, np.array([[scale, 0, shift[0]], [0, scale, shift[1]]]), (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE
    )
    half = (box[2:] - box[:2]) / 2 * SIDE / side
    place = np.concatenate([SIDE / 2 - half, SIDE / 2 + half])
    return np.asarray(patch, np.uint8), place.astype(np.float32)
