"""From frames to results: read, find faces, estimate poses, hand on; with the time that each stage takes."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

import numpy as np
from numpy.typing import NDArray

from hpe_edge.engine import PoseEngine
from hpe_edge.poses import Poses
from hpe_edge.video import Frame, Source

FindFaces = Callable[[Frame], NDArray[np.float32]]
TakeResult = Callable[[Frame, NDArray[np.float32], Poses], None]


class Report:
    """What a run did.

    Attributes:
        frames, faces: how many are done.
        outside: how many boxes have no pixel in common with their frame.
        stopped: the signal that ended the run early, if one did.
        seconds: stage -> time spent in it.
        total_s: wall time.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.faces = 0
        self.outside = 0
        self.stopped: signal.Signals | None = None
        self.seconds = dict.fromkeys(("read", "detect", "poses", "draw and write"), 0.0)
        self.total_s = 0.0

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - start


def run(source: Source, find: FindFaces, engine: PoseEngine, take: TakeResult, stop: StopSignals) -> Report:
    """Work through a source.

    Args:
        source: frames, read once.
        find: boxes of a frame, ``[N, 4]``.
        engine: what estimates the poses.
        take: gets every frame with its boxes and poses, in order; may draw on the frame.
        stop: looked at between frames, so that each frame is done fully or not at all.

    Returns:
        The counts and times.

    Raises:
        SourceError: the source holds nothing that can be read.
        OutputError: ``take`` could not write.
    """
    report = Report()
    start = time.perf_counter()
    frames = iter(source)
    report.stopped = stop.received
    while report.stopped is None:
        with report.stage("read"):
            frame = next(frames, None)
        if frame is None:
            break
        with report.stage("detect"):
            boxes = find(frame)
        with report.stage("poses"):
            poses = engine(frame.image, boxes)
        with report.stage("draw and write"):
            take(frame, boxes, poses)
        report.frames += 1
        report.faces += len(boxes)
        report.outside += _outside(boxes, frame.image)
        report.stopped = stop.received
    report.total_s = time.perf_counter() - start
    return report


class StopSignals:
    """Within the block, the first Ctrl-C, SIGTERM or SIGHUP is only noted; a Ctrl-C after it raises KeyboardInterrupt.

    Only Ctrl-C says that it is urgent: a terminal that closes may well send SIGHUP twice.

    Attributes:
        received: the signal that came first; None before.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, signal.Handlers | Callable[[int, FrameType | None], object]] = {}

    def __enter__(self) -> StopSignals:
        # Another thread may not set handlers, and what is ignored (as under nohup) or handled by others stays so.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                before = signal.getsignal(number)
                if before is signal.default_int_handler or before is signal.SIG_DFL:
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.received = self.received or signal.Signals(number)
        if signal.SIGINT in self._before:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _outside(boxes: NDArray[np.float32], image: NDArray[np.uint8]) -> int:
    height, width = image.shape[:2]
    x1, y1, x2, y2 = boxes.T
    return int(np.count_nonzero((x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height)))
