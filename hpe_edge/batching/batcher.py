"""DynamicBatcher: faces of several cameras share the batches of one engine."""

from __future__ import annotations

import atexit
import math
import os
import threading
import time
import traceback
from collections.abc import Sequence
from types import TracebackType
from typing import get_args

from hpe_edge.batching.camera_stream import CameraStream, OnFull, check_process
from hpe_edge.batching.schedule import CameraQueue, Entry, Outcome, RoundRobin
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import BackendError, InputError
from hpe_edge.poses import Poses

_LONGEST_WAIT_S = 3600.0  # below the platform's limit for timed waits


class DynamicBatcher:
    """Collects the frames of several cameras and runs their faces together.

    >>> with PoseEngine("model.onnx") as engine, DynamicBatcher(engine, max_delay_ms=5) as batcher:
    ...     stream = batcher.stream(capacity=4, on_full="drop_oldest")
    ...     stream.submit(frame, boxes, tag="the first")    # from any thread
    ...     outcome = stream.result()                       # from any thread, in order
    ...     outcome.tag, outcome.poses

    A batch starts when ``max_faces`` are waiting, when the oldest frame has waited ``max_delay_ms``, or when all
    streams are full. Streams are served round-robin, oldest frame first, so none starves, whatever the load of the
    others.

    If the engine fails, all frames of that batch get the error as their outcome, and the next batch runs normally. The
    caller owns the engine and may use it directly as well. If it is closed first, the remaining frames get its
    BackendError.
    """

    def __init__(
        self, engine: PoseEngine, *, max_delay_ms: float = 5.0, max_faces: int | None = None, workers: int = 1
    ) -> None:
        """
        Args:
            engine: estimates the poses.
            max_delay_ms: longest wait of a frame for others to share its batch. With 0 only frames that arrive during
                another batch share one. It does not bound the wait for a busy engine.
            max_faces: batch size; a frame with more faces is not split but runs as one batch. None: ``engine.batch``,
                which :meth:`hpe_edge.PoseEngine.warmup` sets to the fastest.
            workers: number of concurrent batches. On a CPU, several workers with an engine of ``threads=1`` are faster
                than one worker with several threads.

        Raises:
            InputError: a number out of range, or no engine.
        """
        if not isinstance(engine, PoseEngine):
            raise InputError(f"a batcher needs a hpe_edge.PoseEngine, got {type(engine).__name__}")
        if not (isinstance(max_delay_ms, (int, float)) and 0 <= max_delay_ms < math.inf):
            raise InputError(f"max_delay_ms must be a number of milliseconds from 0 on, got {max_delay_ms!r}")
        max_faces = engine.batch if max_faces is None else _positive("max_faces", max_faces)
        workers = _positive("workers", workers)
        self._engine = engine
        self._lock = threading.RLock()  # guards the state below and the queues
        self._work = threading.Condition(self._lock)
        self._schedule = RoundRobin(max_faces, max_delay_ms / 1e3)
        self._open = True
        self._process = os.getpid()
        # Daemon threads, so that an unclosed batcher keeps no process alive. They are joined at exit, so that none is
        # within a batch when the interpreter shuts down.
        self._threads = [
            threading.Thread(target=self._run, name=f"batcher {number}", daemon=True)
            for number in range(1, workers + 1)
        ]
        for thread in self._threads:
            thread.start()
        atexit.register(self._close_at_exit)

    def stream(self, *, capacity: int = 2, on_full: OnFull = "block") -> CameraStream:
        """Add a camera, at any time; :meth:`CameraStream.close` removes it.

        Args:
            capacity: largest number of waiting frames, and of outcomes; bounds its memory.
            on_full: behaviour of ``submit`` at capacity. ``"block"``: wait, so that nothing is lost; a thread that both
                submits and fetches must fetch in time. ``"drop_oldest"``: drop the frame that has waited longest, best
                for live cameras. ``"drop_newest"``: drop the submitted frame.

        Raises:
            InputError: an argument out of range.
            BackendError: the batcher is closed, or was made before the process was forked.
        """
        if on_full not in get_args(OnFull):
            raise InputError(f"on_full must be one of {', '.join(get_args(OnFull))}, got {on_full!r}")
        capacity = _positive("capacity", capacity)
        check_process(self._process)
        with self._lock:
            if not self._open:
                raise BackendError("the batcher is closed; make a new DynamicBatcher")
            queue = CameraQueue(capacity, self._lock)
            self._schedule.add(queue)
        return CameraStream(self._engine.request, queue, self._work, on_full)

    def close(self, *, drain: bool = True) -> None:
        """Close all streams and wait until every accepted frame has its outcome, which can still be fetched.

        Threads that wait in ``submit`` get its BackendError. Closing twice, or from several threads, is harmless. A
        ``with`` block that is left by an exception closes without draining.

        Args:
            drain: False drops waiting frames and finishes only running batches; streams count the dropped frames.
        """
        if self._process != os.getpid():  # the threads are the parent's, and so may be the lock
            return
        with self._lock:
            self._open = False
            for queue in self._schedule:
                queue.close(drop=not drain)
            self._work.notify_all()
        for thread in self._threads:
            thread.join()
        atexit.unregister(self._close_at_exit)

    def __reduce__(self) -> tuple[object, ...]:
        """Refuse pickling.

        Raises:
            BackendError: always.
        """
        raise BackendError("a batcher has threads and cannot be pickled; send the engine, and make one in each process")

    def __enter__(self) -> DynamicBatcher:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(drain=error is None)

    def _close_at_exit(self) -> None:
        self.close(drain=False)

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if not batch:
                return
            self._estimate(batch)
            del batch  # releases the tags, which may be images, while the thread waits

    def _next_batch(self) -> list[Entry]:
        """Wait until a batch is due; empty after the last one."""
        with self._lock:
            while True:
                due_in_s = self._schedule.due_in_s(time.monotonic())
                if due_in_s == 0:
                    batch = self._schedule.take()
                    self._work.notify()  # the remaining frames may be due as well, for another worker
                    return batch
                if not self._open:  # closed queues are due at once
                    return []
                self._work.wait(None if due_in_s is None else min(due_in_s, _LONGEST_WAIT_S))

    def _estimate(self, batch: Sequence[Entry]) -> None:
        requests = [entry.request for entry in batch if entry.request is not None]
        found: Sequence[Poses | None]
        cause: BaseException | None = None
        try:
            found = self._engine.many(requests)
        except BaseException as error:  # every error becomes an outcome: callers wait for these frames
            # The frames of the traceback hold references to the images.
            traceback.clear_frames(error.__traceback__)
            found, cause = [None] * len(batch), error
        del requests
        with self._lock:
            for entry, poses in zip(batch, found, strict=True):
                entry.request = None
                entry.outcome = Outcome(entry.number, entry.tag, None if cause is None else _failed(cause), poses)
                entry.queue.changed.notify_all()


def _failed(cause: BaseException) -> BackendError:
    """Create an error per frame: a shared one would collect the tracebacks of all threads that raise it."""
    error = BackendError(str(cause) or type(cause).__name__)
    error.__cause__ = cause
    return error


def _positive(name: str, value: int) -> int:
    if type(value) is not int or value < 1:
        raise InputError(f"{name} must be a whole number from 1 on, got {value!r}")
    return value
