"""The angles as a table on standard output, for a look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.atomic import Pending
from hpe_edge.console import show
from hpe_edge.poses import Poses
from hpe_edge.video import Frame


class Table:
    """One line per face. Implements :class:`hpe_edge.sinks.Sink`."""

    pending: Pending | None = None

    def __init__(self) -> None:
        self._lines = 0

    def write(self, frame: Frame, boxes: NDArray[np.float32], poses: Poses) -> None:
        """See :class:`hpe_edge.sinks.Sink`."""
        for face, (box, angles) in enumerate(zip(boxes.tolist(), poses.angles.tolist(), strict=True)):
            if self._lines == 0:
                names = ("frame", "face", "x1", "y1", "x2", "y2", "yaw", "pitch", "roll")
                show(" ".join(f"{name:>7}" for name in names) + "  file")
            self._lines += 1
            numbers = [f"{frame.index:7d}", f"{face:7d}", *(f"{v:7.1f}" for v in (*box, *angles))]
            show(f"{' '.join(numbers)}  {frame.name}")

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.Sink`."""

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.Sink`."""
