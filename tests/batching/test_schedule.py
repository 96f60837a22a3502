"""Whose turn it is, when a batch is due and what a lane holds: without threads, on a clock of the test's own."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpe_edge.batching.schedule import Entry, Lane, Outcome, Turns

LOCK = threading.RLock()


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    """As a batcher does that looks at its lanes."""
    with LOCK:
        yield


def lanes_of(capacities: list[int], max_faces: int = 8, max_delay_s: float = 0.01) -> tuple[Turns, list[Lane]]:
    turns, lanes = Turns(max_faces, max_delay_s), [Lane(capacity, LOCK) for capacity in capacities]
    for lane in lanes:
        turns.add(lane)
    return turns, lanes


def put(lane: Lane, faces: int, now_s: float = 0.0) -> None:
    lane.accept(SimpleNamespace(count=faces), f"{faces} faces", now_s)  # type: ignore[arg-type]


def finish(entry: Entry) -> None:
    entry.outcome = Outcome(entry.number, entry.tag, None, None)


def taken(turns: Turns, lanes: list[Lane]) -> list[tuple[int, int]]:
    return [(lanes.index(entry.lane), entry.number) for entry in turns.take()]


def test_nothing_is_due_where_nothing_waits() -> None:
    turns, _ = lanes_of([2, 2])
    assert turns.due_in_s(5.0) is None and turns.take() == []
    assert Turns(8, 0.01).due_in_s(5.0) is None and Turns(8, 0.01).take() == []


def test_the_oldest_frame_says_when() -> None:
    turns, (first, second) = lanes_of([3, 3], max_delay_s=0.25)
    put(second, 1, now_s=10.0)
    put(first, 1, now_s=10.125)
    assert turns.due_in_s(10.125) == 0.125
    assert turns.due_in_s(10.25) == 0 and turns.due_in_s(99.0) == 0


@pytest.mark.parametrize(("faces", "due"), [((3, 4), False), ((3, 5), True), ((9,), True), ((0, 7), False)])
def test_enough_faces_are_due_at_once(faces: tuple[int, ...], due: bool) -> None:
    turns, (lane, _) = lanes_of([4, 4], max_faces=8, max_delay_s=1.0)
    for count in faces:
        put(lane, count)
    assert (turns.due_in_s(0.0) == 0) is due


def test_when_no_frame_more_can_come_there_is_no_waiting() -> None:
    turns, (first, second) = lanes_of([1, 2], max_delay_s=1.0)
    put(first, 1)
    put(second, 1)
    assert turns.due_in_s(0.0) == 1.0
    put(second, 1)
    assert first.full and second.full and turns.due_in_s(0.0) == 0
    turns, (first, second) = lanes_of([1, 2], max_delay_s=1.0)
    put(first, 1)
    second.close()
    assert turns.due_in_s(0.0) == 0


def test_a_batch_is_not_larger_than_asked() -> None:
    turns, lanes = lanes_of([4, 4], max_faces=8)
    for faces in (5, 1):
        put(lanes[0], faces)
    for faces in (4, 3):
        put(lanes[1], faces)
    # Four do not fit beside five. One after them would, but then those four could wait for ever.
    assert taken(turns, lanes) == [(0, 0)]
    assert taken(turns, lanes) == [(1, 0), (0, 1), (1, 1)]


def test_a_frame_with_more_faces_is_a_batch_by_itself() -> None:
    turns, lanes = lanes_of([4, 4], max_faces=8)
    put(lanes[0], 20)
    put(lanes[1], 1)
    put(lanes[0], 0)
    assert taken(turns, lanes) == [(0, 0)]
    assert taken(turns, lanes) == [(1, 0), (0, 1)]


def test_who_fetches_nothing_holds_up_itself_alone() -> None:
    turns, lanes = lanes_of([2, 2], max_faces=1)
    for _ in range(2):
        put(lanes[0], 1)
        put(lanes[1], 1)
    assert [taken(turns, lanes) for _ in range(4)] == [[(0, 0)], [(1, 0)], [(0, 1)], [(1, 1)]]
    for lane in lanes:
        put(lane, 1)
    assert taken(turns, lanes) == [] and turns.due_in_s(99.0) is None
    entry = lanes[1]._begun[0]
    assert not lanes[1].next_is_done()
    finish(entry)
    assert lanes[1].next_is_done() and lanes[1].fetch().number == 0
    assert taken(turns, lanes) == [(1, 2)]


def test_of_a_closed_lane_everything_is_begun() -> None:
    turns, (lane,) = lanes_of([1], max_faces=1)
    put(lane, 1)
    (begun,) = turns.take()
    put(lane, 1)
    assert turns.take() == []
    lane.close()
    assert [entry.number for entry in turns.take()] == [1] and lane.idle and not lane.over
    finish(begun)
    lane.fetch()
    finish(lane._begun[0])
    lane.fetch()
    assert lane.over


def test_counts() -> None:
    lane = Lane(2, LOCK)
    put(lane, 1)
    put(lane, 2)
    assert lane.full
    lane.refuse()
    lane.drop_oldest()
    put(lane, 3)
    assert [(entry.number, entry.tag) for entry in lane.startable()] == [(1, "2 faces"), (3, "3 faces")]
    assert (lane.submitted, lane.dropped) == (4, 2)
    lane.close(drop=True)
    assert (lane.submitted, lane.dropped, lane.over) == (4, 4, True)


def test_lanes_that_are_through_are_forgotten() -> None:
    turns, lanes = lanes_of([1, 1, 1])
    put(lanes[1], 1)
    for lane in lanes[:2]:
        lane.close()
    later = Lane(1, LOCK)
    turns.add(later)
    assert list(turns) == [lanes[1], lanes[2], later]


@settings(deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=1, max_size=5),
    st.integers(1, 10),
    st.randoms(use_true_random=False),
)
def test_everything_comes_out_in_order(frames: list[list[int]], max_faces: int, chance: random.Random) -> None:
    """Cameras bring frames, workers finish batches and consumers fetch, in whatever order."""
    turns, lanes = lanes_of([chance.randint(1, 4) for _ in frames], max_faces)
    to_come = [list(of_one) for of_one in frames]
    running: list[list[Entry]] = []
    fetched: list[list[int]] = [[] for _ in lanes]
    while not all(lane.over for lane in lanes):
        own = chance.randrange(len(lanes))
        lane, step = lanes[own], chance.choice(["put", "take", "finish", "fetch"])
        if step == "put" and not to_come[own]:
            lane.close()
        elif step == "put" and not lane.full:
            put(lane, to_come[own].pop(0))
        elif step == "take":
            due = turns.due_in_s(1.0)
            batch = turns.take()
            assert (due == 0) is bool(batch)
            assert len(batch) <= 1 or sum(entry.faces for entry in batch) <= max_faces
            running += [batch] if batch else []
        elif step == "finish" and running:
            for entry in running.pop(chance.randrange(len(running))):
                finish(entry)
        elif step == "fetch" and lane.next_is_done():
            fetched[own].append(lane.fetch().number)
        assert len(lane._waiting) <= lane.capacity
        assert len(lane._begun) <= lane.capacity or not lane.open
    assert fetched == [list(range(len(of_one))) for of_one in frames]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=12), min_size=2, max_size=5), st.integers(1, 10))
def test_nobody_gives_twice_while_another_waits(frames: list[list[int]], max_faces: int) -> None:
    turns, lanes = lanes_of([len(of_one) for of_one in frames], max_faces)
    for lane, of_one in zip(lanes, frames, strict=True):
        for faces in of_one:
            put(lane, faces)
    gave: list[int] = []
    while batch := turns.take():
        gave += [lanes.index(entry.lane) for entry in batch]
    for own, of_one in enumerate(frames):
        last = -1
        for number in range(len(of_one)):
            at = gave.index(own, last + 1)
            others = gave[last + 1 : at]
            assert len(others) == len(set(others)), f"lane {own} waited with frame {number}: {gave}"
            last = at
