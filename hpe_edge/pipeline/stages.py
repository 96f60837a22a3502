"""Threads in a line, and what one hands to the next: a short queue that either end can close.

Not queue.Queue, because before Python 3.13 nobody who waits in one learns that the other end has gone.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from hpe_edge.pipeline.stopwatch import Stopwatch

T = TypeVar("T")
In = TypeVar("In")
Out = TypeVar("Out")


class Channel(Generic[T]):
    """Items in order."""

    def __init__(self, room: int, *, newest_wins: bool = False, on_close: Callable[[], None] | None = None) -> None:
        """
        Args:
            room: how many items may lie in it. ``put`` waits while it is full,
            newest_wins: or drops the oldest item.
            on_close: called once when no item is taken any more.
        """
        self.dropped = 0
        self._room = room
        self._newest_wins = newest_wins
        self._on_close = on_close
        self._items: deque[T] = deque()
        self._put, self._taken = 0, 0
        self._finished = False
        self._closed = False
        self._changed = threading.Condition()

    def put(self, number: int, item: T) -> bool:
        """Hand an item on, when it is its turn; false when nobody takes it any more.

        Args:
            number: counts what is put, from 0, whichever thread puts it first.
            item: anything but None.
        """
        with self._changed:
            while not self._closed and (number != self._put or not self._has_room()):
                self._changed.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._put += 1
            self._changed.notify_all()
            return True

    def get(self) -> tuple[int, T] | None:
        """The next item and its number, from 0; None when there is none and there will be none."""
        with self._changed:
            while not self._items and not self._finished and not self._closed:
                self._changed.wait()
            if self._closed or not self._items:
                return None
            self._taken += 1
            self._changed.notify_all()
            return self._taken - 1, self._items.popleft()

    def finish(self) -> None:
        """Nothing more is put; what lies in it can still be taken."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more is taken; what lies in it is gone."""
        with self._changed:
            first, self._closed = not self._closed, True
            self._items.clear()
            self._changed.notify_all()
        if first and self._on_close is not None:
            self._on_close()

    def __len__(self) -> int:
        return len(self._items)

    def _has_room(self) -> bool:
        if self._newest_wins and len(self._items) >= self._room:
            self._items.popleft()
            self.dropped += 1
        return len(self._items) < self._room


class Stage(Generic[In, Out]):
    """Threads that work on what comes out of one channel and put what they made into the next, in the same order.

    When they end, for whatever reason, they close the one and finish the other, so their neighbours end as well.
    """

    def __init__(
        self,
        name: str,
        inbox: Channel[In],
        work: Callable[[int, In], Out],
        outbox: Channel[Out] | None,
        watch: Stopwatch,
        fail: Callable[[BaseException], None],
        *,
        workers: int = 1,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            name: of the threads.
            inbox: what there is to do.
            work: does it; gets the item's number and the item.
            outbox: where the results go; None throws them away.
            watch: counts the time in which a thread lives, and waits for others.
            fail: gets the exception that ended a thread, if one did.
            workers: how many threads.
            enough: asked before an item is taken; true ends the thread.
        """
        self._name, self._inbox, self._work, self._outbox = name, inbox, work, outbox
        self._watch, self._fail, self._enough = watch, fail, enough
        self._running = workers
        self._guard = threading.Lock()
        names = [name] if workers == 1 else [f"{name} {number}" for number in range(1, workers + 1)]
        # Daemons, so that a device that hangs does not keep a process alive that was told twice to end.
        self.threads = [threading.Thread(target=self._live, name=name, daemon=True) for name in names]

    def _live(self) -> None:
        with self._watch.alive():
            self._run()

    def _run(self) -> None:
        try:
            while not self._enough():
                with self._watch.waiting():
                    taken = self._inbox.get()
                if taken is None:
                    break
                self._watch.depth(self._name, len(self._inbox))
                made = self._work(*taken)
                if self._outbox is not None:
                    with self._watch.waiting():
                        wanted = self._outbox.put(taken[0], made)
                    if not wanted:
                        break
        except BaseException as error:
            self._fail(error)
        finally:
            with self._guard:
                self._running -= 1
                last = self._running == 0
            if last:
                self._inbox.close()
                if self._outbox is not None:
                    self._outbox.finish()
