"""Faces of a frame in any pixel format, by a detector that is opened at its first use."""

from __future__ import annotations

import os
import threading

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError
from hpe_edge.faces.detector import DEFAULT_DETECTOR, Detections, Detector
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.crop import yuv_rule
from hpe_edge.ops.frames import AnyFrame, FrameColor, frame_planes
from hpe_edge.ops.native import native


class FaceFinder:
    """Detector of an engine. May be called from several threads."""

    def __init__(self, detector: Detector | str | os.PathLike[str] | None, threads: int | None) -> None:
        """
        Args:
            detector: a detector, or what :func:`hpe_edge.open_detector` takes; None: the embedded one.
            threads: of a detector by name or file; None: all cores.

        Raises:
            InputError: neither a detector nor a name.
        """
        if detector is not None and not callable(detector) and not isinstance(detector, (str, os.PathLike)):
            raise InputError(
                f"detector must be a name, a file or a callable from frame to Detections, got {type(detector).__name__}"
            )
        self._given = DEFAULT_DETECTOR if detector is None else detector
        self._threads = threads
        self._detector: Detector | None = None
        self._guard = threading.Lock()

    def __call__(self, frame: AnyFrame, color: FrameColor) -> Detections:
        """Find the faces of a frame.

        Raises:
            InputError: an invalid frame, or a detector that does not return Detections.
            HpeEdgeError: the detector cannot be opened, see :func:`hpe_edge.open_detector`.
        """
        found = self._opened()(bgr_frame(frame, color))
        if not isinstance(found, Detections):
            raise InputError(
                f"the detector must return hpe_edge.Detections, such as Detections.from_boxes(boxes), got "
                f"{type(found).__name__}"
            )
        return found

    def after_fork(self) -> None:
        """Forget threads of the parent; called in a forked child."""
        self._guard = threading.Lock()

    def _opened(self) -> Detector:
        with self._guard:
            if self._detector is None:
                given = self._given
                if isinstance(given, (str, os.PathLike)):
                    from hpe_edge.faces.open_detector import open_detector  # not needed with boxes

                    self._detector = open_detector(given, threads=self._threads)
                else:
                    self._detector = given
            return self._detector


def bgr_frame(frame: AnyFrame, color: FrameColor) -> NDArray[np.uint8]:
    """Convert a frame of any pixel format to uint8 ``[H, W, 3]``, BGR; one of that format is returned as it is.

    Raises:
        InputError: an invalid frame.
    """
    plane, chroma = frame_planes(frame, color)
    if color == "BGR":
        return plane
    if chroma is not None:
        interleaved = np.ascontiguousarray(chroma).reshape(len(chroma), -1, 2)
        if color == "NV12":
            return np.asarray(cv2.cvtColorTwoPlane(plane, interleaved, cv2.COLOR_YUV2BGR_NV12), np.uint8)
        return _nv12_to_bgr(plane, interleaved, color)
    if color == "GRAY8":
        return np.repeat(plane[..., None], 3, axis=2)
    converted = np.empty((*plane.shape[:2], 3), np.uint8)
    for k, channel in enumerate((2, 1, 0) if color in ("RGB", "RGBA") else (0, 1, 2)):
        converted[..., k] = plane[..., channel]
    return converted


def _nv12_to_bgr(luma: NDArray[np.uint8], chroma: NDArray[np.uint8], color: FrameColor) -> NDArray[np.uint8]:
    """Convert by a matrix that OpenCV lacks, with the crop's coefficients."""
    black, of_y, u_blue, u_green, v_green, v_red = native.yuv_matrix(yuv_rule(color))
    height, width = luma.shape
    wide = cv2.resize(chroma, (width, height), interpolation=cv2.INTER_NEAREST)
    above_black = np.maximum(luma, np.uint8(black)) - np.uint8(black)
    rows = [[of_y, u_blue, 0.0], [of_y, u_green, v_green], [of_y, 0.0, v_red]]
    matrix = np.array([[*row, -128 * (row[1] + row[2])] for row in rows])
    return np.asarray(cv2.transform(cv2.merge((above_black, *cv2.split(wide))), matrix), np.uint8)
