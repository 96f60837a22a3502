"""Feed of the newest result from the pipeline to the browsers, encoded when a browser waits for it.

Nothing is queued: there is one result and one message, however slow a browser is. Messages are made at most as often as
a page shows them, whatever the number of browsers and the rate of the results.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from hpe_edge.drawing.style import Style
from hpe_edge.live.event_log import EventLog, Events
from hpe_edge.live.message import Scene, Stamp, encode
from hpe_edge.pipeline.frame_result import Result

PAGE_HZ = 30.0  # pictures per second of a page; drawing and encoding each takes a core 5 to 15 ms


@dataclass(frozen=True)
class Message:
    """One encoded result; for ``data`` see message.py."""

    stamp: Stamp
    data: bytes


@dataclass(frozen=True)
class _Published:
    result: Result
    stamp: Stamp
    events: Events


class Feed:
    """Newest result. ``publish`` and ``close`` may be called from any thread, other methods from ``loop`` only."""

    def __init__(self, loop: asyncio.AbstractEventLoop, style: Style, scene: Scene) -> None:
        self._loop = loop
        self._style, self._scene = style, scene
        self._log = EventLog()
        self._run = secrets.token_hex(4)
        self._guard = threading.Lock()
        self._closed = False
        self._newest: _Published | None = None
        self._message: Message | None = None
        self._making: asyncio.Task[Message] | None = None
        self._next_s = 0.0  # time of the event loop before which no other message is made
        self._news = asyncio.Event()
        self.viewer = threading.Event()  # set once a browser has asked for a message
        self._encoder = ThreadPoolExecutor(1, thread_name_prefix="hpe-edge-live-encoder")

    def publish(self, result: Result) -> None:
        """Replace the newest result; never waits. No effect after ``close``."""
        with self._guard:
            if not self._closed:
                number = 1 if self._newest is None else self._newest.stamp.number + 1
                stamp = Stamp(self._run, number, time.monotonic())
                self._newest = _Published(result, stamp, self._log.add(result))
                self._loop.call_soon_threadsafe(self._news.set)

    async def newer_than(self, number: int) -> Message:
        """Wait for a message with a number above ``number``; return the newest."""
        self.viewer.set()
        while True:
            while self._newest is None or self._newest.stamp.number <= number:
                self._news.clear()
                await self._news.wait()
            if self._message is not None and self._message.stamp == self._newest.stamp:
                return self._message
            if self._making is None:
                wait_s = self._next_s - self._loop.time()
                if wait_s > 0:
                    await asyncio.sleep(wait_s)
                    continue  # another browser may have had it made meanwhile
                self._making = self._loop.create_task(self._make())
                self._making.add_done_callback(lambda made: made.cancelled() or made.exception())
            message = await asyncio.shield(self._making)  # which others may wait for, too
            if message.stamp.number > number:
                return message

    async def _make(self) -> Message:
        self._next_s = self._loop.time() + 1 / PAGE_HZ
        try:
            return await self._loop.run_in_executor(self._encoder, self._encoded)
        finally:
            self._making = None

    def _encoded(self) -> Message:
        # In the encoder's single thread: a result is encoded once for all browsers.
        newest = self._newest
        assert newest is not None
        if self._message is None or self._message.stamp != newest.stamp:
            data = encode(newest.result, newest.stamp, self._style, self._scene, newest.events)
            self._message = Message(newest.stamp, data)
        return self._message

    def close(self) -> None:
        """Accept no more results and end the encoder's thread."""
        with self._guard:
            self._closed = True
        self._encoder.shutdown(cancel_futures=True)
