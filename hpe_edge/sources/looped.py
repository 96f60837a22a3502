"""Video file that is read again and again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace

from hpe_edge.errors import InputError
from hpe_edge.sources.capture.shape import shape_of
from hpe_edge.sources.frame import Frame, Kind, Source


class Looped:
    """A source that starts anew at its end, until it is closed. Implements :class:`hpe_edge.sources.frame.Source`.

    Times go on rising, so that records, annotated videos and events stay in order: each round starts after a gap, in
    which trackers and filters forget the faces of the one before. Positions start at 0 in each round.
    """

    kind: Kind = "video"
    live = False
    count: int | None = None

    def __init__(self, source: Source, open_again: Callable[[], Source], gap_s: float) -> None:
        """
        Args:
            source: of the first round, a video with an end.
            open_again: opens it for another round.
            gap_s: between rounds.

        Raises:
            InputError: the source has no end, or is no video.
        """
        if source.live or source.kind != "video":
            raise InputError(f"only a video file can be played in a loop, got {source.name}; leave out --loop")
        self.shape = shape_of(source)
        self.name, self.fps, self.notes = source.name, source.fps, source.notes
        self._source, self._open_again, self._gap_s = source, open_again, gap_s
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames of one round after the other."""
        start_s = 0.0
        while not self._closed.is_set():
            time_s = start_s
            for frame in self._source:
                time_s = start_s + frame.time_s
                yield replace(frame, time_s=time_s)
            self._source.close()
            start_s = time_s + self._gap_s
            if not self._closed.is_set():
                self._source = self._open_again()

    def close(self) -> None:
        """See :class:`hpe_edge.sources.frame.Source`."""
        self._closed.set()
        self._source.close()
