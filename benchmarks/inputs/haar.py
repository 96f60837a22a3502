"""OpenCV's Haar cascade as a face detector, to compare with."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.box_fit import FITS
from hpe_edge.errors import BackendError
from hpe_edge.faces.detector import Detections
from hpe_edge.ops.frames import check_frame

_CASCADE = "haarcascade_frontalface_alt2.xml"


class HaarDetector:
    """OpenCV's Haar cascade for frontal faces; it has no scores (NaN) and no key points.

    May be called from several threads; they take turns, because OpenCV's classifier keeps state while it runs.
    Implements :class:`hpe_edge.faces.detector.Detector`.
    """

    FIT = FITS["haar"].fit

    # Larger frames are shrunk to this longer side: 1.7 times as fast on 720p as the full size, for the same faces.
    LONGEST_SIDE = 800
    SMALLEST_FACE = 24  # pixels after shrinking, so 38 in 720p; below, wrong boxes outnumber faces
    SCALE_STEP = 1.1
    NEIGHBORS = 4

    def __init__(self) -> None:
        """Load the cascade that comes with opencv-python 4.

        Raises:
            BackendError: the installed OpenCV has none; version 5 does not.
        """
        folder = getattr(getattr(cv2, "data", None), "haarcascades", None)
        if not hasattr(cv2, "CascadeClassifier") or folder is None or not (Path(folder) / _CASCADE).is_file():
            raise BackendError(
                f"haar needs {_CASCADE}, which OpenCV {cv2.__version__} does not have: run `pip install "
                "'opencv-python<5'`, or leave haar out"
            )
        self._classifier = cv2.CascadeClassifier(str(Path(folder) / _CASCADE))
        self._lock = threading.Lock()

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find upright, roughly frontal faces."""
        gray = cv2.cvtColor(check_frame(frame_bgr), cv2.COLOR_BGR2GRAY)
        scale = min(1.0, self.LONGEST_SIDE / max(gray.shape))
        if scale < 1.0:
            size = max(1, round(gray.shape[1] * scale)), max(1, round(gray.shape[0] * scale))
            gray = cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
        smallest = self.SMALLEST_FACE, self.SMALLEST_FACE
        with self._lock:
            found = self._classifier.detectMultiScale(gray, self.SCALE_STEP, self.NEIGHBORS, minSize=smallest)
        squares = np.asarray(found, np.float32).reshape(-1, 4) / np.float32(scale)
        squares = squares[np.argsort(squares[:, 0], kind="stable")]
        boxes = np.concatenate([squares[:, :2], squares[:, :2] + squares[:, 2:]], axis=1)
        return Detections(self.FIT(boxes), boxes, np.full(len(boxes), np.nan, np.float32))
