"""The command serve, from the shell to a browser's WebSocket, and runs of live sources, which end by Ctrl-C."""

from __future__ import annotations

import csv
import json
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from media import write_picture, write_video
from tiny_model import write_tiny_model
from websocket_client import WebSocketClient

from hpe_edge.cli.main import main
from hpe_edge.cli.run import assembly, run_pipeline
from hpe_edge.models import DEFAULT_NAME
from hpe_edge.sources.frame import Realtime
from hpe_edge.sources.open_source import open_source
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


@pytest.fixture
def server(clip: Path, model: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    parts = ["serve", clip, "--model", model, "--boxes", "boxes.csv", "--port", 0, "--csv", "o.csv"]
    process = subprocess.Popen(
        [sys.executable, "-m", "hpe_edge", *map(str, parts)], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


def test_poses_reach_a_browser_until_ctrl_c(server: subprocess.Popen[str], tmp_path: Path) -> None:
    assert server.stderr is not None
    line = server.stderr.readline()
    assert line.startswith("hpe-edge: open http://127.0.0.1:") and line.endswith("in a browser; Ctrl-C ends it\n")
    browser = WebSocketClient(line.split()[2].replace("http:", "ws:") + "stream")
    shown = []
    for _ in range(3):
        message = browser.receive()
        _, length = struct.unpack_from("<fI", message)
        shown.append(json.loads(message[8 : 8 + length]))
        browser.send_text("shown")
    server.send_signal(signal.SIGINT)
    _, said = server.communicate(timeout=60)
    assert server.returncode == 0, said
    assert "o.csv" in said and "belong" not in said
    with (tmp_path / "o.csv").open() as file:
        yaws = [float(row["yaw_deg"]) for row in csv.DictReader(file)]
    for one in shown:  # a video file plays at its own speed, so these are among the first
        assert min(abs(one["faces"][0]["angles_deg"][0] - yaw) for yaw in yaws) < 1e-3
        assert one["name"] == "v.mp4"


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
