"""The pipeline: order, ends of every kind, and what becomes of its threads."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from signal import Signals

import numpy as np
import pytest
from tiny_model import write_tiny_model

from hpe_edge import PoseEngine
from hpe_edge.camera import Camera
from hpe_edge.errors import OutputError, SourceError
from hpe_edge.faces.detector import Detections
from hpe_edge.faces.smoother import PoseSmoother
from hpe_edge.faces.tracker import Tracker
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.pipeline.frame_step import Analysis
from hpe_edge.pipeline.pipeline import Pipeline, Report
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sources.frame import Frame
from hpe_edge.util.signals import StopSignals

BOX = np.float32([[30, 20, 60, 50]])


class FakeSource:
    """So many frames, each with its index as its grey level."""

    kind, name, count, fps = "video", "fake", None, 10.0

    def __init__(
        self, frames: float, *, live: bool = False, before: Callable[[int], None] = lambda index: None
    ) -> None:
        self.live, self.notes = live, []
        self.closed = 0
        self._frames, self._before = frames, before

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while index < self._frames and not (self.closed and self.live):
            self._before(index)
            yield Frame("fake", index, index / 10, np.full((64, 96, 3), index % 251, np.uint8))
            index += 1

    def close(self) -> None:
        self.closed += 1


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> PoseEngine:
    return PoseEngine(write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx"), threads=1)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) == before


def found(frame: Frame) -> Detections:
    return Detections.from_boxes(BOX, np.float32([0.9]))


class Taken:
    """Takes results and remembers what is to be checked."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.results: list[Result] = []

    def __call__(self, result: Result, watch: Stopwatch) -> None:
        assert result.frame.image.max() == result.frame.index % 251
        self.indices.append(result.frame.index)
        self.results.append(result)


def run(
    source: FakeSource,
    engine: PoseEngine,
    take: Callable[[Result, Stopwatch], None],
    *,
    find: Callable[[Frame], Detections] = found,
    stop: StopSignals | None = None,
    tick: Callable[[], bool] = lambda: False,
    analysis: Callable[..., Result] | None = None,
    **options: int,
) -> Report:
    pipeline = Pipeline(source, find, analysis or Analysis(engine), take, Stopwatch(), **options)
    return pipeline.run(stop or StopSignals(), tick)


@pytest.mark.parametrize("workers", [1, 3])
def test_every_frame_once_and_in_order(engine: PoseEngine, workers: int) -> None:
    pauses = np.random.default_rng(0).random(300) / 1000

    def find(frame: Frame) -> Detections:
        time.sleep(pauses[frame.index])
        return found(frame)

    taken, source = Taken(), FakeSource(300)
    report = run(source, engine, taken, find=find, detect_workers=workers)
    assert taken.indices == list(range(300)) and source.closed == 1
    assert (report.frames, report.faces, report.dropped, report.stopped) == (300, 300, 0, None)


def test_no_queue_grows(engine: PoseEngine) -> None:
    """The writer is the slowest, and the reader is never far ahead of it."""
    read, ahead = [0], []

    def take(result: Result, watch: Stopwatch) -> None:
        time.sleep(0.002)
        ahead.append(read[0] - result.frame.index)

    run(FakeSource(100, before=lambda index: read.__setitem__(0, index)), engine, take, detect_workers=2)
    assert max(ahead) <= 3 * 3 + 5  # three queues of three, and what five threads hold


def test_a_live_source_is_not_waited_for(engine: PoseEngine) -> None:
    """It gives 200 frames as fast as it can; of those that come meanwhile the newest is taken."""
    taken = Taken()

    def find(frame: Frame) -> Detections:
        time.sleep(0.005)
        return found(frame)

    report = run(FakeSource(200, live=True, before=lambda index: time.sleep(0.0005)), engine, taken, find=find)
    assert taken.indices == sorted(set(taken.indices)) and taken.indices[-1] == 199
    assert report.dropped > 0 and report.frames + report.dropped == 200


def test_times_of_threads_add_up(engine: PoseEngine) -> None:
    """Each thread worked or waited; what is between is bookkeeping."""

    def take(result: Result, watch: Stopwatch) -> None:
        with watch.stage("write", result.frame.index):
            time.sleep(0.01)

    report = run(FakeSource(200, before=lambda index: time.sleep(0.001)), engine, take)
    watch = report.watch
    for thread in ("read", "detect", "pose", "write"):
        alive_s = watch.alive_s[thread]
        assert watch.busy_s[thread] + watch.waited_s[thread] == pytest.approx(alive_s, rel=0.05), thread
        assert alive_s == pytest.approx(report.total_s, rel=0.15)  # the first in line end first
    assert {stage: times.count for stage, times in watch.stages.items()} == {
        **dict.fromkeys(("detect", "track", "crop", "infer", "decode", "write"), 200),
        "read": 201,  # the last finds nothing
    }
    assert watch.stages["write"].percentile_s(50) >= 0.01


def test_frame_limit_does_not_wait_for_one_more(engine: PoseEngine) -> None:
    def before(index: int) -> None:
        if index == 10:  # that many are needed to fill all queues
            gate.wait(30)

    gate, taken = threading.Event(), Taken()
    source = FakeSource(math.inf, live=False, before=before)
    source.close = gate.set
    assert run(source, engine, taken, frame_limit=4).frames == 4
    assert taken.indices == [0, 1, 2, 3]


def test_a_signal_ends_a_source_that_gives_nothing(engine: PoseEngine) -> None:
    gate, taken, stop = threading.Event(), Taken(), StopSignals()

    def before(index: int) -> None:
        if index == 5:
            gate.wait(30)

    def tick() -> bool:
        if taken.indices == [0, 1, 2, 3, 4]:
            stop.received = Signals.SIGTERM
        return False

    source = FakeSource(math.inf, live=True, before=before)
    close = source.close
    source.close = lambda: (close(), gate.set())
    source.live = False  # nothing is left out
    report = run(source, engine, taken, stop=stop, tick=tick)
    assert report.stopped is Signals.SIGTERM and taken.indices == [0, 1, 2, 3, 4]


def test_a_tick_can_end_the_run(engine: PoseEngine) -> None:
    taken = Taken()
    report = run(FakeSource(math.inf), engine, taken, tick=lambda: len(taken.indices) > 20)
    assert report.stopped is None and report.frames == len(taken.indices) > 20


@pytest.mark.parametrize("where", ["read", "detect", "pose", "write", "tick"])
def test_an_error_anywhere_surfaces_once(engine: PoseEngine, where: str) -> None:
    def check(place: str, index: int) -> None:
        if place == where and index == 20:
            raise OutputError(f"bad luck in {place}")

    def find(frame: Frame) -> Detections:
        check("detect", frame.index)
        return found(frame)

    def estimate(frame: Frame, faces: Detections | None, watch: Stopwatch) -> Result:
        check("pose", frame.index)
        return analysis(frame, faces, watch)

    def take(result: Result, watch: Stopwatch) -> None:
        taken.append(result.frame.index)
        check("write", result.frame.index)

    def tick() -> bool:
        if len(taken) > 20:
            check("tick", 20)
        return False

    analysis, taken = Analysis(engine), []
    source = FakeSource(math.inf, before=lambda index: check("read", index))
    with pytest.raises(OutputError, match=f"^bad luck in {where}$"):
        run(source, engine, take, find=find, analysis=estimate, tick=tick)
    assert source.closed == 1 and (where in ("write", "tick") or len(taken) <= 20)


def test_ctrl_c_in_the_calling_thread(engine: PoseEngine) -> None:
    def tick() -> bool:
        raise KeyboardInterrupt

    source = FakeSource(math.inf)
    with pytest.raises(KeyboardInterrupt):
        run(source, engine, Taken(), tick=tick)
    assert source.closed == 1


def test_a_source_without_frames(engine: PoseEngine) -> None:
    report = run(FakeSource(0), engine, Taken())
    assert (report.frames, report.faces) == (0, 0)

    def before(index: int) -> None:
        raise SourceError("not a single one")

    with pytest.raises(SourceError, match="not a single one"):
        run(FakeSource(1, before=before), engine, Taken())


def test_detect_every_and_follow_in_between(engine: PoseEngine) -> None:
    """A face that moves by 2 pixels a frame is looked for in one frame out of four."""
    looked: list[int] = []

    def find(frame: Frame) -> Detections:
        looked.append(frame.index)
        return Detections.from_boxes(BOX + 2 * np.float32(frame.index), np.float32([0.9]))

    taken = Taken()
    run(FakeSource(40), engine, taken, find=find, analysis=Analysis(engine, tracker=Tracker()), detect_every=4)
    assert looked == list(range(0, 40, 4)) and taken.indices == list(range(40))
    assert {tuple(result.ids) for result in taken.results} == {(0,)}
    for result in taken.results[20:]:
        np.testing.assert_allclose(result.boxes, BOX + 2 * result.frame.index, atol=2.5)
        assert np.isnan(result.scores[0]) == bool(result.frame.index % 4)


def test_given_boxes_are_kept_and_found_ones_steadied(engine: PoseEngine, rng: np.random.Generator) -> None:
    trembling = BOX + rng.normal(0, 0.5, (60, 1, 4)).astype(np.float32)
    for keep in (True, False):
        taken = Taken()
        analysis = Analysis(engine, tracker=Tracker(), keep_boxes=keep)
        find = lambda frame: Detections.from_boxes(trembling[frame.index], np.float32([0.9]))  # noqa: E731
        run(FakeSource(60), engine, taken, find=find, analysis=analysis)
        boxes = np.stack([result.boxes for result in taken.results])
        if keep:
            np.testing.assert_array_equal(boxes, trembling)
        else:
            assert np.diff(boxes[10:], axis=0).std() < 0.8 * np.diff(trembling[10:], axis=0).std()


def test_smoothing_and_camera_reach_the_poses(engine: PoseEngine) -> None:
    camera = Camera(50, 50, 48, 32)
    sizes: list[tuple[int, int]] = []

    def camera_of(width: int, height: int) -> Camera:
        sizes.append((width, height))
        return camera

    plain, rectified, smoothed = Taken(), Taken(), Taken()
    run(FakeSource(6), engine, plain)
    run(FakeSource(6), engine, rectified, analysis=Analysis(engine, camera_of=camera_of))
    run(FakeSource(6), engine, smoothed, analysis=Analysis(engine, tracker=Tracker(), smoother=PoseSmoother()))
    assert sizes == [(96, 64)]
    for index in range(6):
        image = plain.results[index].frame.image
        np.testing.assert_array_equal(plain.results[index].poses.angles, engine(image, BOX).angles)
        np.testing.assert_array_equal(rectified.results[index].poses.angles, engine(image, BOX, camera=camera).angles)
        assert rectified.results[index].camera is camera
    turned = [np.abs(np.diff([r.poses.angles for r in taken.results], axis=0)).max() for taken in (plain, smoothed)]
    assert turned[1] < turned[0]


def test_200_faces_and_none(engine: PoseEngine) -> None:
    boxes = np.float32([[x, y, x + 4, y + 4] for x in range(0, 80, 4) for y in range(0, 40, 4)])
    counts = {0: boxes[:0], 1: boxes, 2: boxes[:1]}

    def find(frame: Frame) -> Detections:
        return Detections.from_boxes(counts[frame.index], np.full(len(counts[frame.index]), 0.9, np.float32))

    taken = Taken()
    analysis = Analysis(engine, tracker=Tracker(), smoother=PoseSmoother())
    report = run(FakeSource(3), engine, taken, find=find, analysis=analysis)
    assert [len(result.poses) for result in taken.results] == [0, 200, 1] and report.faces == 201
    assert np.isfinite(taken.results[1].poses.angles).all()


def rss_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])


def test_a_long_run_leaves_memory_and_files_as_they_were(engine: PoseEngine) -> None:
    """3,000 frames once everything is warm; kept, they would take 55 MB. The rest of the process moves by some MB."""
    if not Path("/proc/self/status").exists():
        pytest.skip("memory is read from /proc")

    def take(result: Result, watch: Stopwatch) -> None:
        if result.frame.index in (1000, 3999):
            sizes.append(rss_kb())

    sizes: list[int] = []
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    analysis = Analysis(engine, tracker=Tracker(), smoother=PoseSmoother())
    run(FakeSource(4000), engine, take, analysis=analysis, detect_workers=2)
    assert sizes[1] - sizes[0] < 20_000 and len(list(Path("/proc/self/fd").iterdir())) == open_before
