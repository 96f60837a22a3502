"""Finding faces where no boxes are given.

A model's crop is relative to boxes that fit the face as its 68 landmarks do, from chin to eyebrows. Detectors draw
their boxes differently, so each one here also converts its own to that form.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import BackendError, ModelError, ModelNotFoundError
from hpe_edge.ops.ops import check_frame
from hpe_edge.spec import METADATA_KEY

_CASCADE = "haarcascade_frontalface_alt2.xml"


@dataclass(frozen=True)
class Detections:
    """The faces of a frame, from left to right (by x1), so that a face keeps its place while its score wavers.

    Attributes:
        boxes: float32 ``[N, 4]``, x1 y1 x2 y2 in pixels as the detector draws them; may leave the frame.
        scores: float32 ``[N]``, 0..1, NaN where the detector gives none; detectors differ in scale.
        keypoints: float32 ``[N, 5, 2]``, x y in pixels: eye, eye, tip of the nose, corner of the mouth, corner of the
            mouth; of a pair the person's right one first, which is the left one in the picture. None where the
            detector gives none.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    keypoints: NDArray[np.float32] | None

    def __len__(self) -> int:
        return len(self.boxes)


class Detector(Protocol):
    """Finds the faces of a frame. May be called from many threads."""

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find faces.

        Args:
            frame_bgr: uint8 ``[H, W, 3]``.

        Raises:
            InputError: the frame does not have that form.
        """

    def landmark_boxes(self, detections: Detections) -> NDArray[np.float32]:
        """Boxes ``[N, 4]``, chin to eyebrows, which is what a model's crop is relative to."""


@dataclass(frozen=True)
class LandmarkFit:
    """How the landmark box lies in a detector's box: medians, as fractions of that box's width and height.

    Attributes:
        width, height: of the landmark box.
        down: from the box's centre to the landmark box's; left-right it is 0 but for an error that depends on yaw.
    """

    width: float
    height: float
    down: float

    def __call__(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Landmark boxes of a detector's boxes, both ``[N, 4]``."""
        size = boxes[:, 2:] - boxes[:, :2]
        center = boxes[:, :2] + size * np.array([0.5, 0.5 + self.down], np.float32)
        half = size * np.array([self.width / 2, self.height / 2], np.float32)
        return np.concatenate([center - half, center + half], axis=1)


def open_detector(path: str | os.PathLike[str], *, score: float | None = None, threads: int | None = None) -> Detector:
    """Open a face detector's ONNX file: SCRFD, with or without key points, or YuNet; which one, its graph tells.

    Args:
        path: the file.
        score: what a face must reach, 0..1; None takes the usual one, 0.5 for SCRFD and 0.7 for YuNet.
        threads: CPU threads that one call may use; None leaves it to ONNX Runtime (all cores).

    Raises:
        ModelNotFoundError: no such file.
        ModelError: not an ONNX file, truncated, a head-pose model, or a graph that is none of the above.
        InputError: ``score`` or ``threads`` out of range.
    """
    # Imports only when asked for: ONNX Runtime takes a while to load, and Haar does without.
    from hpe_edge.backends.onnx.session import open_session
    from hpe_edge.faces.scrfd import ScrfdDetector
    from hpe_edge.faces.yunet import YunetDetector, freed_session

    file = Path(path)
    if not file.is_file():
        raise ModelNotFoundError(f"there is no face detector {file}")
    session = open_session(file, threads=threads)
    if METADATA_KEY in session.get_modelmeta().custom_metadata_map:
        raise ModelError(f"{file} is a head-pose model, not a face detector; SCRFD or YuNet is needed here")
    if ScrfdDetector.recognises(session):
        return ScrfdDetector(session, file, score)
    if YunetDetector.recognises(session):
        return YunetDetector(freed_session(session, file, threads), file, score)
    inputs, outputs = (
        ", ".join(f"{value.name} {value.shape}" for value in values)
        for values in (session.get_inputs(), session.get_outputs())
    )
    raise ModelError(
        f"{file} is no face detector that is known here: SCRFD has 3 outputs of 1 column, 3 of 4 and, with key points, "
        f"3 of 10; YuNet has 6, 3 and 3. This graph takes {inputs} and gives {outputs}; with another detector, bring "
        "its boxes"
    )


class HaarDetector:
    """OpenCV's Haar cascade for frontal faces: needs no model file, finds upright faces.

    Measured with the settings below on 195 labelled AFLW2000 photos: it finds 112 of 134 faces with |yaw| under 30
    degrees, 11 of 35 under 60 and 5 of the 26 beyond, and draws 10 boxes elsewhere. In 17 frames of a 720p classroom
    video it finds 62 of the 84 faces that YuNet finds, and 8 boxes that are none, 7 of them on one spot. For faces
    further to the side, bring the boxes of a better detector.

    A cascade accepts or rejects, so there are no scores (NaN), and no key points. May be called from many threads; they
    take turns, because OpenCV's classifier keeps state while it runs. Implements :class:`Detector`.
    """

    # Relative to the side of Haar's square box; the landmark box lies lower and is smaller. Medians over the 122 of 195
    # AFLW2000 photos where both overlap (IoU > 0.4), quartiles in brackets: width 0.83..0.90, height 0.78..0.87, centre
    # up-down 0.12..0.17. The centre left-right is 0 within 0.08 either way and depends on yaw. The conversion lifts the
    # median IoU with the landmark box from 0.58 to 0.74; the lightweight network with its own crop then errs by 2.62
    # degrees (mean of the three angles, the 128 photos where Haar finds the face), with the landmark boxes by 2.71.
    FIT = LandmarkFit(width=0.863, height=0.825, down=0.146)

    # Larger frames are shrunk to this longer side: 1.7 times as fast on 720p as the full size, for the same faces.
    LONGEST_SIDE = 800
    SMALLEST_FACE = 24  # pixels after shrinking, so 38 in 720p; below, wrong boxes outnumber faces
    SCALE_STEP = 1.1
    NEIGHBORS = 4

    def __init__(self) -> None:
        """Load the cascade that comes with opencv-python.

        Raises:
            BackendError: the installed OpenCV has none; version 5 does not.
        """
        folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
        if not hasattr(cv2, "CascadeClassifier") or folder is None or not (Path(folder) / _CASCADE).is_file():
            raise BackendError(
                f"the face detector needs {_CASCADE}, which OpenCV {cv2.__version__} does not have: "
                "run `pip install 'opencv-python>=4.8,<5'`, or bring boxes of your own (--boxes FILE)"
            )
        self._classifier = cv2.CascadeClassifier(str(Path(folder) / _CASCADE))
        self._lock = threading.Lock()

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find upright, roughly frontal faces, see :class:`Detector`."""
        gray = cv2.cvtColor(check_frame(frame_bgr), cv2.COLOR_BGR2GRAY)
        scale = min(1.0, self.LONGEST_SIDE / max(gray.shape))
        if scale < 1.0:
            size = max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale))
            gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        smallest = (self.SMALLEST_FACE, self.SMALLEST_FACE)
        with self._lock:
            found = self._classifier.detectMultiScale(gray, self.SCALE_STEP, self.NEIGHBORS, minSize=smallest)
        squares = np.asarray(found, np.float32).reshape(-1, 4) / np.float32(scale)
        squares = squares[np.argsort(squares[:, 0], kind="stable")]
        boxes = np.concatenate([squares[:, :2], squares[:, :2] + squares[:, 2:]], axis=1)
        return Detections(boxes, np.full(len(boxes), np.nan, np.float32), None)

    def landmark_boxes(self, detections: Detections) -> NDArray[np.float32]:
        """See :class:`Detector`."""
        return self.FIT(detections.boxes)
