"""The stopwatch of a run, and its picture."""

from __future__ import annotations

import math
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from hpe_edge.errors import InputError
from hpe_edge.pipeline.stopwatch import Span, StageTimes, Stopwatch
from hpe_edge.sinks.trace import TimelineFile, draw_timeline


def test_percentiles_are_numpys(rng: np.random.Generator) -> None:
    seconds = rng.lognormal(-5, 1.5, 5000)
    times = StageTimes()
    for one in seconds:
        times.add(one)
    assert times.count == 5000 and times.total_s == pytest.approx(seconds.sum())
    for percent in (1, 50, 95, 99, 100):
        expected = np.percentile(seconds, percent, method="inverted_cdf")
        assert times.percentile_s(percent) == pytest.approx(expected, rel=0.011)


def test_durations_beyond_all_bounds_and_none() -> None:
    times = StageTimes()
    assert math.isnan(times.percentile_s(50))
    for one in (0.0, -1e-9, 1e9):
        times.add(one)
    assert times.percentile_s(50) == pytest.approx(1e-6, rel=0.02) and times.percentile_s(99) > 9000


def test_stages_of_many_threads_are_counted_once_each() -> None:
    watch = Stopwatch()

    def work() -> None:
        for index in range(2000):
            with watch.stage("work", index), watch.waiting():
                pass

    threads = [threading.Thread(target=work, name=f"work {n}") for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert watch.stages["work"].count == 8000
    assert sorted(watch.busy_s) == sorted(watch.waited_s) == [f"work {n}" for n in range(4)]
    assert sum(watch.busy_s.values()) == pytest.approx(watch.stages["work"].total_s)


def test_memory_does_not_grow_with_the_run() -> None:
    watch = Stopwatch()
    for index in range(20_000):
        with watch.stage("work", index):
            pass
    assert len(watch.spans) < 20_000 and watch.spans[-1].frame == 19_999


def colored(image: np.ndarray, row: int, column: float) -> bool:
    """True if a bar is there; rows are threads, columns run from 0 to 1 over the time shown."""
    pixel = image[90 + 70 * row + 8, round(110 + column * (1600 - 110 - 30))].astype(int)
    return int(pixel.max() - pixel.min()) > 30


def test_timeline_shows_who_worked_when() -> None:
    spans = [
        Span("detect", "detect", 10.0, 10.4, 0),
        Span("read", "read", 10.0, 10.1, 1),
        Span("read", "read", 10.9, 11.0, 2),
        Span("detect", "detect", 5.0, 6.0, -1),  # before the last second
    ]
    image = draw_timeline(spans)
    assert [colored(image, 0, at) for at in (0.05, 0.5, 0.95)] == [True, False, True]  # reading comes first
    assert [colored(image, 1, at) for at in (0.05, 0.35, 0.5)] == [True, True, False]


def test_timeline_file(tmp_path: Path) -> None:
    watch = Stopwatch()
    sink = TimelineFile(tmp_path / "t.png", watch)
    for name in ("read", "track", "write"):
        with watch.stage(name, 0):
            pass
    sink.finish()
    sink.pending.commit()
    assert cv2.imread(str(tmp_path / "t.png")).shape == (90 + 70 + 60, 1600, 3)  # one thread did it all
    with pytest.raises(InputError, match="a timeline is a PNG file"):
        TimelineFile(tmp_path / "t.jpg", watch)
    assert draw_timeline([]).shape[1] == 1600
