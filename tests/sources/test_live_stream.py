"""Cameras and streams: what breaks off is opened again, and nothing waits in these tests."""

from __future__ import annotations

import itertools
import math
import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from media import assert_notes, noise, write_video

from hpe_edge.errors import InputError, SourceError
from hpe_edge.sources.capture.camera_mode import CameraMode
from hpe_edge.sources.capture.lag import Lag
from hpe_edge.sources.live_stream import (
    GIVE_UP_S,
    Stream,
    _key_frames_only,
    open_camera,
    open_pipeline,
    open_url,
    without_password,
)
from hpe_edge.sources.open_source import open_source


class FakeClock:
    """Moves only when somebody waits, or when told to."""

    def __init__(self) -> None:
        self.time_s = 100.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time_s

    def wait(self, seconds: float, closed: threading.Event) -> None:
        self.waits.append(seconds)
        self.time_s += seconds


class FakeDevice:
    """Gives so many frames each time it is opened, then none; with 0 it cannot be opened.

    A text has a dot for each frame and an x for each that cannot be decoded.
    """

    def __init__(
        self,
        runs: Iterable[int | str],
        clock: FakeClock,
        count: float = -1.0,
        fps: float = 20.0,
        read_s: float = 0.0625,
        alike: bool = False,
        stream_s: float | None = None,
    ) -> None:
        """``alike``: it gives the same frames each time it is opened, as a file does; ``stream_s``: time between frames
        by the stream, None without times.
        """
        self._runs, self._clock = iter(runs), clock
        self._properties = {cv2.CAP_PROP_FRAME_COUNT: count, cv2.CAP_PROP_FPS: fps}
        self._read_s, self.stream_s = read_s, stream_s
        self._seeds = None if alike else itertools.count()
        self.open_now = 0

    def __call__(self) -> FakeCapture:
        run = next(self._runs, 0)
        return FakeCapture(self, run if isinstance(run, str) else "." * run)


class FakeCapture:
    def __init__(self, device: FakeDevice, run: str) -> None:
        self._device, self._left, self._open = device, iter(run), bool(run)
        self._seeds = device._seeds or itertools.count()
        self._reads = 0
        device.open_now += self._open

    def isOpened(self) -> bool:
        return self._open

    def read(self) -> tuple[bool, np.ndarray | None]:
        self._device._clock.time_s += self._device._read_s
        self._reads += 1
        return (True, noise(seed=next(self._seeds))) if next(self._left, "x") == "." else (False, None)

    def get(self, property_id: int) -> float:
        if property_id == cv2.CAP_PROP_POS_MSEC and self._device.stream_s is not None:
            return 1000 * self._device.stream_s * self._reads
        return self._device._properties.get(property_id, 0.0)

    def release(self) -> None:
        self._device.open_now -= self._open
        self._open = False


def stream_of(*runs: int | str, **properties: float) -> tuple[Stream, FakeClock, FakeDevice]:
    clock = FakeClock()
    device = FakeDevice(runs, clock, **properties)
    return Stream("camera 0", device, "plug it in", clock), clock, device


def test_frames_have_the_times_of_their_arrival() -> None:
    stream, _, _ = stream_of(4)
    frames = list(itertools.islice(stream, 4))
    assert (stream.kind, stream.live, stream.count, stream.fps) == ("video", True, None, 20.0)
    assert [frame.index for frame in frames] == [0, 1, 2, 3] and {frame.name for frame in frames} == {"camera 0"}
    np.testing.assert_allclose([frame.time_s for frame in frames], [0, 0.0625, 0.125, 0.1875])


def test_a_lost_connection_is_opened_again_after_growing_pauses() -> None:
    stream, clock, device = stream_of(3, 0, 0, 2, 1)
    running = iter(stream)
    frames = list(itertools.islice(running, 6))
    assert [frame.index for frame in frames] == list(range(6))
    assert clock.waits == [0.5, 1.0, 2.0, 0.5]
    assert_notes(stream.notes, "camera 0", "3.6 s and 3 tries", "camera 0", "0.6 s and 1 try")
    assert all(a.time_s < b.time_s for a, b in itertools.pairwise(frames))
    assert device.open_now == 1


def test_reconnecting_is_given_up() -> None:
    stream, clock, device = stream_of(2)
    assert len(list(stream)) == 2
    assert max(clock.waits) == 10.0 and GIVE_UP_S <= sum(clock.waits) < GIVE_UP_S + 11
    assert_notes(stream.notes, "reconnecting", "300 s")
    assert device.open_now == 0


def test_closing_ends_it_within_a_frame_and_within_a_pause() -> None:
    stream, clock, device = stream_of(5)
    frames = iter(stream)
    next(frames)
    stream.close()
    assert list(frames) == [] and clock.waits == [] and device.open_now == 0
    stream, clock, device = stream_of(1)
    clock.wait = lambda seconds, closed: stream.close()
    assert len(list(stream)) == 1 and device.open_now == 0


def test_what_announces_its_length_is_no_live_source() -> None:
    stream, clock, _ = stream_of(3, 3, count=3)
    frames = list(stream)
    assert (stream.live, stream.count, len(frames), clock.waits) == (False, 3, 3, [])
    np.testing.assert_allclose([frame.time_s for frame in frames], [0, 0.05, 0.1])


def test_frames_that_cannot_be_decoded_are_no_lost_connection() -> None:
    stream, clock, _ = stream_of("x..x.xxxxxxxxx." + "." * 9)
    running = iter(stream)
    frames = list(itertools.islice(running, 5))
    assert [frame.index for frame in frames] == list(range(5))
    np.testing.assert_allclose(np.diff([frame.time_s for frame in frames]), [0.0625, 0.125, 0.625, 0.0625])
    assert (stream.notes, clock.waits) == ([], [])
    stream.close()
    assert list(running) == []
    assert_notes(stream.notes, "10 frames of camera 0")


@pytest.mark.parametrize(("run", "read_s"), [("." + 10 * "x" + ".", 0.0625), (".x.", 2.5)])
def test_failures_that_are_a_lost_connection(run: str, read_s: float) -> None:
    """Ten in a row, and one that was long in coming, as after a time-out."""
    stream, clock, _ = stream_of(run, 9, read_s=read_s)
    assert len(list(itertools.islice(stream, 2))) == 2
    assert clock.waits == [0.5] and "reconnecting" in stream.notes[0]


def test_what_announces_its_length_goes_on_after_frames_that_cannot_be_decoded() -> None:
    stream, _, _ = stream_of("..x..", count=5)
    frames = list(stream)
    assert [frame.index for frame in frames] == [0, 1, 3, 4]
    np.testing.assert_allclose([frame.time_s for frame in frames], [0, 0.05, 0.15, 0.2])
    assert_notes(stream.notes, "1 frame of camera 0")


def test_what_ends_before_its_announced_length_is_said_to() -> None:
    stream, _, _ = stream_of(3, count=40)
    assert len(list(stream)) == 3
    assert_notes(stream.notes, "40 frames, only 3")
    stream, _, _ = stream_of(3, count=40)
    frames = iter(stream)
    next(frames)
    stream.close()
    assert list(frames) == [] and stream.notes == []


def test_what_announces_its_length_and_hangs_is_not_waited_for_long() -> None:
    stream, clock, _ = stream_of(3, count=400, read_s=1.5)
    assert len(list(stream)) == 3
    assert clock.time_s == 100 + 5 * 1.5  # two reads after the last frame


def test_a_file_of_unknown_length_is_not_played_for_ever() -> None:
    stream, clock, device = stream_of(60, 60, alike=True, read_s=0.01)
    assert len(list(stream)) == 60
    assert clock.waits == [0.5] and device.open_now == 0
    assert_notes(stream.notes, "reconnecting", "file of unknown length")


@pytest.mark.parametrize(
    ("frames", "alike", "read_s"),
    [
        (60, False, 0.01),  # seconds at once, or a wrong frame rate
        (60, True, 0.0625),  # a test picture
        (30, True, 0.01),  # a short burst of darkness
    ],
)
def test_live_sources_that_resemble_a_file(frames: int, alike: bool, read_s: float) -> None:
    stream, _, _ = stream_of(frames, frames, 1, alike=alike, read_s=read_s)
    assert len(list(itertools.islice(stream, 2 * frames + 1))) == 2 * frames + 1
    assert_notes(stream.notes[1::2], "reconnected", "reconnected")


@pytest.mark.parametrize("fps", [0.0, -1.0, 90000.0, np.nan])
def test_rates_that_cannot_be(fps: float) -> None:
    assert stream_of(1, fps=fps)[0].fps == 25.0


def test_what_cannot_be_opened_is_an_error_at_once() -> None:
    with pytest.raises(SourceError, match="camera 0 cannot be opened; plug it in"):
        stream_of(0)
    clock = FakeClock()
    device = FakeDevice(["x"], clock)
    capture = device()
    with pytest.raises(SourceError, match="no frame; plug it in"):
        Stream("camera 0", lambda: capture, "plug it in", clock)
    assert device.open_now == 0


def test_a_camera_that_is_not_there() -> None:
    with pytest.raises(SourceError, match="camera 99 cannot be opened; is it there"):
        open_camera(99)
    with pytest.raises(SourceError, match="camera /dev/video99 cannot be opened"):
        open_source("/dev/video99")


def test_an_address_where_nobody_answers_is_shown_without_its_password() -> None:
    with pytest.raises(SourceError, match=r"^http://127\.0\.0\.1:1/live ") as caught:
        open_url("http://me:secret@127.0.0.1:1/live")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://host/live", "rtsp://host/live"),
        ("rtsp://me:a@b@host:554/live?x=@y", "rtsp://host:554/live?x=@y"),
        ("http://me@host/", "http://host/"),
    ],
)
def test_passwords_are_not_shown(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_pipelines_need_an_opencv_with_gstreamer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GStreamer:                   NO\n")
    with pytest.raises(SourceError, match="built without GStreamer"):
        open_source("videotestsrc ! appsink")


def test_pipelines_go_to_gstreamer(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[object, ...]] = []
    monkeypatch.setattr(cv2, "getBuildInformation", lambda: "  GStreamer:                   YES (1.20.3)\n")
    real = cv2.VideoCapture(str(write_video(tmp_path / "v.mp4")))
    monkeypatch.setattr(cv2, "VideoCapture", lambda *given: opened.append(given) or real)
    assert len(list(open_pipeline("videotestsrc ! appsink"))) == 12
    assert opened == [("videotestsrc ! appsink", cv2.CAP_GSTREAMER)]


def slow_stream(*, sparing: bool = True, **properties: float) -> tuple[Stream, FakeClock, list[str]]:
    """A stream whose opened captures are noted: plain ones and those of key frames alone."""
    clock, opened = FakeClock(), []
    device = FakeDevice(itertools.repeat(10_000), clock, **properties)

    def open_as(kind: str) -> FakeCapture:
        opened.append(kind)
        return device()

    key = (lambda: open_as("key frames")) if sparing else None
    return Stream("camera 0", lambda: open_as("all"), "plug it in", clock, open_sparing=key), clock, opened


def test_a_stream_decoded_slower_than_it_comes_is_opened_again_then_by_key_frames() -> None:
    """0.35 s are lost in each second; the first reopening drops what waits, the second decodes less."""
    stream, clock, opened = slow_stream(stream_s=0.04, read_s=0.054)
    frames = list(itertools.islice(stream, 400))
    assert opened == ["all", "all", "key frames"] and clock.waits == []
    assert_notes(stream.notes[:2], "opened again", "key frames")
    assert [frame.index for frame in frames] == list(range(400))
    steps = np.diff([frame.time_s for frame in frames])
    np.testing.assert_allclose(steps, np.where(steps > 0.08, 0.108, 0.054))  # a reopening costs a read


def test_a_lag_that_nothing_can_be_done_about_is_said_once() -> None:
    stream, _, opened = slow_stream(sparing=False, stream_s=0.04, read_s=0.054)
    list(itertools.islice(stream, 2000))
    assert opened == ["all"]
    assert_notes(stream.notes, "late by ever more")


@pytest.mark.parametrize(
    "properties",
    [
        {"stream_s": 0.04, "read_s": 0.04},
        {"stream_s": 0.04, "read_s": 0.01},  # a buffer that empties
        {"stream_s": 0.04, "read_s": 0.040002},  # clocks that drift
        {"stream_s": 0.0, "read_s": 0.054},  # a device without times
        {"stream_s": None, "read_s": 0.054},
    ],
)
def test_streams_that_do_not_lag(properties: dict[str, float]) -> None:
    stream, _, opened = slow_stream(**properties)
    list(itertools.islice(stream, 3000))
    assert opened == ["all"] and stream.notes == []


def test_bursts_are_no_lag() -> None:
    """Segments of HLS come at once every six seconds."""
    lag = Lag(15.0)
    lags = [lag(6.0 * (k // 150) + 0.001 * (k % 150), 0.04 * (k + 1)) for k in range(1500)]
    assert max(lags) < 0.1
    late = [lag(60.0 + 6.5 * (k // 150) + 0.001 * (k % 150), 60.0 + 0.04 * (k + 1)) for k in range(1500)]
    assert max(late) > 1.0


@pytest.mark.parametrize(("parts_per_million", "lags"), [(50, False), (-50, False), (15_000, True)])
def test_clocks_that_drift_are_no_lag(parts_per_million: float, lags: bool) -> None:
    """A day of a camera whose quartz is off; and one that is decoded by 1.5 % too slowly."""
    lag = Lag(3.0)
    most = max(lag(second * (1 + parts_per_million * 1e-6), float(second)) for second in range(1, 86_400))
    assert (most > 1.0) == lags


def test_key_frames_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV's own reader skips the others; the environment is as before."""
    path = tmp_path / "v.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 25.0, (96, 64))
    for _ in range(60):
        writer.write(np.zeros((64, 96, 3), np.uint8))
    writer.release()
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", "rtsp_transport;tcp")
    with _key_frames_only():
        capture = cv2.VideoCapture(str(path))
    assert os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] == "rtsp_transport;tcp"
    count = 0
    while capture.grab():
        count += 1
    assert 1 <= count < 20


def test_a_source_that_is_gone_for_good() -> None:
    stream, clock, _ = stream_of(2)
    list(stream)
    assert stream.gone
    clock = FakeClock()
    device = FakeDevice([2, *[0] * 200, 1], clock)
    patient = Stream("camera 0", device, "plug it in", clock, give_up_s=math.inf)
    assert len(list(itertools.islice(patient, 3))) == 3 and not patient.gone
    assert sum(clock.waits) > 4 * GIVE_UP_S


def test_frames_have_the_wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpe_edge.sources.live_stream.time.time", lambda: 1.7e9)
    stream, _, _ = stream_of(3)
    np.testing.assert_allclose([frame.utc_s for frame in itertools.islice(stream, 3)], 1.7e9 + np.arange(3) / 16)


class FakeCamera:
    """A camera that takes some of what is asked for; what it is asked is noted in order."""

    asked: ClassVar[list[tuple[int, float]]] = []

    def __init__(self, device: object, *_: object) -> None:
        self.values = {cv2.CAP_PROP_FRAME_WIDTH: 640.0, cv2.CAP_PROP_FRAME_HEIGHT: 480.0, cv2.CAP_PROP_FPS: 30.0}

    def set(self, key: int, value: float) -> bool:
        self.asked.append((key, value))
        if key != cv2.CAP_PROP_FPS:
            self.values[key] = value
        return True

    def get(self, key: int) -> float:
        return self.values.get(key, 0.0)

    def read(self) -> tuple[bool, np.ndarray]:
        return True, noise()

    def isOpened(self) -> bool:
        return True

    def release(self) -> None: ...


def test_the_mode_of_a_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeCamera, "asked", [])
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    source = open_source("0", mode=CameraMode((1280, 720), 60.0, "MJPG"))
    assert FakeCamera.asked == [
        (cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG")),
        (cv2.CAP_PROP_FRAME_WIDTH, 1280),
        (cv2.CAP_PROP_FRAME_HEIGHT, 720),
        (cv2.CAP_PROP_FPS, 60.0),
    ]
    assert_notes(source.notes, "30 instead of 60 frames per second")
    monkeypatch.setattr(FakeCamera, "asked", [])
    assert open_source("0").notes == [] and FakeCamera.asked == []


@pytest.mark.parametrize("source", ["rtsp://127.0.0.1:1/live", "clip.mp4", "photo.jpg"])
def test_a_mode_is_for_cameras(source: str) -> None:
    with pytest.raises(InputError, match="chosen for a camera"):
        open_source(source, mode=CameraMode(fps=15.0))


@pytest.mark.parametrize("wrong", [{"size_wh": (0, 480)}, {"fps": 0.0}, {"fps": math.nan}, {"fourcc": "MJPEG"}])
def test_modes_that_cannot_be(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        CameraMode(**wrong)
