"""Closable queues and stages: order, capacity, and their end."""

from __future__ import annotations

import random
import threading
import time

import pytest

from hpe_edge.pipeline.stages import ClosableQueue, Stage
from hpe_edge.pipeline.stopwatch import Stopwatch

WAIT_S = 30  # for what happens at once; only a failure takes so long


def in_thread(work: object) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_items_come_out_in_order_and_end() -> None:
    queue: ClosableQueue[str] = ClosableQueue(3)
    assert all(queue.put(number, item) for number, item in enumerate("abc"))
    queue.finish()
    assert [queue.get() for _ in range(4)] == [(0, "a"), (1, "b"), (2, "c"), None]


def test_put_waits_while_the_queue_is_full() -> None:
    queue: ClosableQueue[int] = ClosableQueue(2)
    done: list[int] = []
    thread = in_thread(lambda: [done.append(n) for n in range(5) if queue.put(n, n)])
    for expected in range(5):
        assert queue.get() == (expected, expected)
        assert len(done) <= expected + 3
    thread.join(WAIT_S)
    assert done == list(range(5)) and queue.dropped == 0


def test_the_newest_wins() -> None:
    queue: ClosableQueue[str] = ClosableQueue(1, newest_wins=True)
    for number, item in enumerate("abc"):
        assert queue.put(number, item)
    assert queue.get() == (0, "c") and queue.dropped == 2  # what is taken is numbered anew


@pytest.mark.parametrize("full", [False, True])
def test_closing_wakes_both_ends(full: bool) -> None:
    closed: list[bool] = []
    queue: ClosableQueue[int] = ClosableQueue(1, on_close=lambda: closed.append(True))
    results: list[object] = []
    if full:
        queue.put(0, 0)
    thread = in_thread(lambda: results.append(queue.put(1, 1) if full else queue.get()))
    queue.close()
    queue.close()
    thread.join(WAIT_S)
    assert results == [False if full else None] and closed == [True]
    assert queue.get() is None and not queue.put(0, 0)


def test_turns_are_kept() -> None:
    """Workers finish in any order; what they put comes out in the order in which they took."""
    inbox: ClosableQueue[int] = ClosableQueue(4)
    outbox: ClosableQueue[int] = ClosableQueue(2)
    rng = random.Random(0)
    pauses = [rng.random() / 500 for _ in range(200)]

    def work(number: int, item: int) -> int:
        time.sleep(pauses[number])
        return item * item

    errors: list[BaseException] = []
    stage = Stage("square", inbox, work, outbox, Stopwatch(), errors.append, workers=3)
    assert [thread.name for thread in stage.threads] == ["square 1", "square 2", "square 3"]
    for thread in stage.threads:
        thread.start()
    in_thread(lambda: ([inbox.put(n, n) for n in range(200)], inbox.finish()))
    got = [taken[1] for taken in iter(outbox.get, None)]
    for thread in stage.threads:
        thread.join(WAIT_S)
    assert got == [n * n for n in range(200)] and errors == []


def test_an_error_ends_the_stage_and_its_neighbours() -> None:
    inbox: ClosableQueue[int] = ClosableQueue(1)
    outbox: ClosableQueue[int] = ClosableQueue(1)
    errors: list[BaseException] = []

    def fail(error: BaseException) -> None:
        errors.append(error)
        inbox.close()
        outbox.close()

    def work(number: int, item: int) -> int:
        if number == 3:
            raise ValueError("bad luck")
        return item

    stage = Stage("unlucky", inbox, work, outbox, Stopwatch(), fail, workers=2)
    for thread in stage.threads:
        thread.start()
    putting = in_thread(lambda: [inbox.put(n, n) for n in range(50)])
    taking = in_thread(lambda: list(iter(outbox.get, None)))
    for thread in (*stage.threads, putting, taking):
        thread.join(WAIT_S)
        assert not thread.is_alive()
    assert [str(error) for error in errors] == ["bad luck"]


def test_enough_is_enough() -> None:
    inbox: ClosableQueue[int] = ClosableQueue(9)
    done: list[int] = []
    for number in range(9):
        inbox.put(number, number)
    stage = Stage(
        "few", inbox, lambda number, item: done.append(item), None, Stopwatch(), print, enough=lambda: len(done) == 4
    )
    stage.threads[0].start()
    stage.threads[0].join(WAIT_S)
    assert done == [0, 1, 2, 3] and not inbox.put(9, 9)
