"""Frame rates of annotated copies: constant ones stay, varying ones keep the frames' times."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from media import assert_notes, count_frames, write_video
from mp4_boxes import declare_durations

from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import Poses
from hpe_edge.sinks.annotated_images import open_picture_sink
from hpe_edge.sources.capture.rate import Rate, fitting_rate, rate_of
from hpe_edge.sources.open_source import open_source


def times(*parts: tuple[int, float]) -> np.ndarray:
    """So many frames of so many seconds each."""
    return np.concatenate([[0.0], np.cumsum(np.repeat([s for _, s in parts], [n for n, _ in parts]))])


@pytest.mark.parametrize("fps", [10.0, 24000 / 1001, 30000 / 1001, 120.123])
@pytest.mark.parametrize("digits", [3, 9])
def test_a_steady_rate_is_kept(fps: float, digits: int) -> None:
    """To the milliseconds of WebM as well."""
    assert fitting_rate(times((3000, 1 / fps)).round(digits), fps) == Rate(fps, False)


def test_a_steady_rate_that_is_not_the_announced_one() -> None:
    assert fitting_rate(times((200, 1 / 12.5)), 25.0) == Rate(12.5, False)


@pytest.mark.parametrize(
    ("parts", "fps", "rate"),
    [
        ([(90, 1 / 30), (30, 1 / 10), (90, 1 / 30)], 30.0, 30.0),
        ([(90, 1 / 30), (30, 1 / 10), (90, 1 / 30)], 17.3, 30.0),  # a mean rate would drop frames
        ([(50, 1 / 60), (20, 0.5)], 25.0, 60.0),
    ],
)
def test_a_varying_rate(parts: list[tuple[int, float]], fps: float, rate: float) -> None:
    assert fitting_rate(times(*parts).round(3), fps) == Rate(rate, True)


def test_of_files(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", frames=20)
    assert rate_of(open_source(path)) == Rate(10.0, False)
    declare_durations(path, [(10, 1), (4, 20), (6, 1)])
    assert rate_of(open_source(path)).by_time
    joined = tmp_path / "joined.ts"
    for seed in range(2):
        writer = cv2.VideoWriter(str(tmp_path / "p.ts"), cv2.VideoWriter.fourcc(*"mpg2"), 10.0, (96, 64))
        if not writer.isOpened():
            pytest.skip("this OpenCV writes no MPEG-TS")
        for _ in range(20):
            writer.write(np.full((64, 96, 3), 40 * seed, np.uint8))
        writer.release()
        joined.write_bytes((joined.read_bytes() if seed else b"") + (tmp_path / "p.ts").read_bytes())
    assert rate_of(open_source(joined)) == Rate(10.0, False)


@pytest.mark.parametrize("name", ["o.mp4", "o.mkv", "o.webm"])
def test_annotated_copies_keep_the_times(tmp_path: Path, name: str) -> None:
    path = write_video(tmp_path / "v.mp4", frames=20)
    declare_durations(path, [(10, 1), (4, 20), (6, 1)])  # 0 to 1 s, then 2 s each, then 0.1 s each
    source = open_source(path)
    sink = open_picture_sink(tmp_path / name, source)
    for frame in source:
        marked = np.full_like(frame.image, 10 * frame.index)
        sink.write_picture(Result(frame, Poses.empty(0)), marked)
    sink.finish()
    sink.pending.commit()
    assert_notes(source.notes, "varies")
    assert count_frames(tmp_path / name) == 10 + 4 * 20 + 6
    capture = cv2.VideoCapture(str(tmp_path / name))
    levels = [int(capture.read()[1].mean() / 10 + 0.5) for _ in range(96)]
    assert levels == [*range(10), *np.repeat([10, 11, 12, 13], 20), *range(14, 20)]


def test_what_is_healthy_is_not_called_damaged(tmp_path: Path) -> None:
    """WebM and MPEG-TS hold no number of frames; that of a varying rate cannot be computed."""
    path = tmp_path / "v.webm"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"VP80"), 25.0, (96, 64))
    for _ in range(12):
        writer.write(np.zeros((64, 96, 3), np.uint8))
    writer.release()
    data = path.read_bytes()
    path.write_bytes(spread(data))
    source = open_source(path)
    frames = list(source)
    assert len(frames) == 12 and frames[-1].time_s == pytest.approx(11 * 0.04 + 2, abs=0.01)
    assert source.count is not None and source.count > 20
    assert source.notes == []


def spread(data: bytes) -> bytes:
    """Set the times of the 12 blocks of a short WebM: 0.04 s each, with a pause of 2 s in the middle."""
    out, at, number = bytearray(data), 0, 0
    while (at := out.find(b"\xa3", at)) >= 0:
        length = 8 - int(np.log2(out[at + 1])) if out[at + 1] else 8
        body = at + 1 + length
        if out[body] == 0x81 and int.from_bytes(out[body + 1 : body + 3], "big") == 40 * number:
            time_ms = 40 * number + (2000 if number >= 6 else 0)
            out[body + 1 : body + 3] = time_ms.to_bytes(2, "big")
            number += 1
        at += 1
    assert number == 12
    duration = out.index(b"\x44\x89\x88") + 3
    out[duration : duration + 8] = np.array([2480.0], ">f8").tobytes()
    return bytes(out)
