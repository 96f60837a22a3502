"""A file as a camera: frames at their own times, on a clock of the test's."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from hpe_edge.sources import frame as frame_module
from hpe_edge.sources.frame import Frame, Realtime

IMAGE = np.zeros((4, 4, 3), np.uint8)


class File:
    kind, name, live, count, fps = "video", "clip.mp4", False, 4, 10.0

    def __init__(self, *times_s: float) -> None:
        self.notes, self.times_s, self.closed = [], times_s, 0

    def __iter__(self) -> Iterator[Frame]:
        return (Frame(self.name, index, time_s, IMAGE) for index, time_s in enumerate(self.times_s))

    def close(self) -> None:
        self.closed += 1


class Clock:
    """Moves while somebody waits, and by ``work_s`` for every frame."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 50.0
        self.waits: list[float] = []
        monkeypatch.setattr(frame_module.time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(threading.Event, "wait", self.wait)

    def wait(self, seconds: float) -> bool:
        self.waits.append(round(seconds, 6))
        self.now_s += seconds
        return False

    def arrivals(self, source: Realtime, work_s: float) -> list[float]:
        times = []
        for _ in source:
            times.append(round(self.now_s - 50, 6))
            self.now_s += work_s
        return times


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_frames_come_at_their_times(clock: Clock) -> None:
    assert clock.arrivals(Realtime(File(0.0, 0.1, 0.2, 0.5)), 0.03) == [0.0, 0.1, 0.2, 0.5]
    assert clock.waits == [0.07, 0.07, 0.27]


def test_who_takes_too_long_is_not_made_to_wait(clock: Clock) -> None:
    assert clock.arrivals(Realtime(File(0.0, 0.1, 0.2, 0.3)), 0.15) == [0.0, 0.15, 0.3, 0.45]
    assert clock.waits == []


def test_no_wait_is_longer_than_a_second(clock: Clock) -> None:
    assert clock.arrivals(Realtime(File(0.0, 3600.0, 3600.1)), 0.0) == [0.0, 1.0, 1.1]


def test_it_counts_as_live_and_can_be_closed() -> None:
    file = File(0.0, 0.5, 1.0)
    source = Realtime(file)
    assert (source.live, source.kind, source.name, source.count, source.fps) == (True, "video", "clip.mp4", 4, 10.0)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == [] and file.closed == 1
