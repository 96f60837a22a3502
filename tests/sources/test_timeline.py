"""Times of videos whose containers' clocks start anew, stray, wrap or repeat."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from media import assert_notes, noise, write_video

from hpe_edge.sources.capture.timeline import Timeline
from hpe_edge.sources.open_source import open_source

FRAME_S = 0.04


def placed(raw_s: list[float], fps: float = 1 / FRAME_S, *, indexed: bool = False) -> tuple[list[float], Timeline]:
    """Times of frames with these raw times, each placed with a look at the next."""
    timeline = Timeline(fps, indexed=indexed)
    following = [*raw_s[1:], None]
    return [timeline.place(a, b) for a, b in zip(raw_s, following, strict=True)], timeline


def steady(start_s: float, frames: int) -> list[float]:
    return [start_s + FRAME_S * k for k in range(frames)]


@pytest.mark.parametrize(
    "raw_s",
    [
        steady(0, 10) + steady(0, 10),  # joined
        steady(0, 10) + steady(7200, 10),  # with another offset
        steady(95443.5, 10) + steady(0.0, 10),  # 33 bits at 90 kHz have wrapped
        [*steady(0, 10), 5000.0, *steady(11 * FRAME_S, 9)],  # a stray timestamp
        [*steady(0, 10), 0.0, *steady(11 * FRAME_S, 9)],
        [*steady(0, 19), 5000.0],
        [*steady(0, 10), 9 * FRAME_S, *steady(11 * FRAME_S, 9)],  # one that repeats the one before
        [3.0] * 20,  # a container without times
    ],
)
def test_each_frame_takes_one_frames_time(raw_s: list[float]) -> None:
    times, _ = placed(raw_s)
    np.testing.assert_allclose(np.array(times) - times[0], steady(0, 20), atol=1e-9)


def test_what_is_counted_as_a_step() -> None:
    assert placed(steady(0, 5) + steady(0, 5) + steady(900, 5))[1].steps == 2
    assert placed([*steady(0, 5), 77.0, *steady(6 * FRAME_S, 5)])[1].steps == 0
    _, timeline = placed(steady(2, 3) + steady(1, 3))
    assert timeline.first_step == pytest.approx((2.08, 1.0, 2.12))


@pytest.mark.parametrize(("pause_s", "indexed", "kept"), [(4, False, True), (60, False, False), (60, True, True)])
def test_pauses_of_the_video_are_kept(pause_s: float, indexed: bool, kept: bool) -> None:
    times, timeline = placed(steady(0, 5) + steady(4 * FRAME_S + pause_s, 5), indexed=indexed)
    assert times[5] - times[4] == pytest.approx(pause_s if kept else FRAME_S)
    assert timeline.steps == (0 if kept else 1)


@pytest.mark.parametrize("seed", range(40))
def test_random_clocks(seed: int) -> None:
    """Resets, strays, wraps and duplicates in any order: times rise with the true ones, to some frames' time each."""
    rng = np.random.default_rng(seed)
    true_s, raw_s, offset_s, events = steady(0, 400), [], 0.0, 0
    for index, time_s in enumerate(true_s):
        event = rng.choice(["", "reset", "ahead", "stray", "duplicate"], p=[0.9, 0.03, 0.02, 0.03, 0.02])
        events += bool(event)
        if event == "reset":
            offset_s = -time_s
        elif event == "ahead":
            offset_s += rng.uniform(20, 90_000)
        stray = rng.uniform(-time_s, 90_000) if event == "stray" else 0.0
        repeated = event == "duplicate" and index > 0
        raw_s.append(raw_s[-1] if repeated else time_s + offset_s + stray)
    times, _ = placed(raw_s)
    steps = np.diff(times)
    assert steps.min() >= 0 and steps.max() <= 1.5
    assert abs(times[-1] - true_s[-1]) <= 2 * FRAME_S * (events + 1)


def test_joined_recordings(tmp_path: Path) -> None:
    """Two .ts files joined by their bytes: the second one's times go on after the first one's."""
    parts = [write_stream(tmp_path / f"{k}.ts", 20, seed=20 * k) for k in range(2)]
    (tmp_path / "joined.ts").write_bytes(b"".join(part.read_bytes() for part in parts))
    source = open_source(tmp_path / "joined.ts")
    frames = list(source)
    assert [frame.index for frame in frames] == list(range(len(frames))) and len(frames) >= 38
    steps = np.diff([frame.time_s for frame in frames])
    np.testing.assert_allclose(steps, 0.1, atol=1e-3)
    assert_notes(source.notes, "steps from")


def test_a_plain_file_has_its_own_times(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4")
    capture, raw_s = cv2.VideoCapture(str(path)), []
    while capture.grab():
        raw_s.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
    source = open_source(path)
    assert [frame.time_s for frame in source] == raw_s and source.notes == []
    assert all(a < b for a, b in itertools.pairwise(raw_s))


def write_stream(path: Path, frames: int, seed: int) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mpg2"), 10.0, (96, 64))
    if not writer.isOpened():
        pytest.skip("this OpenCV writes no MPEG-TS")
    for index in range(frames):
        writer.write(noise(seed=seed + index))
    writer.release()
    return path


@pytest.mark.parametrize(("suffix", "fourcc"), [(".mp4", "mp4v"), (".flv", "FLV1"), (".mov", "mp4v")])
def test_joined_recordings_of_which_the_first_is_read(tmp_path: Path, suffix: str, fourcc: str) -> None:
    """FFmpeg does not find the second one; a note says where it is."""
    path = tmp_path / f"v{suffix}"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*fourcc), 10.0, (96, 64))
    if not writer.isOpened():
        pytest.skip(f"this OpenCV writes no {suffix}")
    for index in range(20):
        writer.write(noise(seed=index))
    writer.release()
    alone = open_source(path)
    frames = len(list(alone))
    assert alone.notes == []
    data = path.read_bytes()
    path.write_bytes(data + data)
    joined = open_source(path)
    assert len(list(joined)) == frames
    assert_notes(joined.notes, f"from byte {len(data)} on")
