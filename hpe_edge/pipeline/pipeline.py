"""Pipeline of threads that read, detect, estimate and write; frames stay in order.

While one frame is encoded, the next is processed and the one after it decoded. The queues between the threads are
short, so the fastest waits for the slowest. Only frames of a live source are dropped: the newest replaces a waiting
one.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from signal import Signals

import numpy as np
from numpy.typing import NDArray

from hpe_edge.faces.detector import Detections
from hpe_edge.pipeline.frame_result import EstimatePoses, FindFaces, Result
from hpe_edge.pipeline.stages import ClosableQueue, Stage
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sources.frame import Frame, Source
from hpe_edge.util.signals import StopSignals

TakeResult = Callable[[Result, Stopwatch], None]

_QUEUED, _QUEUED_LIVE = 3, 1  # frames in a queue; each waiting frame adds latency to a live source
_TICK_S = 0.05  # interval at which the calling thread serves signals, progress and the window
_HANGING_S = 2.0  # longest wait for a thread after a second Ctrl-C


@dataclass
class Report:
    """Counts and times of a run.

    Attributes:
        watch: the time of each stage.
        frames, faces: number processed.
        doubtful: number of the faces whose pose is doubtful.
        stretched: number of dark or flat faces, see :attr:`hpe_edge.Poses.stretched`.
        outside: number of boxes wholly outside their frame.
        dropped: frames of a live source that were dropped.
        cuts: number of cuts between scenes, where tracks end.
        stopped: signal that ended the run early, or None.
        total_s: wall time.
    """

    watch: Stopwatch
    frames: int = 0
    faces: int = 0
    doubtful: int = 0
    stretched: int = 0
    outside: int = 0
    dropped: int = 0
    cuts: int = 0
    stopped: Signals | None = None
    total_s: float = 0.0


class Pipeline:
    """Run over a source."""

    def __init__(
        self,
        source: Source,
        find: FindFaces,
        estimate: EstimatePoses,
        take: TakeResult,
        watch: Stopwatch,
        *,
        detect_every: int = 1,
        detect_workers: int = 1,
        frame_limit: int | None = None,
    ) -> None:
        """
        Args:
            source: frames, read once.
            find: finds the faces of a frame, in a thread of its own.
            estimate: estimates their poses, in another one.
            take: gets every result in order, in a third one.
            watch: times each stage.
            detect_every: interval of detection in frames; faces are tracked in the others.
            detect_workers: number of frames in detection at the same time.
            frame_limit: number of frames to process; None for all.
        """
        self.report = Report(watch)
        self._source, self._find, self._estimate_poses, self._take = source, find, estimate, take
        self._detect_every, self._detect_workers, self._frame_limit = detect_every, detect_workers, frame_limit
        size = _QUEUED_LIVE if source.live else _QUEUED
        # Closing a queue closes the one before it, up to the source, even while stages in between wait for work.
        self._read: ClosableQueue[Frame] = ClosableQueue(size, newest_wins=source.live, on_close=source.close)
        self._detected: ClosableQueue[tuple[Frame, Detections | None]] = ClosableQueue(size, on_close=self._read.close)
        self._estimated: ClosableQueue[Result] = ClosableQueue(size, on_close=self._detected.close)
        self._begun = 0  # frames that reached the engine
        self._error: BaseException | None = None
        self._guard = threading.Lock()

    def run(self, stop: StopSignals, tick: Callable[[], bool]) -> Report:
        """Process the source; the calling thread only supervises.

        Args:
            stop: after a signal no further frame is started; finished ones are written.
            tick: called several times a second and at the end; true ends the run like the end of the source.

        Returns:
            The counts and times.

        Raises:
            SourceError: the source has no readable frame.
            OutputError: ``take`` could not write.
            Exception: the first one raised in a thread. All threads have ended by then.
            KeyboardInterrupt: Ctrl-C came after another signal.
        """
        watch, fail = self.report.watch, self._fail

        def enough() -> bool:
            return stop.received is not None or self._begun == self._frame_limit

        threads = [
            threading.Thread(target=self._live_reading, name="read", daemon=True),
            *Stage(
                "detect", self._read, self._detect, self._detected, watch, fail, workers=self._detect_workers
            ).threads,
            *Stage("pose", self._detected, self._estimate, self._estimated, watch, fail, enough=enough).threads,
            *Stage("write", self._estimated, self._write, None, watch, fail).threads,
        ]
        start_s = watch.now_s()
        for thread in threads:
            thread.start()
        try:
            for thread in reversed(threads):  # the last stage ends last
                while thread.is_alive():
                    thread.join(_TICK_S)
                    if tick() or stop.received is not None:
                        self._detected.close()
        except BaseException:
            self._estimated.close()
            for thread in threads:
                thread.join(_HANGING_S)
            raise
        self.report.total_s = watch.now_s() - start_s
        self.report.dropped = self._read.dropped
        self.report.stopped = stop.received
        tick()
        if self._error is not None:
            raise self._error
        return self.report

    def _fail(self, error: BaseException) -> None:
        with self._guard:
            self._error = self._error or error
        self._estimated.close()

    def _live_reading(self) -> None:
        with self.report.watch.alive():
            self._read_frames()

    def _read_frames(self) -> None:
        watch = self.report.watch
        try:
            frames = iter(self._source)
            for number in itertools.count():
                with watch.stage("read"):
                    frame = next(frames, None)
                if frame is None:
                    break
                with watch.waiting():
                    wanted = self._read.put(number, frame)
                if not wanted:
                    break
        except BaseException as error:
            self._fail(error)
        finally:
            self._read.finish()

    def _detect(self, number: int, frame: Frame) -> tuple[Frame, Detections | None]:
        if number % self._detect_every:
            return frame, None
        with self.report.watch.stage("detect", frame.index):
            return frame, self._find(frame)

    def _estimate(self, number: int, item: tuple[Frame, Detections | None]) -> Result:
        self._begun = number + 1
        result = self._estimate_poses(*item, self.report.watch)
        self.report.cuts = getattr(self._estimate_poses, "cuts", 0)
        self.report.outside += _outside(result.boxes, result.frame.image)
        return result

    def _write(self, number: int, result: Result) -> None:
        self._take(result, self.report.watch)
        self.report.frames += 1
        self.report.faces += len(result.poses)
        self.report.doubtful += int(np.count_nonzero(result.poses.doubtful))
        self.report.stretched += int(np.count_nonzero(result.poses.stretched))


def _outside(boxes: NDArray[np.float32], image: NDArray[np.uint8]) -> int:
    height, width = image.shape[:2]
    x1, y1, x2, y2 = boxes.T
    return int(np.count_nonzero((x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height)))
