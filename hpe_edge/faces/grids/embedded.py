"""The embedded face detector: anchor-free, any frame size, boxes from chin to eyebrows, five key points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hpe_edge.boxes.box_fit import FITS
from hpe_edge.errors import BackendError, ModelError
from hpe_edge.faces.detector import Detections
from hpe_edge.faces.grids.anchor_free import GridDetector, sound_boxes
from hpe_edge.faces.grids.region_schedule import RegionSchedule
from hpe_edge.ops.crop import cached_crop
from hpe_edge.ops.frames import check_boxes, check_frame
from hpe_edge.spec import Crop, Input

Array = NDArray[np.float32]

_REGION = Crop(square="none")  # fill 0, as around a frame
_REGION_SIDE = 128  # pixels of a region's picture, a multiple of the largest stride
_INPUT_FACE = 12  # lowest face that the network finds surely, in pixels of its input
_NOTHING = np.empty(0, np.float32), np.empty((0, 4), np.float32), np.empty((0, 5, 2), np.float32)
_SHORTEST, _LONGEST = 320, 1920  # limits of the input's longer side where min_face sets it


class EmbeddedDetector(GridDetector):
    """The detector that comes with hpe_edge, trained by ``hpe-edge export detector``.

    Its boxes are the landmark boxes, so no fit is applied. Frames are shrunk to ``LONGEST_SIDE`` on their longer side.
    ``min_face`` sets the input's size instead: a face of that height is 12 pixels high in it, so a small one finds
    smaller faces and takes longer.

    :meth:`for_video` returns a detector for the frames of one video, which looks at regions around known faces in most
    frames.
    """

    FIT = FITS["landmarks"].fit

    STRIDES = (8, 16, 32, 64)
    SCORE = 0.6
    NMS_IOU = 0.4
    MULTIPLE = 64
    LONGEST_SIDE = 640
    ENLARGES = False
    WIDE_LOOK = "always"
    UNSURE = TURNED_SCORE = 0.78
    BOXES_PER_CELL = 1
    OUTPUTS = ((1, 4, 10),)
    INPUT = Input(size=640, color="BGR", scale=1.0, mean=(127.5,) * 3, std=(128.0,) * 3)

    @staticmethod
    def _boxes(cells: Array, stride: int, numbers: Array) -> Array:
        """Decode distances from the cell's corner to left, top, right and bottom, in strides."""
        boxes = np.concatenate([cells - numbers[:, :2], cells + numbers[:, 2:]], axis=1)
        boxes *= stride
        return boxes

    def _longest(self, width: int, height: int) -> float:
        if self.detect_size is not None or self.min_face <= 0:
            return super()._longest(width, height)
        return min(max(max(width, height) * _INPUT_FACE / self.min_face, _SHORTEST), _LONGEST)

    def _try_out(self) -> list[list[str]]:
        """See the base class; the graph must take pictures of any size, and several at a time."""
        names = super()._try_out()
        advice = "export the detector again with dynamic batch, height and width: hpe-edge export detector"
        if self._fixed is not None:
            raise ModelError(f"{self._path}: its graph takes pictures of {self._fixed} alone; {advice}")
        try:
            self._run(self._empty(2, _REGION_SIDE, _REGION_SIDE), names)
        except BackendError as error:
            raise ModelError(
                f"{self._path}: its graph does not take two pictures at a time; {advice} ({error})"
            ) from None
        return names

    def for_video(self) -> RegionSchedule:
        """Return a detector for the frames of one video, in order."""
        return RegionSchedule(self, self.find_in)

    def find_in(self, frame_bgr: NDArray[np.uint8], regions: Array) -> Detections:
        """Find at most one face in each of the regions, the one with the best score.

        Args:
            frame_bgr: uint8 ``[H, W, 3]``.
            regions: ``[N, 4]``, squares x1 y1 x2 y2 in pixels; may leave the frame. Faces should take 0.2 to 0.7 of
                them.

        Returns:
            The faces, without duplicates where regions overlap, from left to right.

        Raises:
            InputError: another frame, or invalid regions.
        """
        frame, regions = check_frame(frame_bgr), check_boxes(regions)
        if not len(regions):
            return self._detections(*_NOTHING)
        pictures = self._empty(len(regions), _REGION_SIDE, _REGION_SIDE)
        crop = cached_crop(_REGION, replace(self._pictures, size=_REGION_SIDE))
        crop.crop_checked((frame, None), regions, pictures, "BGR")
        best = np.zeros(len(regions), np.float32)
        boxes, points = np.zeros((len(regions), 4), np.float32), np.zeros((len(regions), 5, 2), np.float32)
        for stride, outputs in zip(self.STRIDES, self._run(pictures, self._names), strict=True):
            side = _REGION_SIDE // stride
            scores, places, offsets = (each.reshape(len(regions), side * side, -1) for each in outputs)
            cell = scores[..., 0].argmax(axis=1)
            row = np.arange(len(regions))
            cells = np.stack([cell % side, cell // side], axis=1).astype(np.float32)
            better = scores[row, cell, 0] > best
            best = np.where(better, scores[row, cell, 0], best)
            boxes[better] = self._boxes(cells, stride, places[row, cell])[better]
            found = (cells[:, None] + offsets[row, cell].reshape(-1, 5, 2)) * np.float32(stride)
            points[better] = found[better]
        scale = (regions[:, 2] - regions[:, 0]) / np.float32(_REGION_SIDE)
        boxes = boxes * scale[:, None] + np.tile(regions[:, :2], 2)
        points = points * scale[:, None, None] + regions[:, None, :2]
        sound = (best >= self.min_score) & sound_boxes(boxes)
        return self._detections(best[sound], boxes[sound], points[sound])
