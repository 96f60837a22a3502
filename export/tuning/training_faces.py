"""Faces to train on: kept in memory with their surroundings, cut and disturbed anew in every batch."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.gate.crops import cut_out, face_finder, shown_name, varied_face
from export.gate.hard_faces import KINDS, hard_face
from hpe_edge.errors import SourceError
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.sources.images import Pictures
from hpe_edge.sources.open_source import open_source
from hpe_edge.spec import Crop, Input

_MOST = 8000  # faces; 1 GB at 200 pixels a side
_LEAST_SIDE = 12  # of a face's box in pixels; smaller boxes are often no faces
_LARGEST = 1.5  # side of a kept face, in sides of the network's input
_HARD_SHARE = 0.7  # of the views that are disturbed
_SEED = 71

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]


class TrainingFaces:
    """Batches of crops; a step's batch is always the same."""

    def __init__(
        self,
        images: Path,
        boxes: Path | None,
        detector: Path | None,
        *,
        without: Collection[str],
        crop: Crop,
        input: Input,
    ) -> None:
        """
        Args:
            images, boxes, detector: see :func:`export.gate.crops.gate_faces`.
            without: names of the pictures (of a video: frames) that the accuracy gate runs on; with no others there,
                they are taken all the same.
            crop, input: of the network.

        Raises:
            SourceError: pictures or boxes are missing or unreadable, or hold no face.
        """
        self._cut = CropNormalize(crop, input)
        source = open_source(images)
        find = face_finder(source, boxes, detector)
        if isinstance(source, Pictures):
            source.files = source.files[:: max(1, len(source.files) // _MOST)]
        own: list[tuple[Image, Boxes]] = []
        shared: list[tuple[Image, Boxes]] = []
        for frame in source:
            kept = shared if shown_name(source, frame) in without else own
            for box in find(frame):
                if (box[2:] - box[:2]).max() >= _LEAST_SIDE and len(kept) < _MOST:
                    kept.append(_smaller(*cut_out(frame.image, box), round(_LARGEST * input.size)))
        self._faces = own or shared
        self.shared = not own
        if not self._faces:
            raise SourceError(f"no face of at least {_LEAST_SIDE} pixels in {images}; name other pictures or boxes")

    def __len__(self) -> int:
        return len(self._faces)

    def batch(self, step: int, count: int) -> NDArray[Any]:
        """``[count, 3, size, size]``, as inference sees them."""
        rng = np.random.default_rng([_SEED, step])
        crops = []
        for at in rng.integers(0, len(self._faces), count):
            image, box = varied_face(*self._faces[int(at)], rng)
            if rng.random() < _HARD_SHARE:
                image, box = hard_face(KINDS[rng.integers(len(KINDS))], image, box, rng)
            crops.append(self._cut(image, box[None])[0])
        return np.stack(crops)


def _smaller(image: Image, box: Boxes, side: int) -> tuple[Image, Boxes]:
    """A copy whose face has at most ``side`` pixels."""
    part = side / float((box[2:] - box[:2]).max())
    if part >= 1:
        return image.copy(), box
    width, height = (max(2, round(part * each)) for each in image.shape[1::-1])
    scale = np.array([width / image.shape[1], height / image.shape[0]] * 2, np.float32)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8), box * scale
