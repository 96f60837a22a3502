"""The angles as a table on standard output, for a look."""

from __future__ import annotations

from hpe_edge.faces.tracker import NO_ID
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.util.atomic import Pending
from hpe_edge.util.console import show


class Table:
    """One line per face. Implements :class:`hpe_edge.sinks.sink.Sink`."""

    pending: Pending | None = None

    def __init__(self) -> None:
        self._lines = 0

    def write(self, result: Result) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
        frame = result.frame
        faces = zip(result.ids.tolist(), result.boxes.tolist(), result.poses.angles.tolist(), strict=True)
        for face, (track, box, angles) in enumerate(faces):
            if self._lines == 0:
                names = ("frame", "face", "track", "x1", "y1", "x2", "y2", "yaw", "pitch", "roll")
                show(" ".join(f"{name:>7}" for name in names) + "  file")
            self._lines += 1
            known = "-" if track == NO_ID else track
            numbers = [f"{frame.index:7d}", f"{face:7d}", f"{known:>7}", *(f"{v:7.1f}" for v in (*box, *angles))]
            show(f"{' '.join(numbers)}  {frame.name}")

    def finish(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""

    def abort(self) -> None:
        """See :class:`hpe_edge.sinks.sink.Sink`."""
