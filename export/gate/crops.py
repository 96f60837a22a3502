"""Face crops for the accuracy gate and for calibration: from images, a video or the bundled photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.gate.comparison import PLAIN, Faces
from export.gate.hard_faces import KINDS, hard_face
from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.errors import SourceError
from hpe_edge.faces.detector import DEFAULT_DETECTOR
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.sources.images import Pictures
from hpe_edge.sources.open_source import Frame, Source, open_source
from hpe_edge.spec import Crop, Input

MIN_CROPS = 64  # fewer faces are varied until there are so many
MAX_CROPS = 256  # 256 crops of 224 pixels are 150 MB
_VIDEO_FRAMES = 64  # frames of a video that are searched for faces,
_VIDEO_REACH = 3000  # spread over this many; a longer video is not decoded to its end
_VARIED_FACES = 16  # faces kept in memory for variation
_REACH = 1.5  # surroundings kept of such a face, in box sides: more than any crop and shift below needs

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]


def gate_faces(
    crop: Crop,
    input: Input,
    path: Path | None = None,
    boxes: Path | None = None,
    *,
    detector: Path | None = None,
    most: int = MAX_CROPS,
    hard: int = 0,
) -> Faces:
    """Crops of real faces, by the operation and the crop of inference; see :func:`faces_of_models`."""
    return faces_of_models([(crop, input)], path, boxes, detector=detector, most=most, hard=hard)[0]


def faces_of_models(
    models: Sequence[tuple[Crop, Input]],
    path: Path | None = None,
    boxes: Path | None = None,
    *,
    detector: Path | None = None,
    most: int = MAX_CROPS,
    hard: int = 0,
) -> list[Faces]:
    """Crops of the same real faces for several models, each by its own crop.

    Fewer than 64 faces are augmented to 64 by shifts, scales, mirroring, rotation and brightness, with a fixed seed.
    Each crop may be followed by disturbed ones of the same face; all kinds take turns.

    Args:
        models: crop and input of each.
        path: a picture, a folder of pictures, or a video, which is sampled; None takes the bundled sample.
        boxes: see :class:`hpe_edge.boxes.boxes_csv.BoxesFile`; None detects the faces.
        detector: name or file, see :func:`hpe_edge.open_detector`; None takes the embedded one.
        most: the largest number of faces; a folder of more pictures is sampled evenly.
        hard: disturbed crops after each face's own, see :mod:`export.gate.hard_faces`.

    Raises:
        SourceError: pictures or boxes are missing or unreadable, or hold no face.
        ModelError, ModelNotFoundError: the detector cannot be opened.
    """
    bundled = path is None
    if path is None:
        path, boxes = FOLDER, BOXES
    source = open_source(path)
    file = None if boxes is None else BoxesFile.for_source(boxes, source)
    cuts = [CropNormalize(crop, input) for crop, input in models]
    step = _step(source) if file is None else 1
    thinned = _thin(source, most)
    taken = _Taken(cuts, hard)
    _collect(source, file or _detector(detector), taken, step, most)
    count = taken.count
    if not count:
        raise SourceError(
            f"no face was found in {path}; name other pictures, or give the boxes: --boxes CSV with the columns "
            "file,x1,y1,x2,y2 (a video: frame in place of file)"
        )
    notes = [] if bundled else list(source.notes)  # the bundled photos have their boxes and a README beside them
    if step > 1:
        notes.append(f"only one frame in {step} of the first {_searched(source)} was searched for faces")
    if thinned:
        notes.append(thinned)
    if count == most:
        notes.append(f"stopped after {most} faces; the rest was not searched")
    if file is not None and file.unused and count < most and not thinned:
        notes.append(f"{file.unused} boxes of {boxes} belong to none of the pictures")
    rng = np.random.default_rng(0)
    faces = f"{count} faces"
    if (copies := MIN_CROPS - count) > 0:
        faces += f" varied to {MIN_CROPS} crops"
        notes.append(
            f"{copies} of the {MIN_CROPS} crops are copies, shifted, scaled, mirrored, turned, lit differently"
        )
        kept = list(taken.kept)
        for i in range(copies):
            name, image, box = kept[i % len(kept)]
            taken.add(name, *varied_face(image, box, rng))
    if hard:
        faces += f" and {hard * taken.count} hard ones made of them"
    name = "bundled sample" if bundled else path.name or str(path)
    return [
        Faces(f"{name}, {faces}", np.concatenate(own), tuple(notes), tuple(taken.names), tuple(taken.kinds))
        for own in taken.crops
    ]


class _Taken:
    """The crops so far, each face's own and the disturbed ones after it, and some faces with their surroundings."""

    def __init__(self, cuts: Sequence[CropNormalize], hard: int) -> None:
        self._cuts, self._hard = cuts, hard
        self._rng = np.random.default_rng(1)
        self.count = 0
        self.crops: list[list[NDArray[Any]]] = [[] for _ in cuts]
        self.names: list[str] = []
        self.kinds: list[str] = []
        self.kept: list[tuple[str, Image, Boxes]] = []

    def add(self, name: str, image: Image, box: Boxes) -> None:
        """Take a face: its box ``[4]``."""
        self._cut(name, PLAIN, image, box)
        part, place = cut_out(image, box)
        if len(self.kept) < _VARIED_FACES:
            self.kept.append((name, part.copy(), place))
        for i in range(self._hard):
            kind = KINDS[(self.count * self._hard + i) % len(KINDS)]
            self._cut(name, kind, *hard_face(kind, part, place, self._rng))
        self.count += 1

    def _cut(self, name: str, kind: str, image: Image, box: Boxes) -> None:
        for own, cut in zip(self.crops, self._cuts, strict=True):
            own.append(cut(image, box[None]))
        self.names.append(name)
        self.kinds.append(kind)


def _collect(source: Source, find: Callable[[Frame], Boxes], taken: _Taken, step: int, most: int) -> None:
    """Take the faces in every ``step``-th frame."""
    for frame in source:
        if frame.index % step:
            continue
        name = shown_name(source, frame)
        for box in find(frame)[: most - taken.count]:
            taken.add(name, frame.image, box)
        if taken.count == most or (step > 1 and frame.index >= _VIDEO_REACH):
            break


def face_finder(source: Source, boxes: Path | None, detector: Path | None) -> Callable[[Frame], Boxes]:
    """The boxes of a source's frames: of the CSV, else of the detector, else of the embedded one."""
    return _detector(detector) if boxes is None else BoxesFile.for_source(boxes, source)


def shown_name(source: Source, frame: Frame) -> str:
    """A picture's or frame's name in reports."""
    return f"{frame.name}, frame {frame.index}" if source.kind == "video" else frame.name


def _detector(path: Path | None) -> Callable[[Frame], Boxes]:
    detector = open_detector(path or DEFAULT_DETECTOR, threads=None)
    return lambda frame: detector(frame.image).boxes


def _thin(source: Source, most: int) -> str:
    """Keep every n-th picture of a large folder, whose first ones may show one person; return a note if so."""
    if not isinstance(source, Pictures) or len(source.files) < 2 * most:
        return ""
    count, step = len(source.files), len(source.files) // most
    source.files = source.files[::step]
    return f"only one picture in {step} of the {count} was searched for faces"


def _step(source: Source) -> int:
    """The step between searched frames; 1 for pictures."""
    if source.kind != "video":
        return 1
    return max(1, _searched(source) // _VIDEO_FRAMES)


def _searched(video: Source) -> int:
    """The number of leading frames of a video that are searched."""
    return min(video.count or _VIDEO_REACH, _VIDEO_REACH)


def cut_out(image: Image, box: Boxes) -> tuple[Image, Boxes]:
    """Cut out a box ``[4]`` with its surroundings: a view of the image, and the box in it."""
    height, width = image.shape[:2]
    reach = _REACH * max(box[2] - box[0], box[3] - box[1])
    x1, y1 = (int(np.clip(box[i] - reach, 0, side - 1)) for i, side in ((0, width), (1, height)))
    x2, y2 = (int(np.clip(box[i] + reach, at + 1, side)) for i, at, side in ((2, x1, width), (3, y1, height)))
    return image[y1:y2, x1:x2], box - np.array([x1, y1, x1, y1], np.float32)


def varied_face(image: Image, box: Boxes, rng: np.random.Generator) -> tuple[Image, Boxes]:
    """A random variation of a face, and its box: rotation, brightness, box scale and shift, mirroring."""
    centre = (box[:2] + box[2:]) / 2
    turn = cv2.getRotationMatrix2D((float(centre[0]), float(centre[1])), rng.uniform(-25, 25), 1.0)
    turned = cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    lit = cv2.convertScaleAbs(turned, alpha=rng.uniform(0.6, 1.3), beta=rng.uniform(0, 20))
    half = (box[2:] - box[:2]) / 2 * rng.uniform(0.9, 1.1)
    centre = centre + half * rng.uniform(-0.15, 0.15, 2)
    if rng.random() < 0.5:
        lit = np.ascontiguousarray(lit[:, ::-1])
        centre[0] = image.shape[1] - centre[0]
    return np.asarray(lit, np.uint8), np.concatenate([centre - half, centre + half])
