"""Round-robin order, due times and queues: without threads, on the test's own clock."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpe_edge.batching.schedule import CameraQueue, Entry, Outcome, RoundRobin

LOCK = threading.RLock()


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    """Hold the lock, as a batcher does."""
    with LOCK:
        yield


def queues_of(
    capacities: list[int], max_faces: int = 8, max_delay_s: float = 0.01
) -> tuple[RoundRobin, list[CameraQueue]]:
    schedule, queues = RoundRobin(max_faces, max_delay_s), [CameraQueue(capacity, LOCK) for capacity in capacities]
    for queue in queues:
        schedule.add(queue)
    return schedule, queues


def put(queue: CameraQueue, faces: int, now_s: float = 0.0) -> None:
    queue.accept(SimpleNamespace(count=faces), f"{faces} faces", now_s)  # type: ignore[arg-type]


def finish(entry: Entry) -> None:
    entry.outcome = Outcome(entry.number, entry.tag, None, None)


def taken(schedule: RoundRobin, queues: list[CameraQueue]) -> list[tuple[int, int]]:
    return [(queues.index(entry.queue), entry.number) for entry in schedule.take()]


def test_nothing_is_due_where_nothing_waits() -> None:
    schedule, _ = queues_of([2, 2])
    assert schedule.due_in_s(5.0) is None and schedule.take() == []
    assert RoundRobin(8, 0.01).due_in_s(5.0) is None and RoundRobin(8, 0.01).take() == []


def test_the_oldest_frame_says_when() -> None:
    schedule, (first, second) = queues_of([3, 3], max_delay_s=0.25)
    put(second, 1, now_s=10.0)
    put(first, 1, now_s=10.125)
    assert schedule.due_in_s(10.125) == 0.125
    assert schedule.due_in_s(10.25) == 0 and schedule.due_in_s(99.0) == 0


@pytest.mark.parametrize(("faces", "due"), [((3, 4), False), ((3, 5), True), ((9,), True), ((0, 7), False)])
def test_enough_faces_are_due_at_once(faces: tuple[int, ...], due: bool) -> None:
    schedule, (queue, _) = queues_of([4, 4], max_faces=8, max_delay_s=1.0)
    for count in faces:
        put(queue, count)
    assert (schedule.due_in_s(0.0) == 0) is due


def test_when_no_frame_more_can_come_there_is_no_waiting() -> None:
    schedule, (first, second) = queues_of([1, 2], max_delay_s=1.0)
    put(first, 1)
    put(second, 1)
    assert schedule.due_in_s(0.0) == 1.0
    put(second, 1)
    assert first.full and second.full and schedule.due_in_s(0.0) == 0
    schedule, (first, second) = queues_of([1, 2], max_delay_s=1.0)
    put(first, 1)
    second.close()
    assert schedule.due_in_s(0.0) == 0


def test_a_batch_is_not_larger_than_asked() -> None:
    schedule, queues = queues_of([4, 4], max_faces=8)
    for faces in (5, 1):
        put(queues[0], faces)
    for faces in (4, 3):
        put(queues[1], faces)
    # Four do not fit beside five. One after them would, but then those four could wait for ever.
    assert taken(schedule, queues) == [(0, 0)]
    assert taken(schedule, queues) == [(1, 0), (0, 1), (1, 1)]


def test_a_frame_with_more_faces_is_a_batch_by_itself() -> None:
    schedule, queues = queues_of([4, 4], max_faces=8)
    put(queues[0], 20)
    put(queues[1], 1)
    put(queues[0], 0)
    assert taken(schedule, queues) == [(0, 0)]
    assert taken(schedule, queues) == [(1, 0), (0, 1)]


def test_who_fetches_nothing_holds_up_itself_alone() -> None:
    schedule, queues = queues_of([2, 2], max_faces=1)
    for _ in range(2):
        put(queues[0], 1)
        put(queues[1], 1)
    assert [taken(schedule, queues) for _ in range(4)] == [[(0, 0)], [(1, 0)], [(0, 1)], [(1, 1)]]
    for queue in queues:
        put(queue, 1)
    assert taken(schedule, queues) == [] and schedule.due_in_s(99.0) is None
    entry = queues[1]._begun[0]
    assert not queues[1].next_is_done()
    finish(entry)
    assert queues[1].next_is_done() and queues[1].fetch().number == 0
    assert taken(schedule, queues) == [(1, 2)]


def test_of_a_closed_lane_everything_is_begun() -> None:
    schedule, (queue,) = queues_of([1], max_faces=1)
    put(queue, 1)
    (begun,) = schedule.take()
    put(queue, 1)
    assert schedule.take() == []
    queue.close()
    assert [entry.number for entry in schedule.take()] == [1] and queue.idle and not queue.over
    finish(begun)
    queue.fetch()
    finish(queue._begun[0])
    queue.fetch()
    assert queue.over


def test_counts() -> None:
    queue = CameraQueue(2, LOCK)
    put(queue, 1)
    put(queue, 2)
    assert queue.full
    queue.refuse()
    queue.drop_oldest()
    put(queue, 3)
    assert [(entry.number, entry.tag) for entry in queue.startable()] == [(1, "2 faces"), (3, "3 faces")]
    assert (queue.submitted, queue.dropped) == (4, 2)
    queue.close(drop=True)
    assert (queue.submitted, queue.dropped, queue.over) == (4, 4, True)


def test_lanes_that_are_through_are_forgotten() -> None:
    schedule, queues = queues_of([1, 1, 1])
    put(queues[1], 1)
    for queue in queues[:2]:
        queue.close()
    later = CameraQueue(1, LOCK)
    schedule.add(later)
    assert list(schedule) == [queues[1], queues[2], later]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=1, max_size=5),
    st.integers(1, 10),
    st.randoms(use_true_random=False),
)
def test_everything_comes_out_in_order(frames: list[list[int]], max_faces: int, chance: random.Random) -> None:
    """Cameras bring frames, workers finish batches and consumers fetch, in whatever order."""
    schedule, queues = queues_of([chance.randint(1, 4) for _ in frames], max_faces)
    to_come = [list(of_one) for of_one in frames]
    running: list[list[Entry]] = []
    fetched: list[list[int]] = [[] for _ in queues]
    while not all(queue.over for queue in queues):
        own = chance.randrange(len(queues))
        queue, step = queues[own], chance.choice(["put", "take", "finish", "fetch"])
        if step == "put" and not to_come[own]:
            queue.close()
        elif step == "put" and not queue.full:
            put(queue, to_come[own].pop(0))
        elif step == "take":
            due = schedule.due_in_s(1.0)
            batch = schedule.take()
            assert (due == 0) is bool(batch)
            assert len(batch) <= 1 or sum(entry.faces for entry in batch) <= max_faces
            running += [batch] if batch else []
        elif step == "finish" and running:
            for entry in running.pop(chance.randrange(len(running))):
                finish(entry)
        elif step == "fetch" and queue.next_is_done():
            fetched[own].append(queue.fetch().number)
        assert len(queue._waiting) <= queue.capacity
        assert len(queue._begun) <= queue.capacity or not queue.open
    assert fetched == [list(range(len(of_one))) for of_one in frames]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=12), min_size=2, max_size=5), st.integers(1, 10))
def test_nobody_gives_twice_while_another_waits(frames: list[list[int]], max_faces: int) -> None:
    schedule, queues = queues_of([len(of_one) for of_one in frames], max_faces)
    for queue, of_one in zip(queues, frames, strict=True):
        for faces in of_one:
            put(queue, faces)
    gave: list[int] = []
    while batch := schedule.take():
        gave += [queues.index(entry.queue) for entry in batch]
    for own, of_one in enumerate(frames):
        last = -1
        for number in range(len(of_one)):
            at = gave.index(own, last + 1)
            others = gave[last + 1 : at]
            assert len(others) == len(set(others)), f"queue {own} waited with frame {number}: {gave}"
            last = at
