"""From the outputs of landmark heads to points of the crop and their visibility."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hpe_edge.landmarks.heatmap_peaks import HeatmapPeaks
from hpe_edge.spec import PROJECTION, Coordinates, Heatmaps, LandmarkHead, ShapeBasis, Visibility

Float32Array = NDArray[np.float32]


class DecodeLandmarks:
    """Decode with fixed parameters.

    Attributes:
        count: number of landmarks.
        has_visibility: the model gives theirs.
    """

    def __init__(
        self, head: LandmarkHead, visibility: Visibility | None, outputs: Sequence[str], isa: str = ""
    ) -> None:
        """
        Args:
            head, visibility: of the spec.
            outputs: names of the model's outputs, in their order.
            isa: see :class:`hpe_edge.landmarks.heatmap_peaks.HeatmapPeaks`.
        """
        self.count, self.has_visibility = head.count, visibility is not None
        self._head, self._visibility = head, visibility
        self._from = outputs.index(head.output)
        self._seen = None if visibility is None else outputs.index(visibility.output)
        self.peaks: HeatmapPeaks | None = None
        if isinstance(head, Heatmaps):
            self.peaks = HeatmapPeaks(head.count, head.side, head.scale, isa)
        if isinstance(head, ShapeBasis):
            self._mean = np.array(head.mean, np.float32)
            self._basis = np.array(head.basis, np.float32).reshape(-1, 3 * head.count)

    def __call__(
        self, outputs: Sequence[Float32Array], landmarks: Float32Array, visibility: Float32Array | None
    ) -> None:
        """Decode N faces; a NaN stays one, of its landmark alone where the head's form allows it.

        Args:
            outputs: float32 ``[N, columns]``, one array per output of the model, wide enough for the heads.
            landmarks: ``[N, count, 2]`` to fill: x y, (0, 0) the crop's top left corner and (1, 1) the opposite one.
            visibility: ``[N, count]`` to fill; None: not wanted.
        """
        head = self._head
        values = outputs[self._from]
        if self.peaks is not None:
            self.peaks(values, landmarks)
        else:
            columns = values[:, head.column : head.column + head.width]
            landmarks[...] = self._points(head, columns)
        self.see(outputs, visibility)

    def see(self, outputs: Sequence[Float32Array], visibility: Float32Array | None) -> None:
        """Decode the visibility alone, see :meth:`__call__`."""
        if self._visibility is None or self._seen is None or visibility is None:
            return
        first = self._visibility.column
        values = outputs[self._seen][:, first : first + self.count]
        # The sigmoid by tanh, which cannot overflow.
        visibility[...] = values if self._visibility.activation == "none" else 0.5 + 0.5 * np.tanh(0.5 * values)

    def _points(self, head: LandmarkHead, values: Float32Array) -> Float32Array:
        points: Float32Array
        if isinstance(head, ShapeBasis):
            shapes = self._mean + values[:, PROJECTION:] @ self._basis
            projections = values[:, :PROJECTION].reshape(-1, 2, 4)
            points = shapes.reshape(-1, head.count, 3) @ projections[:, :, :3].transpose(0, 2, 1)
            points += projections[:, None, :, 3]
            return points
        assert isinstance(head, Coordinates)  # heatmaps have been decoded
        points = values * np.float32(head.scale) + np.float32(head.offset)
        if head.layout == "planes":
            points = points.reshape(-1, 2, head.count).swapaxes(1, 2)
        return points.reshape(-1, head.count, 2)
