"""Protocols of sinks, and the sinks of a run as one."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hpe_edge.drawing.draw_poses import draw_poses
from hpe_edge.drawing.style import Style
from hpe_edge.errors import OutputError
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.util.atomic import Pending

Image = NDArray[np.uint8]


class Sink(Protocol):
    """Output of a run. After ``finish`` (success) or ``abort``, its pending file is committed, kept or discarded.

    Attributes:
        pending: the temporary file; None if the output is not a file.
    """

    pending: Pending | None

    def write(self, result: Result) -> None:
        """Write the results of one frame."""

    def finish(self) -> None:
        """Close; raise OutputError unless the output is complete."""

    def abort(self) -> None:
        """Close; never raises."""


class PictureSink(Protocol):
    """Output of annotated pictures; otherwise as :class:`Sink`.

    Attributes:
        pending: see :class:`Sink`.
        notes: messages for the user; grows while pictures are written.
    """

    pending: Pending | None
    notes: list[str]

    def write_picture(self, result: Result, drawn: Image) -> None:
        """Write one annotated frame ``drawn``, uint8 ``[H, W, 3]`` BGR, which other outputs share: do not change it."""

    def finish(self) -> None:
        """See :class:`Sink`."""

    def abort(self) -> None:
        """See :class:`Sink`."""


class Outputs:
    """Sinks of a run: no file gets its name before all are complete."""

    def __init__(self, style: Style = "axes") -> None:
        """
        Args:
            style: of the drawn poses, see :func:`hpe_edge.drawing.draw_poses.draw_poses`.
        """
        self._style: Style = style
        self._sinks: list[Sink] = []
        self._picture_sinks: list[PictureSink] = []

    def __bool__(self) -> bool:
        return bool(self._sinks or self._picture_sinks)

    @property
    def notes(self) -> list[list[str]]:
        """Messages for the user, a growing list for each picture sink."""
        return [sink.notes for sink in self._picture_sinks]

    def add(self, sink: Sink) -> None:
        """Add a sink."""
        self._sinks.append(sink)

    def add_picture(self, sink: PictureSink) -> None:
        """Add a sink for annotated pictures."""
        self._picture_sinks.append(sink)

    def write(self, result: Result, watch: Stopwatch) -> None:
        """Pass the results of one frame to every sink; times the stages "draw" and "write"."""
        index = result.frame.index
        if self._picture_sinks:
            with watch.stage("draw", index):
                drawn = result.frame.image.copy()  # other outputs may keep the frame
                draw_poses(drawn, result.poses, style=self._style, camera=result.camera)
        with watch.stage("write", index):
            for picture_sink in self._picture_sinks:
                picture_sink.write_picture(result, drawn)
            for sink in self._sinks:
                sink.write(result)

    def commit(self) -> list[Path]:
        """Close everything, then give every file its name.

        Returns:
            The written files.

        Raises:
            OutputError: an output is incomplete, and nothing was renamed; or a file cannot be renamed: the message
                names it and those renamed before.
        """
        self._finish()
        written: list[Path] = []
        for pending in self._pending():
            try:
                pending.commit()
            except OutputError as error:
                before = f"; written before that: {', '.join(map(str, written))}" if written else ""
                raise OutputError(f"{error}{before}") from None
            written.append(pending.path)
        return written

    def keep_partial(self) -> list[Path]:
        """Close everything and keep it as NAME.partial.EXT.

        Returns:
            The names.

        Raises:
            OutputError: an output is incomplete, and nothing was renamed.
        """
        self._finish()
        return [pending.keep_partial() for pending in self._pending()]

    def discard(self) -> None:
        """Remove everything that was not committed or kept."""
        for sink in self._all():
            sink.abort()
        for pending in self._pending():
            pending.discard()

    def _finish(self) -> None:
        for sink in self._all():
            sink.finish()

    def _all(self) -> list[Sink | PictureSink]:
        return [*self._picture_sinks, *self._sinks]

    def _pending(self) -> list[Pending]:
        return [sink.pending for sink in self._all() if sink.pending is not None]
