"""Stream of one camera: frames into a batcher, poses out of it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from typing import Any, Literal, Protocol

from numpy.typing import ArrayLike

from hpe_edge.batching.schedule import CameraQueue, Outcome
from hpe_edge.camera import Camera
from hpe_edge.errors import BackendError
from hpe_edge.faces.given_faces import Faces
from hpe_edge.ops.frames import AnyFrame, FrameColor
from hpe_edge.ops.request import Request

OnFull = Literal["block", "drop_oldest", "drop_newest"]


def check_process(made_in: int) -> None:
    """Refuse a batcher whose threads are in another process.

    Raises:
        BackendError: this process was forked after the batcher was made.
    """
    if made_in != os.getpid():
        raise BackendError(
            f"the batcher was made in process {made_in}, whose threads are not in this one ({os.getpid()}), which was "
            "forked from it; make a DynamicBatcher in each process"
        )


class MakeRequest(Protocol):
    """:meth:`hpe_edge.PoseEngine.request`."""

    def __call__(
        self,
        frame: AnyFrame,
        boxes: Faces,
        *,
        keypoints: ArrayLike | None = None,
        color: FrameColor = "BGR",
        camera: Camera | None = None,
    ) -> Request: ...


class CameraStream:
    """Frames in, poses out, in order. Created by :meth:`hpe_edge.DynamicBatcher.stream`.

    Any number of threads may submit and fetch. At most ``capacity`` frames wait; at most ``capacity`` more are being
    estimated or are outcomes not yet fetched. A stream whose outcomes are not fetched fills up and follows its own
    ``on_full``; other cameras are not affected.

    Iteration yields every :class:`hpe_edge.batching.schedule.Outcome` and ends when the stream or its batcher is closed
    and all outcomes were fetched.
    """

    def __init__(
        self, make_request: MakeRequest, queue: CameraQueue, work: threading.Condition, on_full: OnFull
    ) -> None:
        """
        Args:
            make_request: checks a frame and its boxes, see :meth:`hpe_edge.PoseEngine.request`.
            queue: of the camera.
            work: condition on the queue's lock, notified when there may be work.
            on_full: see :meth:`hpe_edge.DynamicBatcher.stream`.
        """
        self._make_request, self._queue, self._work, self._on_full = make_request, queue, work, on_full
        self._process = os.getpid()

    def submit(
        self,
        frame: AnyFrame,
        boxes: Faces,
        *,
        keypoints: ArrayLike | None = None,
        color: FrameColor = "BGR",
        camera: Camera | None = None,
        tag: Any = None,
    ) -> bool:
        """Submit a frame.

        Args:
            frame, boxes, keypoints, color, camera: see :meth:`hpe_edge.PoseEngine.__call__`. N may be 0. The frame is
                kept by reference, so it must not be overwritten before its outcome is ready; the boxes are copied.
            tag: any object; returned in the outcome.

        Returns:
            True if the frame was accepted; False only for a full stream with ``on_full="drop_newest"``.

        Raises:
            InputError: an invalid argument. The stream is not affected.
            BackendError: the stream is closed, or was closed while this call waited, or was made before the process
                was forked; the frame was not accepted.
        """
        check_process(self._process)
        # In the caller's thread: it gets the errors of its own frame, and rectification and copies from a GPU delay no
        # other camera.
        request = self._make_request(frame, boxes, keypoints=keypoints, color=color, camera=camera)
        queue = self._queue
        with self._work:
            while queue.open and queue.full and self._on_full == "block":
                queue.changed.wait()
            if not queue.open:
                raise BackendError("the stream is closed, or its batcher is; make a new one")
            if queue.full:
                if self._on_full == "drop_newest":
                    queue.refuse()
                    return False
                queue.drop_oldest()
            queue.accept(request, tag, time.monotonic())
            self._work.notify()
        return True

    def result(self, timeout_s: float | None = None) -> Outcome | None:
        """Wait for the next outcome in order.

        Args:
            timeout_s: longest wait; None waits without limit.

        Returns:
            The outcome; None when the stream is closed and all outcomes were fetched.

        Raises:
            TimeoutError: no outcome within ``timeout_s``.
            BackendError: the stream was made before the process was forked.
        """
        check_process(self._process)
        queue = self._queue
        with self._work:
            if not queue.changed.wait_for(lambda: queue.next_is_done() or queue.over, timeout_s):
                raise TimeoutError(f"no outcome came within {timeout_s:g} s")
            if queue.over:
                return None
            outcome = queue.fetch()
            self._work.notify()  # room for another one
            return outcome

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.result, None)

    def close(self) -> None:
        """Accept no more frames; accepted ones are finished, and their outcomes can be fetched.

        Does not wait. Threads that wait in ``submit`` get its BackendError. In a forked process it does nothing.
        """
        if self._process != os.getpid():
            return
        with self._work:
            self._queue.close()
            self._work.notify()

    @property
    def submitted(self) -> int:
        """Number of submitted frames, dropped ones included."""
        return self._queue.submitted

    @property
    def dropped(self) -> int:
        """Number of dropped frames; every other one gets an outcome."""
        return self._queue.dropped
