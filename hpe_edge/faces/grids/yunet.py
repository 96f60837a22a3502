"""YuNet: a tiny millisecond-level face detector (Wu, Peng and Yu, 2023, doi:10.1007/s11633-023-1423-y)."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.box_fit import FITS
from hpe_edge.errors import ModelError
from hpe_edge.faces.grids.anchor_free import GridDetector, columns_of, output_shapes
from hpe_edge.spec import Input


class YunetDetector(GridDetector):
    """YuNet at the frame's own size, up to 1280 pixels on the longer side; larger frames are shrunk to that.

    The boxes equal those of OpenCV's FaceDetectorYN (IoU above 0.9997 for all 84 faces in 17 frames of a 720p video) in
    less than half the time: 32 ms per frame on one core of an x86 server, against 68 of OpenCV 4.14. At half the size
    YuNet takes 5 ms and finds the same faces, but only two of three boxes then agree to an IoU of 0.9, so frames are
    not shrunk further. Of 195 labelled AFLW2000 photos, |yaw| up to 90 degrees, it finds 193.
    """

    FIT = FITS["yunet"].fit

    SCORE = 0.7
    NMS_IOU = 0.3
    LONGEST_SIDE = 1280
    ENLARGES = False
    LARGEST = 450.0
    TURNED_SCORE = 0.85
    BOXES_PER_CELL = 1
    OUTPUTS = ((1, 1, 4, 10),)
    INPUT = Input(size=640, color="BGR", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)

    @staticmethod
    def _boxes(cells: NDArray[np.float32], stride: int, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Decode the centre's offset from the cell's corner and the logarithm of the size, in strides."""
        center = cells + numbers[:, :2]
        with np.errstate(over="ignore"):
            half = np.exp(numbers[:, 2:]) / 2
        boxes = np.concatenate([center - half, center + half], axis=1)
        boxes *= stride
        return boxes


class Yunet2022Detector(YunetDetector):
    """YuNet of OpenCV's zoo from 2021 and 2022: three outputs, loc, conf and iou, with a row per prior box.

    Runs like :class:`YunetDetector`. Its boxes are converted with the same fit, which was measured with the later one.

    Source: FaceDetectorYN of OpenCV 4.5.4 to 4.7, which is the last to read these files.
    """

    MULTIPLE = 64

    # Sides of the square priors at each cell's centre, in pixels of the input, by the cell's side.
    _PRIORS = ((8, (10, 16, 24)), (16, (32, 48)), (32, (64, 96)), (64, (128, 192, 256)))
    _PLACE = np.float32(0.1)  # scale of offsets, in sides of the prior
    _SIZE = np.array([0.1, 0.2], np.float32)  # of the logarithms of width and height

    @classmethod
    def recognises(cls, session: Any) -> bool:
        """Return True if the graph's input and outputs are those of this kind."""
        return columns_of(session) == Counter((14, 2, 1))

    def _candidates(
        self, picture: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        ((loc, conf, iou),) = self._run(picture, self._names)
        scores = np.sqrt(conf[:, 1] * np.clip(iou[:, 0], 0, 1))
        index = np.flatnonzero(scores >= self.min_score)
        center, side = (each[index] for each in self._priors(picture.shape[3], picture.shape[2]))
        numbers = loc[index]
        points = center[:, None] + numbers[:, 4:].reshape(-1, 5, 2) * (self._PLACE * side[:, None])
        middle = center + numbers[:, :2] * (self._PLACE * side)
        with np.errstate(over="ignore"):
            half = side * np.exp(numbers[:, 2:4] * self._SIZE) / 2
        return scores[index], np.concatenate([middle - half, middle + half], axis=1), points

    @classmethod
    @functools.lru_cache(maxsize=8)
    def _priors(cls, width: int, height: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return centres ``[N, 2]`` and sides ``[N, 1]`` of the priors, in the order of the outputs' rows."""
        centers, sides = [], []
        for stride, lengths in cls._PRIORS:
            rows, columns = np.mgrid[: height // stride, : width // stride].reshape(2, -1)
            cells = (np.stack([columns, rows], axis=1) + 0.5) * stride
            centers.append(np.repeat(cells, len(lengths), axis=0))
            sides.append(np.tile(lengths, len(cells)))
        return np.concatenate(centers).astype(np.float32), np.concatenate(sides).astype(np.float32)[:, None]

    def _try_out(self) -> list[list[str]]:
        """Return the names of loc, conf and iou from a run on an empty picture."""
        (width, height), names, outputs = self._outputs()
        rows = len(self._priors(width, height)[1])
        by_columns = {array.shape[1]: (name, array) for name, array in zip(names, outputs, strict=True)}
        if any(len(array) != rows for array in outputs) or set(by_columns) != {14, 2, 1}:
            raise ModelError(
                f"{self._path}: a picture of {width} x {height} should give {rows} rows of 14, 2 and 1 columns; the "
                f"graph gives {output_shapes(names, outputs)}"
            )
        self._check_scores(*by_columns[2])
        return [[by_columns[columns][0] for columns in (14, 2, 1)]]
