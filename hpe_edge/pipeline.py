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
        stopped: the user ended the run early.
        seconds: stage -> time spent in it.
        total_s: wall time.
    """

    def __init__(self) -> None:
        self.frames = 0
        self.faces = 0
        self.stopped = False
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


def run(source: Source, find: FindFaces, engine: PoseEngine, take: TakeResult, stop: CtrlC) -> Report:
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
    while not (report.stopped or stop.pressed):
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
        report.stopped = stop.pressed
    report.total_s = time.perf_counter() - start
    return report


class CtrlC:
    """Within the block the first Ctrl-C only sets ``pressed``; a second one raises KeyboardInterrupt as usual."""

    def __init__(self) -> None:
        self.pressed = False
        self._installed = False

    def __enter__(self) -> CtrlC:
        # Another thread may not set handlers, and where Ctrl-C is ignored or handled by others it stays so.
        on_main = threading.current_thread() is threading.main_thread()
        if on_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
            self._installed = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.pressed = True
        signal.signal(signal.SIGINT, signal.default_int_handler)
