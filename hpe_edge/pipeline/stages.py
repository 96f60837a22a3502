"""Pipeline stages: threads between short queues that either end can close.

queue.Queue cannot be shut down before Python 3.13: a waiting thread would not notice that the other end has stopped.
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


class ClosableQueue(Generic[T]):
    """Bounded queue of numbered items, closable from both ends."""

    def __init__(self, capacity: int, *, newest_wins: bool = False, on_close: Callable[[], None] | None = None) -> None:
        """
        Args:
            capacity: largest number of items.
            newest_wins: ``put`` to a full queue drops the oldest item instead of waiting.
            on_close: called once when the consumer closes the queue.
        """
        self.dropped = 0
        self._capacity = capacity
        self._newest_wins = newest_wins
        self._on_close = on_close
        self._items: deque[T] = deque()
        self._put, self._taken = 0, 0
        self._finished = False
        self._closed = False
        self._changed = threading.Condition()

    def put(self, number: int, item: T) -> bool:
        """Append an item when its number is next; false if the queue is closed.

        Args:
            number: position in the order, from 0; threads that are ahead wait.
            item: anything but None.
        """
        with self._changed:
            while not self._closed and (number != self._put or not self._has_space()):
                self._changed.wait()
            if self._closed:
                return False
            self._items.append(item)
            self._put += 1
            self._changed.notify_all()
            return True

    def get(self) -> tuple[int, T] | None:
        """Wait for the next item and its number, from 0; None after the last one."""
        with self._changed:
            while not self._items and not self._finished and not self._closed:
                self._changed.wait()
            if self._closed or not self._items:
                return None
            self._taken += 1
            self._changed.notify_all()
            return self._taken - 1, self._items.popleft()

    def finish(self) -> None:
        """End the input; remaining items can still be taken."""
        with self._changed:
            self._finished = True
            self._changed.notify_all()

    def close(self) -> None:
        """End the output; remaining items are discarded."""
        with self._changed:
            first, self._closed = not self._closed, True
            self._items.clear()
            self._changed.notify_all()
        if first and self._on_close is not None:
            self._on_close()

    def __len__(self) -> int:
        return len(self._items)

    def _has_space(self) -> bool:
        if self._newest_wins and len(self._items) >= self._capacity:
            self._items.popleft()
            self.dropped += 1
        return len(self._items) < self._capacity


class Stage(Generic[In, Out]):
    """Threads that process the items of one queue and put the results into the next, in order.

    When they end, for any reason, they close the first queue and finish the second, so neighbouring stages end as well.
    """

    def __init__(
        self,
        name: str,
        inbox: ClosableQueue[In],
        work: Callable[[int, In], Out],
        outbox: ClosableQueue[Out] | None,
        watch: Stopwatch,
        fail: Callable[[BaseException], None],
        *,
        workers: int = 1,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """
        Args:
            name: of the threads.
            inbox: items to process.
            work: called with an item's number and the item.
            outbox: takes the results; None discards them.
            watch: times each thread's life and waiting.
            fail: called with the exception that ended a thread.
            workers: number of threads.
            enough: called before each item; true ends the thread.
        """
        self._name, self._inbox, self._work, self._outbox = name, inbox, work, outbox
        self._watch, self._fail, self._enough = watch, fail, enough
        self._running = workers
        self._guard = threading.Lock()
        names = [name] if workers == 1 else [f"{name} {number}" for number in range(1, workers + 1)]
        # Daemons, so that a hanging device does not keep the process alive after a second Ctrl-C.
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
