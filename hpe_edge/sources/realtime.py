"""A video file shown as it was taken: its frames come at their own times, as those of a camera do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from hpe_edge.sources.frame import Frame, Kind, Source

_LONGEST_WAIT_S = 1.0  # where times jump


class Paced:
    """A source in real time. Implements :class:`hpe_edge.sources.frame.Source`.

    It counts as live: where the work takes longer than the time between two frames, the newest is of use.
    """

    live = True

    def __init__(self, source: Source) -> None:
        """
        Args:
            source: a video that is not live.
        """
        self._source = source
        self.kind: Kind = source.kind
        self.name, self.count, self.fps, self.notes = source.name, source.count, source.fps, source.notes
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        """The frames, each not before its time has come since the first."""
        behind_s = time.monotonic()  # when the video's second 0 was
        for frame in self._source:
            early_s = behind_s + frame.time_s - time.monotonic()
            if early_s > _LONGEST_WAIT_S:
                behind_s -= early_s - _LONGEST_WAIT_S
                early_s = _LONGEST_WAIT_S
            if early_s > 0 and self._closed.wait(early_s):
                return
            yield frame

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`."""
        self._closed.set()
        self._source.close()
