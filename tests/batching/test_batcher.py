"""DynamicBatcher: right poses in order, bounded queues, and every way to end, with an engine that stops where told."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_model import write_tiny_model

from hpe_edge import BackendError, Camera, DynamicBatcher, InputError, PoseEngine, Poses
from hpe_edge.batching.camera_stream import CameraStream
from hpe_edge.ops.request import Request
from hpe_edge.samples import FOLDER

WAIT_S = 5  # for what happens at once; only a failure takes so long
NEVER_MS = 3_600_000.0
BOX = [[8, 8, 56, 56]]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("batcher") / "tiny.onnx")


class GatedEngine(PoseEngine):
    """A batcher's batches wait at the gate; each frame is known by the value of its pixels."""

    def __init__(self, model: Path) -> None:
        super().__init__(model, threads=1)
        self.gate = threading.Semaphore(0)
        self.arrived = threading.Semaphore(0)
        self.batches: list[list[int]] = []
        self.errors: list[BaseException] = []  # for the next batches, in place of poses

    def many(self, requests: Sequence[Request], **options: Any) -> list[Poses]:
        if threading.current_thread().name.startswith("batcher"):
            self.batches.append([int(request.planes[0].flat[0]) for request in requests])
            self.arrived.release()
            assert self.gate.acquire(timeout=2 * WAIT_S)  # after whoever waits for something else
            if self.errors:
                raise self.errors.pop(0)
        return super().many(requests, **options)

    def let(self, batches: int = 1000) -> None:
        """Open the gate for so many batches."""
        self.gate.release(batches)

    def hold(self) -> None:
        """Wait until a batch stands at the gate."""
        assert self.arrived.acquire(timeout=WAIT_S)


@pytest.fixture
def engine(model: Path) -> Iterator[GatedEngine]:
    engine = GatedEngine(model)
    yield engine
    engine.let()


@pytest.fixture
def batcher(engine: GatedEngine) -> Iterator[DynamicBatcher]:
    """One frame makes a batch, which waits at the gate."""
    batcher = DynamicBatcher(engine, max_delay_ms=0)
    yield batcher
    engine.let()
    batcher.close()


def picture(value: int) -> np.ndarray:
    return np.full((64, 64, 3), value, np.uint8)


def submit(stream: CameraStream, *values: int) -> list[bool]:
    return [stream.submit(picture(value), BOX, tag=value) for value in values]


def fetch(stream: CameraStream, count: int) -> list[int]:
    outcomes = [stream.result(WAIT_S) for _ in range(count)]
    assert all(len(outcome.poses) == 1 for outcome in outcomes if outcome)
    return [outcome.tag for outcome in outcomes if outcome]


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.001)


def waiting(stream: CameraStream) -> Callable[[], bool]:
    """True if a thread waits in the stream's submit or result."""
    return lambda: bool(stream._queue.changed._waiters)  # type: ignore[attr-defined]


class Thread(threading.Thread):
    """Keeps what the call returned or raised."""

    def __init__(self, call: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._call, self.result, self.error = call, None, None
        self.start()

    def run(self) -> None:
        try:
            self.result = self._call()
        except BaseException as error:
            self.error = error

    def done(self) -> Any:
        self.join(WAIT_S)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error
        return self.result


# Poses and order


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("max_delay_ms", [0.0, 2.0])
def test_cameras_get_the_poses_of_plain_calls_in_order(model: Path, workers: int, max_delay_ms: float) -> None:
    pictures = [cv2.imread(str(path)) for path in sorted(FOLDER.glob("*.jpg"))]
    with PoseEngine(model, threads=1) as engine:
        rng = np.random.default_rng(3)
        jobs: list[list[tuple[np.ndarray, np.ndarray, dict[str, Any]]]] = []
        for camera in range(6):
            frames = []
            for number in range(25):
                frame = pictures[int(rng.integers(len(pictures)))]
                corners = rng.uniform(0, 200, (int(rng.integers(0, 4 if camera else 12)), 2))
                boxes = np.column_stack([corners, corners + rng.uniform(20, 150, corners.shape)]).reshape(-1, 4)
                lens = {"camera": Camera.from_fov(frame.shape[1], frame.shape[0], 60)} if number % 5 == 0 else {}
                frames.append((frame, boxes, lens))
            jobs.append(frames)
        alone = [[engine(frame, boxes, **lens).angles for frame, boxes, lens in frames] for frames in jobs]
        with DynamicBatcher(engine, max_delay_ms=max_delay_ms, max_faces=8, workers=workers) as batcher:
            streams = [batcher.stream(capacity=1 + camera % 3) for camera in range(len(jobs))]

            def produce(stream: CameraStream, frames: list[Any]) -> None:
                for tag, (frame, boxes, lens) in enumerate(frames):
                    assert stream.submit(frame, boxes, tag=tag, **lens)
                stream.close()

            producers = [Thread(lambda s=s, f=f: produce(s, f)) for s, f in zip(streams, jobs, strict=True)]
            consumers = [Thread(lambda s=s: list(s)) for s in streams]
            for producer in producers:
                producer.done()
            for consumer, wanted in zip(consumers, alone, strict=True):
                outcomes = consumer.done()
                assert [outcome.tag for outcome in outcomes] == [outcome.number for outcome in outcomes]
                assert len(outcomes) == len(wanted)
                for outcome, angles in zip(outcomes, wanted, strict=True):
                    np.testing.assert_allclose(outcome.poses.angles, angles, atol=1e-3)
            assert all((stream.submitted, stream.dropped) == (25, 0) for stream in streams)


def test_order_is_kept_where_a_later_batch_ends_first(model: Path) -> None:
    first_may_end, second_ended = threading.Event(), threading.Event()

    class Overtaken(PoseEngine):
        def many(self, requests: Sequence[Request], **options: Any) -> list[Poses]:
            first = int(requests[0].planes[0].flat[0]) == 0
            if first:
                assert first_may_end.wait(WAIT_S)
            found = super().many(requests, **options)
            if not first:
                second_ended.set()
            return found

    with Overtaken(model) as engine, DynamicBatcher(engine, max_delay_ms=0, max_faces=1, workers=2) as batcher:
        stream = batcher.stream(capacity=2)
        submit(stream, 0, 1)
        assert second_ended.wait(WAIT_S)
        until(lambda: stream._queue._begun[1].outcome is not None)
        with pytest.raises(TimeoutError, match="within 0 s"):
            stream.result(0)
        first_may_end.set()
        assert fetch(stream, 2) == [0, 1]


def test_one_worker_calls_another_to_what_it_leaves(engine: GatedEngine) -> None:
    with DynamicBatcher(engine, max_delay_ms=0, max_faces=1, workers=2) as batcher:
        stream = batcher.stream(capacity=2)
        until(lambda: len(batcher._work._waiters) == 2)  # type: ignore[attr-defined]
        with batcher._lock:  # both at once, and one worker is told
            for value in range(2):
                stream._queue.accept(engine.request(picture(value), BOX), value, 0.0)
            batcher._work.notify()
        engine.hold()
        engine.hold()
        engine.let()
        assert fetch(stream, 2) == [0, 1]


def test_a_frame_without_faces_is_answered_in_its_turn(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    engine.let()
    stream = batcher.stream(capacity=4)
    stream.submit(picture(1), BOX, tag=1)
    stream.submit(picture(2), [], tag=2)
    stream.submit(picture(3), BOX, tag=3)
    outcomes = [stream.result(WAIT_S) for _ in range(3)]
    assert [(o.tag, o.number, len(o.poses)) for o in outcomes if o] == [(1, 0, 1), (2, 1, 0), (3, 2, 1)]


# Batches


def test_faces_of_several_cameras_share_a_batch(engine: GatedEngine) -> None:
    """With a delay of an hour nothing runs until enough faces are there."""
    engine.let()
    with DynamicBatcher(engine, max_delay_ms=NEVER_MS, max_faces=3) as batcher:
        streams = [batcher.stream(capacity=4) for _ in range(3)]
        submit(streams[0], 1)
        submit(streams[1], 2)
        assert engine.batches == []
        submit(streams[2], 3)
        assert [fetch(stream, 1) for stream in streams] == [[1], [2], [3]]
        assert engine.batches == [[1, 2, 3]]


def test_a_frame_alone_waits_for_the_delay_only(engine: GatedEngine) -> None:
    engine.let()
    with DynamicBatcher(engine, max_delay_ms=20, max_faces=100) as batcher:
        stream = batcher.stream(capacity=4)
        submit(stream, 1)
        assert fetch(stream, 1) == [1]


def test_full_streams_wait_for_no_delay(engine: GatedEngine) -> None:
    engine.let()
    with DynamicBatcher(engine, max_delay_ms=NEVER_MS, max_faces=100) as batcher:
        streams = [batcher.stream(capacity=1), batcher.stream(capacity=1)]
        submit(streams[0], 1)
        submit(streams[1], 2)
        assert fetch(streams[0], 1) + fetch(streams[1], 1) == [1, 2]
        assert engine.batches == [[1, 2]]


def test_a_closed_stream_is_waited_for_no_more(engine: GatedEngine) -> None:
    engine.let()
    with DynamicBatcher(engine, max_delay_ms=NEVER_MS) as batcher:
        stream = batcher.stream(capacity=4)
        submit(stream, 1)
        until(lambda: len(batcher._work._waiters) == 1)  # type: ignore[attr-defined]
        stream.close()
        assert [outcome.tag for outcome in stream] == [1]


def test_none_starves_beside_a_camera_with_many_faces(engine: GatedEngine) -> None:
    with DynamicBatcher(engine, max_delay_ms=0, max_faces=4) as batcher:
        crowd, small = batcher.stream(capacity=5), batcher.stream(capacity=5)
        for value in range(5):
            crowd.submit(picture(value), BOX * 20, tag=value)
        engine.hold()  # the first frame of the crowd
        submit(small, 100, 101, 102)
        engine.let()
        assert fetch(small, 3) == [100, 101, 102]
    assert engine.batches == [[0], [100], [1], [101], [2], [102], [3], [4]]


def test_max_faces_is_the_engines_own(engine: GatedEngine) -> None:
    engine._batch = 2
    with DynamicBatcher(engine, max_delay_ms=NEVER_MS) as batcher:
        engine.let()
        stream = batcher.stream(capacity=5)
        submit(stream, 1, 2)
        assert fetch(stream, 2) == [1, 2]


# Full streams


def test_blocking_loses_nothing(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    stream = batcher.stream(capacity=2, on_full="block")
    submit(stream, 0)
    engine.hold()
    submit(stream, 1, 2)
    assert stream._queue.full
    late = Thread(lambda: submit(stream, 3))
    until(waiting(stream))
    assert stream.submitted == 3
    engine.let()
    assert late.done() == [True]
    assert fetch(stream, 4) == [0, 1, 2, 3]
    assert (stream.submitted, stream.dropped) == (4, 0)


def test_there_is_room_as_soon_as_a_batch_begins(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    other, stream = batcher.stream(), batcher.stream(capacity=1)
    submit(other, 0)
    engine.hold()
    submit(stream, 1)
    late = Thread(lambda: submit(stream, 2))
    until(waiting(stream))
    engine.let(1)
    engine.hold()
    assert late.done() == [True]
    assert engine.batches == [[0], [1]]


def test_the_oldest_is_dropped(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    stream = batcher.stream(capacity=2, on_full="drop_oldest")
    submit(stream, 0)
    engine.hold()  # what runs is not dropped
    assert submit(stream, 1, 2, 3, 4) == [True] * 4
    assert (stream.submitted, stream.dropped) == (5, 2)
    engine.let()
    outcomes = [stream.result(WAIT_S) for _ in range(3)]
    assert [(o.tag, o.number) for o in outcomes if o] == [(0, 0), (3, 3), (4, 4)]


def test_the_newest_is_dropped(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    stream = batcher.stream(capacity=2, on_full="drop_newest")
    submit(stream, 0)
    engine.hold()
    assert submit(stream, 1, 2, 3, 4) == [True, True, False, False]
    assert (stream.submitted, stream.dropped) == (5, 2)
    engine.let()
    assert fetch(stream, 3) == [0, 1, 2]
    assert submit(stream, 5) == [True]
    outcome = stream.result(WAIT_S)
    assert outcome and (outcome.tag, outcome.number) == (5, 5)


@pytest.mark.parametrize("on_full", ["drop_oldest", "drop_newest"])
def test_outcomes_that_nobody_fetches_are_bounded(batcher: DynamicBatcher, engine: GatedEngine, on_full: Any) -> None:
    engine.let()
    idle, busy = batcher.stream(capacity=3, on_full=on_full), batcher.stream(capacity=3)
    for value in range(200):
        submit(idle, value)
        submit(busy, value)
        assert fetch(busy, 1) == [value]
    until(lambda: all(entry.outcome for entry in idle._queue._begun))
    assert len(idle._queue._begun) == 3 and len(idle._queue._waiting) == 3
    assert idle.dropped == 194
    last = [197, 198, 199] if on_full == "drop_oldest" else None
    idle.close()
    tags = [outcome.tag for outcome in idle]
    assert len(tags) == 6 and (last is None or tags[3:] == last) and tags == sorted(tags)


def test_a_consumer_that_stops_holds_up_its_own_camera(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    engine.let()
    idle, busy = batcher.stream(capacity=1), batcher.stream(capacity=1)
    submit(idle, 1, 2)  # one finished, one waiting
    late = Thread(lambda: submit(idle, 3))
    until(waiting(idle))
    for value in range(20):
        submit(busy, value)
        assert fetch(busy, 1) == [value]
    assert late.is_alive()
    assert fetch(idle, 3) == [1, 2, 3]
    assert late.done() == [True]


# Errors


def test_a_bad_frame_is_its_own_cameras_error(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    good, bad = batcher.stream(capacity=3), batcher.stream(capacity=3)
    submit(good, 0)
    engine.hold()
    submit(good, 1)
    for frame, boxes in ((None, BOX), (picture(9).astype(float), BOX), (picture(9), [[5, 5, 1, 1]])):
        with pytest.raises(InputError):
            bad.submit(frame, boxes)  # type: ignore[arg-type]
    submit(bad, 2)
    engine.let()
    assert fetch(good, 2) == [0, 1] and fetch(bad, 1) == [2]
    assert (bad.submitted, bad.dropped) == (1, 0)


@pytest.mark.parametrize("error", [BackendError("no memory left"), ZeroDivisionError(), SystemExit(3)])
def test_an_error_of_the_engine_is_that_batchs_alone(engine: GatedEngine, error: BaseException) -> None:
    engine.errors.append(error)
    with DynamicBatcher(engine, max_delay_ms=NEVER_MS, max_faces=2) as batcher:
        streams = [batcher.stream(capacity=4), batcher.stream(capacity=4)]
        for value in range(4):
            submit(streams[value % 2], value)
        engine.let()
        failed = [stream.result(WAIT_S) for stream in streams]
        raised = []
        for value, outcome in enumerate(failed):
            assert outcome is not None and outcome.tag == value
            with pytest.raises(BackendError, match=str(error) or type(error).__name__) as caught:
                _ = outcome.poses
            assert caught.value is outcome.error and outcome.error.__cause__ is error
            raised.append(outcome.error)
        assert raised[0] is not raised[1]
        assert fetch(streams[0], 1) + fetch(streams[1], 1) == [2, 3]


def test_an_engine_closed_underneath_is_said(model: Path) -> None:
    engine = PoseEngine(model)
    with DynamicBatcher(engine, max_delay_ms=0) as batcher:
        stream = batcher.stream()
        engine.close()
        submit(stream, 1)
        outcome = stream.result(WAIT_S)
        assert outcome is not None
        with pytest.raises(BackendError, match="engine is closed"):
            _ = outcome.poses


def test_the_engine_is_the_callers(engine: GatedEngine) -> None:
    engine.let()
    with DynamicBatcher(engine, max_delay_ms=0):
        assert len(engine(picture(1), BOX)) == 1
    assert len(engine(picture(1), BOX)) == 1


def test_wrong_arguments(engine: GatedEngine, batcher: DynamicBatcher) -> None:
    for options in (
        {"max_delay_ms": -1},
        {"max_delay_ms": float("nan")},
        {"max_delay_ms": float("inf")},
        {"max_delay_ms": "5"},
        {"max_faces": 0},
        {"max_faces": 2.0},
        {"workers": 0},
    ):
        with pytest.raises(InputError, match=next(iter(options))):
            DynamicBatcher(engine, **options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="PoseEngine"):
        DynamicBatcher("model.onnx")  # type: ignore[arg-type]
    for options in ({"capacity": 0}, {"on_full": "leak"}):
        with pytest.raises(InputError, match=next(iter(options))):
            batcher.stream(**options)  # type: ignore[arg-type]


# Memory


@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("fails", [False, True])
def test_frames_are_let_go_when_their_outcome_is_there(
    batcher: DynamicBatcher, engine: GatedEngine, fails: bool, tagged: bool
) -> None:
    if fails:
        engine.errors.append(BackendError("no"))
    stream = batcher.stream(capacity=2)
    frame = picture(5)
    gone = weakref.ref(frame)
    stream.submit(frame, BOX, tag=frame if tagged else None)
    engine.hold()
    del frame
    gc.collect()
    assert gone() is not None
    engine.let()
    outcome = stream.result(WAIT_S)
    assert outcome is not None and (outcome.error is not None) is fails
    if tagged:
        assert outcome.tag is gone()
        del outcome
    until(lambda: gc.collect() >= 0 and gone() is None)


def test_dropped_frames_are_let_go(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    stream = batcher.stream(capacity=1, on_full="drop_oldest")
    submit(stream, 0)
    engine.hold()
    frame = picture(1)
    gone = weakref.ref(frame)
    stream.submit(frame, BOX)
    del frame
    submit(stream, 2)
    gc.collect()
    assert gone() is None


def test_cameras_may_come_and_go(engine: GatedEngine) -> None:
    engine.let(100_000)
    with DynamicBatcher(engine, max_delay_ms=0) as batcher:
        for value in range(200):
            stream = batcher.stream()
            submit(stream, value % 256)
            if value % 2:
                assert fetch(stream, 1) == [value % 256]
            stream.close()
            until(lambda queue=stream._queue: queue.idle)
            assert len(batcher._schedule._queues) <= 1
    assert len(batcher._schedule._queues) <= 1


# The end


def test_close_finishes_what_was_taken(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    """More than the streams would run with nobody fetching."""
    streams = [batcher.stream(capacity=2), batcher.stream(capacity=2)]
    submit(streams[0], 0)
    engine.hold()
    submit(streams[0], 1, 2)
    submit(streams[1], 10, 11)
    blocked = Thread(lambda: submit(streams[1], 12))
    until(waiting(streams[1]))
    closing = [Thread(batcher.close) for _ in range(3)]
    with pytest.raises(BackendError, match="closed"):
        blocked.done()
    assert all(thread.is_alive() for thread in closing)
    with pytest.raises(BackendError, match="closed"):
        submit(streams[0], 3)
    engine.let()
    for thread in closing:
        thread.done()
    batcher.close()
    assert [[outcome.tag for outcome in stream if len(outcome.poses) == 1] for stream in streams] == [
        [0, 1, 2],
        [10, 11],
    ]
    assert [stream.result() for stream in streams] == [None, None]
    assert [stream.dropped for stream in streams] == [0, 0]
    with pytest.raises(BackendError, match="closed"):
        batcher.stream()
    assert not any(thread.is_alive() for thread in batcher._threads)


def test_closing_without_draining_drops_what_waits(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    stream = batcher.stream(capacity=2)
    submit(stream, 0)
    engine.hold()
    submit(stream, 1, 2)
    consumer = Thread(lambda: [outcome.tag for outcome in stream])
    closing = Thread(lambda: batcher.close(drain=False))
    until(lambda: stream.dropped == 2)
    engine.let()
    closing.done()
    assert consumer.done() == [0]
    assert stream.submitted == 3


def test_a_consumer_waits_for_what_still_runs(batcher: DynamicBatcher, engine: GatedEngine) -> None:
    stream = batcher.stream()
    submit(stream, 0)
    engine.hold()
    consumers = [Thread(lambda: [outcome.tag for outcome in stream]) for _ in range(3)]
    stream.close()
    until(lambda: len(stream._queue.changed._waiters) == 3)  # type: ignore[attr-defined]
    engine.let()
    assert sorted(consumer.done() for consumer in consumers) == [[], [], [0]]


def test_a_consumer_of_nothing_ends(batcher: DynamicBatcher) -> None:
    stream, other = batcher.stream(), batcher.stream()
    consumers = [Thread(lambda s=s: list(s)) for s in (stream, other)]
    until(waiting(stream))
    until(waiting(other))
    stream.close()
    assert consumers[0].done() == []
    assert consumers[1].is_alive()
    batcher.close()
    assert consumers[1].done() == []


def test_leaving_by_an_exception_waits_for_the_running_batch_only(engine: GatedEngine) -> None:
    with pytest.raises(RuntimeError, match="bad luck"), DynamicBatcher(engine, max_delay_ms=0) as batcher:
        stream = batcher.stream(capacity=4)
        submit(stream, 0)
        engine.hold()
        submit(stream, 1, 2)
        opener = Thread(lambda: (until(lambda: not batcher._open), engine.let()))
        raise RuntimeError("bad luck")
    opener.done()
    assert [outcome.tag for outcome in stream] == [0] and stream.dropped == 2


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="sends a signal to a thread")
@pytest.mark.parametrize("where", ["submit", "result", "close"])
def test_ctrl_c_interrupts_every_wait(batcher: DynamicBatcher, engine: GatedEngine, where: str) -> None:
    stream = batcher.stream(capacity=1)
    submit(stream, 0)
    engine.hold()
    submit(stream, 1)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        until(waiting(stream) if where != "close" else lambda: not batcher._open)
        signal.pthread_kill(main, signal.SIGINT)

    helper = Thread(interrupt)
    call = {"submit": lambda: submit(stream, 2), "result": stream.result, "close": batcher.close}[where]
    with pytest.raises(KeyboardInterrupt):
        call()
    helper.done()
    engine.let()
    batcher.close()
    assert [outcome.tag for outcome in stream] == [0, 1]


@pytest.mark.parametrize("forgotten", ["waiting", "consumer"])
def test_a_batcher_that_nobody_closes_keeps_no_process_alive(model: Path, forgotten: str) -> None:
    script = f"""
import threading, numpy as np
from hpe_edge import DynamicBatcher, PoseEngine
batcher = DynamicBatcher(PoseEngine({str(model)!r}), max_delay_ms=1e6)
stream = batcher.stream(capacity=4)
stream.submit(np.zeros((64, 64, 3), np.uint8), [[8, 8, 56, 56]])
if {forgotten == "consumer"}:
    threading.Thread(target=lambda: list(stream), daemon=True).start()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=WAIT_S * 2)


@pytest.mark.parametrize("seed", range(4))
def test_nothing_hangs_whatever_comes(model: Path, seed: int) -> None:
    """Cameras and consumers at random, and an end at some moment: every frame that was taken is accounted for."""
    rng = np.random.default_rng(seed)
    with PoseEngine(model, threads=1) as engine:
        batcher = DynamicBatcher(
            engine,
            max_delay_ms=float(rng.choice([0, 1, NEVER_MS])),
            max_faces=int(rng.integers(1, 12)),
            workers=int(rng.integers(1, 4)),
        )
        policies = ["block", "drop_oldest", "drop_newest"]
        streams = [
            batcher.stream(capacity=int(rng.integers(1, 4)), on_full=policies[camera % 3])  # type: ignore[arg-type]
            for camera in range(6)
        ]
        taken = [0] * len(streams)

        def produce(camera: int) -> None:
            own = np.random.default_rng([seed, camera])
            try:
                for value in range(200):
                    boxes = BOX * int(own.integers(0, 5))
                    taken[camera] += streams[camera].submit(picture(value), boxes, tag=(value, len(boxes)))
            except BackendError:
                pass

        producers = [Thread(lambda c=c: produce(c)) for c in range(len(streams))]
        consumers = [Thread(lambda s=s: list(s)) for s in streams[1:]]  # nobody fetches from the first
        until(lambda: sum(stream.submitted for stream in streams) >= 300)
        streams[1].close()
        drain = bool(seed % 2)
        batcher.close(drain=drain)
        for producer in producers:
            producer.done()
        outcomes = [list(streams[0]), *(consumer.done() for consumer in consumers)]
    for camera, (stream, found) in enumerate(zip(streams, outcomes, strict=True)):
        numbers = [outcome.number for outcome in found]
        assert numbers == sorted(set(numbers))
        assert len(found) + stream.dropped == stream.submitted
        assert all(len(outcome.poses) == outcome.tag[1] for outcome in found)
        if policies[camera % 3] == "block" and drain:
            assert len(found) == taken[camera] == stream.submitted and stream.dropped == 0
