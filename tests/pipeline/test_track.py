"""track(): the results of `hpe-edge run` as an iterator, and every way to end it."""

from __future__ import annotations

import csv
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from media import write_picture, write_video
from tiny_model import write_tiny_model

from hpe_edge import Detections, InputError, PoseEngine, SourceError, track
from hpe_edge.cli.main import main
from hpe_edge.sources.frame import Frame

BOX = np.float32([[30, 20, 60, 50]])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")


@pytest.fixture
def engine(model: Path) -> PoseEngine:
    return PoseEngine(model, threads=1)


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert {thread for thread in threading.enumerate() if thread.name != "tqdm_monitor"} <= before


def face(frame_bgr: np.ndarray) -> Detections:
    return Detections.from_boxes(BOX, [0.9])


class Endless:
    """A camera that is read until it is closed."""

    kind, name, count, fps, live = "video", "fake", None, 30.0, True

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        index = 0
        while not self.closed.wait(0.001):
            yield Frame("fake", index, index / 30, np.zeros((64, 96, 3), np.uint8))
            index += 1

    def close(self) -> None:
        self.closed.set()


def test_every_frame_of_a_video_comes_in_order(tmp_path: Path, engine: PoseEngine) -> None:
    video = write_video(tmp_path / "v.mp4", frames=12)
    results = list(track(video, engine, detector=face))
    assert [result.frame.index for result in results] == list(range(12))
    assert [result.time_s for result in results] == pytest.approx([i / 10 for i in range(12)])
    assert all(result.ids.tolist() == [0] and result.image.shape == (64, 96, 3) for result in results)
    np.testing.assert_array_equal(results[0].boxes, BOX)


@pytest.mark.parametrize("options", [{}, {"smooth": True, "detect_every": 3}, {"tracked": False}])
def test_the_command_line_gives_the_same(
    tmp_path: Path, model: Path, engine: PoseEngine, monkeypatch: pytest.MonkeyPatch, options: dict[str, object]
) -> None:
    video, boxes = write_video(tmp_path / "v.mp4", frames=12), tmp_path / "boxes.csv"
    boxes.write_text("frame,x1,y1,x2,y2\n" + "".join(f"{i},{30 + i},20,{60 + i},50\n" for i in range(12)))
    monkeypatch.chdir(tmp_path)
    words = ["run", str(video), "--model", str(model), "--csv", "o.csv"]
    if options.get("detect_every"):
        monkeypatch.setattr("hpe_edge.pipeline.opening.find_by", lambda detector: lambda frame: face(frame.image))
        words += ["--smooth", "--detect-every", "3"]
        given = {"detector": face}
    else:
        words += ["--boxes", str(boxes)]
        given = {"boxes": boxes}
    if options.get("tracked") is False:
        words += ["--no-track"]
    assert main(words) == 0
    with (tmp_path / "o.csv").open() as file:
        rows = list(csv.DictReader(file))
    results = list(track(video, engine, **given, **options))  # type: ignore[arg-type]
    angles = np.concatenate([result.poses.angles for result in results])
    np.testing.assert_allclose(
        [[float(r[f"{k}_deg"]) for k in ("yaw", "pitch", "roll")] for r in rows], angles, atol=6e-4
    )
    ids = [identity for result in results for identity in result.ids.tolist()]
    assert [int(row["track"] or -1) for row in rows] == ids


def test_pictures_come_without_identities(tmp_path: Path, engine: PoseEngine) -> None:
    for name in ("a.png", "b.png"):
        write_picture(tmp_path / name)
    results = list(track(tmp_path, engine, detector=face))
    assert [result.frame.name for result in results] == ["a.png", "b.png"]
    assert all(result.ids.tolist() == [-1] and np.isnan(result.time_s) for result in results)


def test_frames_end_it(tmp_path: Path, engine: PoseEngine) -> None:
    source = Endless()
    assert len(list(track(source, engine, detector=face, frames=5))) == 5
    assert source.closed.is_set()


def test_leaving_the_loop_ends_the_threads_and_the_source(engine: PoseEngine) -> None:
    source = Endless()
    for _ in track(source, engine, detector=face):
        break
    gc.collect()
    assert source.closed.is_set()


def test_a_block_ends_it_and_a_closed_one_gives_nothing(engine: PoseEngine) -> None:
    source = Endless()
    with track(source, engine, detector=face) as results:
        next(results)
    assert source.closed.is_set() and list(results) == []
    results.close()


def test_an_iterator_that_was_never_read_closes_its_source(engine: PoseEngine) -> None:
    source = Endless()
    track(source, engine, detector=face).close()
    assert source.closed.is_set()


def test_an_engine_of_the_callers_stays_open(engine: PoseEngine) -> None:
    with track(Endless(), engine, detector=face) as results:
        next(results)
    assert len(engine(np.zeros((64, 64, 3), np.uint8), BOX)) == 1


def test_a_failing_detector_raises_after_the_results_before_it(tmp_path: Path, engine: PoseEngine) -> None:
    video = write_video(tmp_path / "v.mp4", frames=12)
    calls = iter(range(100))

    def fails(frame_bgr: np.ndarray) -> Detections:
        if next(calls) == 4:
            raise ValueError("no more")
        return face(frame_bgr)

    results = track(video, engine, detector=fails)
    with pytest.raises(ValueError, match="no more"):
        for _ in range(100):
            next(results)
    assert next(results, None) is None


def test_a_slow_caller_loses_no_frame_of_a_file_and_gets_the_newest_of_a_camera(
    tmp_path: Path, engine: PoseEngine
) -> None:
    video = write_video(tmp_path / "v.mp4", frames=12)
    indices = []
    for result in track(video, engine, detector=face):
        indices.append(result.frame.index)
        time.sleep(0.01)
    assert indices == list(range(12))
    with track(Endless(), engine, detector=face) as results:
        next(results)
        time.sleep(0.3)
        later = [next(results).frame.index for _ in range(3)]
    assert later == sorted(later) and later[0] > 20


def test_doubtful_faces_stay_unless_they_are_dropped(tmp_path: Path, model: Path) -> None:
    video, engine = write_video(tmp_path / "v.mp4", frames=4), PoseEngine(model, threads=1, max_sigma=0.1)
    assert [result.poses.doubtful.tolist() for result in track(video, engine, detector=face)] == [[True]] * 4
    assert [len(result.poses) for result in track(video, engine, detector=face, drop_doubtful=True)] == [0] * 4


def test_boxes_of_a_file_are_checked_and_converted(tmp_path: Path, engine: PoseEngine) -> None:
    photo, boxes = write_picture(tmp_path / "a.png"), tmp_path / "b.csv"
    boxes.write_text("file,x1,y1,x2,y2\na.png,0.2,0.2,0.5,0.6\n")
    with pytest.raises(InputError, match="fractions"):
        list(track(photo, engine, boxes=boxes))
    boxes.write_text("file,x1,y1,x2,y2\na.png,30,20,60,50\n")
    (result,) = track(photo, engine, boxes=boxes, boxes_from="yunet")
    assert 0.6 < (result.boxes[0, 3] - result.boxes[0, 1]) / 30 < 0.9


@pytest.mark.parametrize(
    ("options", "error", "fragment"),
    [
        ({"smooth": True}, InputError, "smooth"),
        ({"detect_every": 2}, InputError, "detect_every"),
        ({"detect_every": 0}, InputError, "detect_every"),
        ({"frames": 0}, InputError, "frames"),
        ({"boxes": "nowhere.csv", "detector": None}, SourceError, "nowhere.csv"),
        ({"boxes": "nowhere.csv"}, InputError, "exclude"),
        ({"min_score": 0.5}, InputError, "min_score"),
        ({"boxes": "b.csv", "detector": None, "boxes_from": "nobody"}, InputError, "nobody"),
    ],
)
def test_wrong_arguments_are_refused_at_once(
    tmp_path: Path,
    engine: PoseEngine,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    error: type[Exception],
    fragment: str,
) -> None:
    photo = write_picture(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    Path("b.csv").write_text("file,x1,y1,x2,y2\na.png,30,20,60,50\n")
    with pytest.raises(error, match=fragment):
        track(photo, engine, **{"detector": face, **options})  # type: ignore[arg-type]


def test_a_missing_source_is_refused_at_once(engine: PoseEngine) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.mp4"):
        track("nowhere.mp4", engine)


def test_ctrl_c_interrupts_the_caller(tmp_path: Path, model: Path) -> None:
    """In a process of its own: a signal while the caller waits for a frame that does not come."""
    code = f"""
import os, signal, threading, numpy as np, hpe_edge
class Silent:
    kind, name, count, fps, live, notes = "video", "silent", None, 30.0, True, []
    closed = threading.Event()
    def __iter__(self):
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        self.closed.wait()
        return iter(())
    def close(self): self.closed.set()
try:
    for _ in hpe_edge.track(Silent(), hpe_edge.PoseEngine({str(model)!r}), detector=lambda f: None): pass
except KeyboardInterrupt:
    print("interrupted", Silent.closed.is_set())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 and "interrupted" in done.stdout, done.stderr


class _Scheduled:
    """A detector with a schedule for videos; counts the calls of either."""

    def __init__(self) -> None:
        self.whole, self.of_video = 0, 0

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        self.whole += 1
        return face(frame_bgr)

    def for_video(self) -> Callable[[np.ndarray], Detections]:
        def find(frame_bgr: np.ndarray) -> Detections:
            self.of_video += 1
            return face(frame_bgr)

        return find


@pytest.mark.parametrize(("detect_every", "whole", "of_video"), [(1, 0, 4), (2, 2, 0)])
def test_a_detector_may_have_a_schedule_for_the_frames_of_a_video(
    tmp_path: Path, engine: PoseEngine, detect_every: int, whole: int, of_video: int
) -> None:
    detector = _Scheduled()
    clip = write_video(tmp_path / "clip.avi", frames=4)
    assert len(list(track(clip, engine, detector=detector, detect_every=detect_every))) == 4
    assert (detector.whole, detector.of_video) == (whole, of_video)


def test_the_schedule_gets_one_frame_at_a_time(
    tmp_path: Path, engine: PoseEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On many cores, too: it follows faces from frame to frame."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))
    inside, most = 0, 0

    class Slow:
        def __call__(self, frame_bgr: np.ndarray) -> Detections:
            nonlocal inside, most
            inside += 1
            most = max(most, inside)
            time.sleep(0.01)
            inside -= 1
            return face(frame_bgr)

    class SlowWithSchedule(Slow):
        def for_video(self) -> Slow:
            return Slow()

    clip = write_video(tmp_path / "clip.avi", frames=8)
    assert len(list(track(clip, engine, detector=SlowWithSchedule()))) == 8 and most == 1
    assert len(list(track(clip, engine, detector=Slow()))) == 8 and most > 1


def test_pictures_are_searched_whole(tmp_path: Path, engine: PoseEngine) -> None:
    detector = _Scheduled()
    for number in range(2):
        write_picture(tmp_path / f"{number}.png", seed=number)
    assert len(list(track(tmp_path, engine, detector=detector))) == 2
    assert (detector.whole, detector.of_video) == (2, 0)
