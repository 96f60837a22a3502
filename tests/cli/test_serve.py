"""The command serve, from the shell to a browser's WebSocket, and runs of live sources, which end by Ctrl-C."""

from __future__ import annotations

import csv
import json
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from media import count_frames, write_picture, write_video
from tiny_model import write_tiny_model
from websocket_client import WebSocketClient

from hpe_edge.cli.main import main
from hpe_edge.cli.run import assembly, run_pipeline
from hpe_edge.models import DEFAULT_NAME
from hpe_edge.sinks.read_records import read_series
from hpe_edge.sources.frame import Realtime
from hpe_edge.sources.open_source import open_source
from hpe_edge.sources.raw_stdin import RawFormat, RawFrames
from hpe_edge.util.signals import StopSignals


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx")


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Long enough for a browser to come, with a box in every frame."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{i},30,20,60,50\n" for i in range(600)))
    return write_video(tmp_path / "v.mp4", frames=600)


def started(tmp_path: Path, *parts: object) -> subprocess.Popen[str]:
    arguments = ["serve", *parts, "--model", "tiny.onnx", "--boxes", "boxes.csv", "--port", 0]
    return subprocess.Popen(
        [sys.executable, "-m", "hpe_edge", *map(str, arguments)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )


def ended(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


@pytest.fixture
def server(clip: Path, model: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    process = started(tmp_path, clip, "--csv", "o.csv")
    yield process
    ended(process)


def browser_of(server: subprocess.Popen[str]) -> WebSocketClient:
    """A browser at the address that is printed first."""
    assert server.stderr is not None
    line = server.stderr.readline()
    assert line.startswith("hpe-edge: open http://127.0.0.1:") and line.endswith("in a browser; Ctrl-C ends it\n")
    return WebSocketClient(line.split()[2].replace("http:", "ws:") + "stream")


def shown_in(browser: WebSocketClient) -> dict[str, object]:
    """The facts of the next picture."""
    message = browser.receive()
    _, length = struct.unpack_from("<fI", message)
    browser.send_text("shown")
    facts: dict[str, object] = json.loads(message[8 : 8 + length])
    return facts


def test_poses_reach_a_browser_until_ctrl_c(server: subprocess.Popen[str], tmp_path: Path) -> None:
    browser = browser_of(server)
    shown = [shown_in(browser) for _ in range(3)]
    server.send_signal(signal.SIGINT)
    _, said = server.communicate(timeout=60)
    assert server.returncode == 0, said
    assert "o.csv" in said and "belong" not in said
    with (tmp_path / "o.csv").open() as file:
        yaws = [float(row["yaw_deg"]) for row in csv.DictReader(file)]
    for one in shown:  # a video file plays at its own speed, so these are among the first
        assert min(abs(one["faces"][0]["angles_deg"][0] - yaw) for yaw in yaws) < 1e-3
        assert one["name"] == "v.mp4"


@pytest.mark.parametrize("now", [False, True])
def test_a_file_waits_for_the_first_viewer(clip: Path, model: Path, tmp_path: Path, now: bool) -> None:
    """Two seconds are 20 frames of the video, of which a viewer who comes then misses none, or all of them."""
    server = started(tmp_path, clip, *["--now"] * now)
    try:
        assert server.stderr is not None
        line = server.stderr.readline()
        time.sleep(2.0)
        browser = WebSocketClient(line.split()[2].replace("http:", "ws:") + "stream")
        first = shown_in(browser)["number"]
        assert isinstance(first, int)
        assert first > 10 if now else first < 5
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=60)
        assert server.returncode == 0, said
        assert ("starts when a browser" in said) != now
    finally:
        ended(server)


def test_ctrl_c_while_it_waits_for_a_viewer(server: subprocess.Popen[str], tmp_path: Path) -> None:
    assert server.stderr is not None
    while "--now" not in server.stderr.readline():
        assert server.poll() is None
    server.send_signal(signal.SIGINT)
    _, said = server.communicate(timeout=60)
    assert server.returncode == 0, said
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 1  # the header


def test_a_camera_does_not_wait(clip: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Camera:
        live, kind, name, count, fps = True, "video", "camera 0", None, 10.0

        def __init__(self) -> None:
            self._video = open_source(clip)
            self.notes: list[str] = []

        def __iter__(self) -> Iterator[object]:
            return iter(self._video)

        def close(self) -> None: ...

    monkeypatch.setattr(assembly, "open_source", lambda given, raw, recursive: Camera())
    run = ["serve", "0", "--model", str(model), "--boxes", "boxes.csv", "--port", "0", "--csv", "o.csv"]
    assert main([*run, "--frames", "3"]) == 0
    # Of a live source the newest frame is taken, so a busy machine may miss some.
    assert 1 < len((clip.parent / "o.csv").read_text().splitlines()) <= 4


def test_a_file_that_is_played_in_a_loop(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Times rise over the rounds, and faces get new identities, so that events and plots stay right."""
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "v.mp4", frames=4)
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{i},30,20,60,50\n" for i in range(4)))
    run = ["serve", "v.mp4", "--loop", "--now", "--model", str(model), "--boxes", "boxes.csv", "--port", "0"]
    assert main([*run, "--frames", "10", "--csv", "o.csv", "-o", "o.mp4"]) == 0
    with (tmp_path / "o.csv").open() as file:
        rows = list(csv.DictReader(file))
    frames = [int(row["frame"]) for row in rows]
    times = [float(row["time_s"]) for row in rows]
    starts = [k for k in range(1, len(rows)) if frames[k] < frames[k - 1]]
    assert len(rows) == 10 and len(starts) >= 2 and times == sorted(times)
    rounds = [{row["track"] for row in part} - {""} for part in np.split(np.array(rows, object), starts)]
    assert not rounds[0] & rounds[1] and not rounds[1] & rounds[2]
    assert count_frames(tmp_path / "o.mp4") > 10  # the gaps are shown
    assert [one.id for one in read_series(tmp_path / "o.csv")] == sorted(
        {int(name) for part in rounds for name in part}
    )


@pytest.mark.parametrize("source", ["99", "-"])
def test_what_cannot_be_played_in_a_loop(
    clip: Path, model: Path, source: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = RawFrames(RawFormat(96, 64), 0) if source == "-" else Realtime(open_source(clip))
    monkeypatch.setattr(assembly, "open_source", lambda given, raw, recursive: opened)
    assert main(["serve", source, "--loop", "--model", str(model), "--port", "0"]) == 2
    assert "--loop is for a video file" in capsys.readouterr().err


def test_pictures_are_refused(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_picture(tmp_path / "a.png")
    assert main(["serve", str(tmp_path / "a.png"), "--model", str(model)]) == 2
    assert "hpe-edge run" in capsys.readouterr().err


def test_a_port_that_is_none(clip: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(clip), "--model", str(model), "--port", "70000"]) == 2
    assert "--port" in capsys.readouterr().err


def test_without_a_model_the_embedded_one_is_served(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", str(clip), "--boxes", "boxes.csv", "--port", "0", "--frames", "3", "--now"]) == 0
    assert DEFAULT_NAME in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_files_of_a_live_source_are_complete_after_a_signal(
    clip: Path, model: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    write = run_pipeline.Outputs.write

    def stop_at_five(self: run_pipeline.Outputs, result: object, watch: object) -> None:
        write(self, result, watch)  # type: ignore[arg-type]
        if result.frame.index >= 5:  # type: ignore[attr-defined]
            stops[0].received = number

    class Noted(StopSignals):
        def __enter__(self) -> StopSignals:
            stops.append(self)
            return super().__enter__()

    stops: list[StopSignals] = []
    monkeypatch.setattr(run_pipeline, "StopSignals", Noted)
    monkeypatch.setattr(run_pipeline.Outputs, "write", stop_at_five)
    monkeypatch.setattr(assembly, "open_source", lambda given, raw, recursive: Realtime(open_source(given, raw)))
    assert main(["run", str(clip), "--model", str(model), "--boxes", "boxes.csv", "--csv", "o.csv"]) == 0
    said = capsys.readouterr().err
    assert "o.csv" in said and "partial" not in said
    assert 5 < len((clip.parent / "o.csv").read_text().splitlines()) < 100
