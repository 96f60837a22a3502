"""One camera's way into a batcher and out of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, Literal, Protocol

from numpy.typing import ArrayLike

from hpe_edge.batching.schedule import Lane, Outcome
from hpe_edge.camera import Camera
from hpe_edge.errors import BackendError
from hpe_edge.ops.frames import AnyFrame, FrameColor
from hpe_edge.ops.request import Request

OnFull = Literal["block", "drop_oldest", "drop_newest"]


class MakeRequest(Protocol):
    """:meth:`hpe_edge.PoseEngine.request`."""

    def __call__(
        self, frame: AnyFrame, boxes: ArrayLike, *, color: FrameColor = "BGR", camera: Camera | None = None
    ) -> Request: ...


class CameraStream:
    """Frames in, poses out, in the same order. Made by :meth:`hpe_edge.DynamicBatcher.stream`.

    Any number of threads may submit and fetch. At most ``capacity`` frames wait; at most ``capacity`` more are being
    estimated or lie as outcomes that nobody has fetched yet. So whoever does not fetch is soon not served any more, and
    then meets the stream's own ``on_full``; other cameras do not notice.

    Iterating gives every :class:`hpe_edge.batching.schedule.Outcome` and ends when the stream, or its batcher, is
    closed and all of them were fetched.
    """

    def __init__(self, make_request: MakeRequest, lane: Lane, work: threading.Condition, on_full: OnFull) -> None:
        """
        Args:
            make_request: checks a frame and its boxes; of the engine.
            lane: holds them.
            work: of the same lock as the lane's; notified when there may be work.
            on_full: see :meth:`hpe_edge.DynamicBatcher.stream`.
        """
        self._make_request, self._lane, self._work, self._on_full = make_request, lane, work, on_full

    def submit(
        self,
        frame: AnyFrame,
        boxes: ArrayLike,
        *,
        color: FrameColor = "BGR",
        camera: Camera | None = None,
        tag: Any = None,
    ) -> bool:
        """Hand in a frame.

        Args:
            frame, boxes, color, camera: see :meth:`hpe_edge.PoseEngine.__call__`. N may be 0. The frame is kept by
                reference, so it must not be overwritten before its outcome is there; the boxes are copied.
            tag: anything; comes back in the outcome.

        Returns:
            Whether the frame was taken; false only of a full stream with ``on_full="drop_newest"``.

        Raises:
            InputError: an argument of the wrong form. The stream goes on as if the frame had never been.
            BackendError: the stream is closed, or was while this call waited for room; the frame was not taken.
        """
        # In the caller's thread: what is wrong with a frame is said to whoever brings it, and what is expensive
        # (rectification, fetching it from a GPU) keeps nobody else waiting.
        request = self._make_request(frame, boxes, color=color, camera=camera)
        lane = self._lane
        with self._work:
            while lane.open and lane.full and self._on_full == "block":
                lane.changed.wait()
            if not lane.open:
                raise BackendError("the stream is closed, or its batcher is; make a new one")
            if lane.full:
                if self._on_full == "drop_newest":
                    lane.refuse()
                    return False
                lane.drop_oldest()
            lane.accept(request, tag, time.monotonic())
            self._work.notify()
        return True

    def result(self, timeout_s: float | None = None) -> Outcome | None:
        """The next outcome in order, which may have to be waited for.

        Args:
            timeout_s: for how long at most; None: as long as it takes.

        Returns:
            The outcome; None when there will be none any more.

        Raises:
            TimeoutError: it did not come in time.
        """
        lane = self._lane
        with self._work:
            if not lane.changed.wait_for(lambda: lane.next_is_done() or lane.over, timeout_s):
                raise TimeoutError(f"no outcome came within {timeout_s:g} s")
            if lane.over:
                return None
            outcome = lane.fetch()
            self._work.notify()  # there is room for another one
            return outcome

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.result, None)

    def close(self) -> None:
        """Take no more frames; those that were taken are finished, and their outcomes can be fetched.

        Waits for nothing. Threads that wait in ``submit`` get its BackendError.
        """
        with self._work:
            self._lane.close()
            self._work.notify()

    @property
    def submitted(self) -> int:
        """How many frames were handed in, dropped ones included."""
        return self._lane.submitted

    @property
    def dropped(self) -> int:
        """How many of them were dropped; every other one has an outcome in the end."""
        return self._lane.dropped
