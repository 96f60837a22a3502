"""Raw frames from a pipe."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from media import noise

from hpe_edge.errors import InputError, SourceError
from hpe_edge.sources.open_source import open_source
from hpe_edge.sources.raw_stdin import RawFormat, RawFrames


@pytest.fixture(params=["poll", "thread"])
def pipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """The read end and the write end of a pipe; the writer closes the latter. Windows has no poll."""
    if request.param == "thread":
        monkeypatch.delattr(select, "poll")
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


def piped(pipe: tuple[int, int], data: bytes) -> int:
    """Write in pieces that fit no frame, as pipes do."""

    def write() -> None:
        for at in range(0, len(data), 1000):
            os.write(pipe[1], data[at : at + 1000])
        os.close(pipe[1])

    threading.Thread(target=write).start()
    return pipe[0]


def test_frames_and_their_times(pipe: tuple[int, int]) -> None:
    images = [noise(seed=seed) for seed in range(3)]
    source = RawFrames(RawFormat(96, 64, fps=50.0), piped(pipe, b"".join(map(bytes, images))))
    frames = list(source)
    assert (source.kind, source.live, source.count, source.fps, source.notes) == ("video", False, None, 50.0, [])
    assert [(frame.index, frame.time_s) for frame in frames] == [(0, 0.0), (1, 0.02), (2, 0.04)]
    for frame, image in zip(frames, images, strict=True):
        np.testing.assert_array_equal(frame.image, image)


def test_other_pixel_formats(pipe: tuple[int, int]) -> None:
    image = noise()
    (frame,) = RawFrames(RawFormat(96, 64, pixels="rgb24"), piped(pipe, image[..., ::-1].tobytes()))
    np.testing.assert_array_equal(frame.image, image)


def test_gray(pipe: tuple[int, int]) -> None:
    (frame,) = RawFrames(RawFormat(96, 64, pixels="gray8"), piped(pipe, noise()[..., 0].tobytes()))
    np.testing.assert_array_equal(frame.image, np.repeat(noise()[..., :1], 3, axis=2))


def test_nv12(pipe: tuple[int, int]) -> None:
    """A coloured area: luma, then the two chromas in turns."""
    bgr = np.full((64, 96, 3), (40, 90, 200), np.uint8)
    planar = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420).ravel()
    luma, u, v = np.split(planar, [64 * 96, 64 * 96 * 5 // 4])
    data = luma.tobytes() + np.stack([u, v], axis=1).tobytes()
    (frame,) = RawFrames(RawFormat(96, 64, pixels="nv12"), piped(pipe, data))
    assert np.abs(frame.image.astype(int) - bgr).max() <= 4


def test_a_pipe_that_ends_within_a_frame(pipe: tuple[int, int]) -> None:
    source = RawFrames(RawFormat(96, 64), piped(pipe, bytes(noise()) + b"x" * 100))
    assert len(list(source)) == 1
    assert source.notes == [
        "standard input ended 100 bytes into a frame of 18432 bytes (96x64 bgr24); are size and pixel format right?"
    ]


@pytest.mark.parametrize("data", [b"", b"x" * 18431])
def test_a_pipe_without_a_whole_frame(pipe: tuple[int, int], data: bytes) -> None:
    source = RawFrames(RawFormat(96, 64), piped(pipe, data))
    with pytest.raises(SourceError, match=f"ended after {len(data)} bytes, before the first frame of 18432 bytes"):
        list(source)


def test_closing_ends_the_wait(pipe: tuple[int, int]) -> None:
    source = RawFrames(RawFormat(96, 64), pipe[0])
    frames: list[object] = []
    thread = threading.Thread(target=lambda: frames.extend(source))
    thread.start()
    source.close()
    thread.join(30)
    os.close(pipe[1])
    assert not thread.is_alive() and frames == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1280x720", (1280, 720, 25.0)), ("640x480@30", (640, 480, 30.0)), ("2x2@29.97", (2, 2, 29.97))],
)
def test_format(text: str, expected: tuple[int, int, float]) -> None:
    form = RawFormat.parse(text, "nv12")
    assert (form.width, form.height, form.fps) == expected


@pytest.mark.parametrize(
    ("text", "pixels", "message"),
    [
        ("1280", "bgr24", "described as WxH or WxH@FPS"),
        ("1280X720", "bgr24", "described as WxH"),
        ("1280x720@", "bgr24", "described as WxH"),
        ("-1x720", "bgr24", "described as WxH"),
        ("0x720", "bgr24", "1 to 65536 pixels a side, got 0x720"),
        ("70000x2", "bgr24", "1 to 65536 pixels a side"),
        ("64x64@0", "bgr24", "above 0 and below 1000, got 0.0"),
        ("63x64", "nv12", "nv12 needs an even width and height"),
        ("64x64", "yuyv", "must be one of bgr24 rgb24 gray8 nv12, got 'yuyv'"),
    ],
)
def test_formats_that_cannot_be(text: str, pixels: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        RawFormat.parse(text, pixels)


def test_standard_input_and_its_format_belong_together() -> None:
    with pytest.raises(InputError, match=r"--raw WxH@FPS.*without --raw"):
        open_source("-")
    with pytest.raises(InputError, match=r"got the source v\.mp4 with --raw"):
        open_source("v.mp4", RawFormat(2, 2))


def write_at(pipe: tuple[int, int], times_s: list[float]) -> None:
    """Write a frame at each of these times, in a thread."""

    def write() -> None:
        start_s = time.monotonic()
        for seed, time_s in enumerate(times_s):
            time.sleep(max(0.0, start_s + time_s - time.monotonic()))
            os.write(pipe[1], noise(16, 8, seed=seed).tobytes())
        os.close(pipe[1])

    threading.Thread(target=write).start()


def test_live_frames_have_the_times_of_their_arrival(pipe: tuple[int, int]) -> None:
    """A camera that drops frames: times by the frame rate would be 0.04 s apart."""
    source = RawFrames(RawFormat(16, 8, fps=25.0), pipe[0], live=True)
    write_at(pipe, [0.0, 0.2, 0.6])
    begun_s = time.time()
    frames = list(source)
    assert source.live and source.notes == []
    times_s = np.array([frame.time_s for frame in frames])
    assert times_s[0] == 0 and (np.diff(times_s) > [0.1, 0.3]).all()
    utc_s = np.array([frame.utc_s for frame in frames])
    np.testing.assert_allclose(utc_s - utc_s[0], times_s, atol=1e-5)
    assert begun_s - 1 <= utc_s[0] <= time.time()


def test_a_writer_that_is_slower_than_its_rate_is_noted(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpe_edge.sources.raw_stdin._SLOW_S", 0.2)
    source = RawFrames(RawFormat(16, 8, fps=100.0), pipe[0])
    write_at(pipe, [0.0, 0.2, 0.4, 0.6])
    assert [frame.time_s for frame in source] == [0.0, 0.01, 0.02, 0.03]
    assert len(source.notes) == 1 and "--live" in source.notes[0]


def test_a_slow_reader_is_not_noted(pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpe_edge.sources.raw_stdin._SLOW_S", 0.2)
    source = RawFrames(RawFormat(16, 8, fps=100.0), piped(pipe, noise(16, 8).tobytes() * 4))
    for _ in source:
        time.sleep(0.2)
    assert source.notes == []


def test_live_is_for_raw_frames() -> None:
    with pytest.raises(InputError, match="live is for raw frames"):
        open_source("clip.mp4", live=True)
