"""SCRFD: sample and computation redistribution for face detection (Guo et al., 2021, arXiv:2105.04714)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.box_fit import FITS
from hpe_edge.faces.grids.anchor_free import GridDetector
from hpe_edge.spec import Input


class ScrfdDetector(GridDetector):
    """SCRFD of any size, with or without key points; the graph must include the sigmoid of the scores.

    The frame is resized to the graph's size. If that is dynamic, the longer side becomes 640 and the shorter one a
    multiple of 32, which for a 16:9 frame is 0.6 of the work of a fixed 640 x 640.

    Measured on 195 labelled AFLW2000 photos, |yaw| up to 90 degrees: the 2.5 GFLOPs network finds 192, the 0.5 GFLOPs
    one 194. A 720p frame takes 50 and 13 ms on one core of an x86 server, all but 1 ms of it in the network; OpenCV's
    dnn module takes 55 and 31 ms. It misses half of the faces that fill more than half of the picture, so a frame
    without a found face is looked at again, shrunk and with a margin.
    """

    FIT = FITS["scrfd"].fit

    SCORE = 0.5
    NMS_IOU = 0.4
    LONGEST_SIDE = 640
    ENLARGES = True
    TURNED_SCORE = 0.6
    BOXES_PER_CELL = 2
    OUTPUTS = ((1, 4), (1, 4, 10))
    INPUT = Input(size=640, color="RGB", scale=1.0, mean=(127.5,) * 3, std=(128.0,) * 3)

    @staticmethod
    def _boxes(cells: NDArray[np.float32], stride: int, numbers: NDArray[np.float32]) -> NDArray[np.float32]:
        """Decode distances from the cell's corner to left, top, right and bottom, in strides."""
        boxes = np.concatenate([cells - numbers[:, :2], cells + numbers[:, 2:]], axis=1)
        boxes *= stride
        return boxes
