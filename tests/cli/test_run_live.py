"""Live sources of hpe-edge run: modes of cameras, raw frames in real time, a camera that is gone."""

from __future__ import annotations

import os
import threading
import time
from datetime import datetime, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
from cli_helpers import command, rows_of, shell
from media import noise

from hpe_edge.cli.main import main
from hpe_edge.sources.live_stream import Clock


class FakeCamera:
    """Opens so many times with so many frames each; then it is gone."""

    def __init__(self, opened: list[int], asked: dict[int, float]) -> None:
        self.left, self.asked = opened.pop(0) if opened else 0, asked

    def isOpened(self) -> bool:
        return self.left > 0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        time.sleep(0.02)
        return (True, noise()) if self.left >= 0 else (False, None)

    def set(self, key: int, value: float) -> bool:
        self.asked[key] = value
        return True

    def get(self, key: int) -> float:
        return self.asked.get(key, 0.0)

    def release(self) -> None: ...


@pytest.fixture
def camera(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """A camera 0 of 4 and then 3 frames, on a clock that does not wait; what it is asked for."""
    opened, asked = [4, 3], {}
    skipped_s = 0.0

    class Impatient(Clock):
        def now(self) -> float:
            return time.monotonic() + skipped_s

        def wait(self, seconds: float, closed: threading.Event) -> None:
            nonlocal skipped_s
            skipped_s += seconds

    monkeypatch.setattr("hpe_edge.sources.live_stream.Clock", Impatient)
    monkeypatch.setattr(cv2, "VideoCapture", lambda *_: FakeCamera(opened, asked))
    Path("boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{k},30,20,60,50\n" for k in range(9)))
    return asked


def test_a_camera_that_is_gone_for_good(
    camera: dict[int, float], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its records are whole, and the exit status says that it was lost."""
    before = datetime.now(timezone.utc)
    given = command("run", "0", "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv", "--size", "96x64")
    assert main([*given, "--fps", "25", "--fourcc", "MJPG"]) == 1
    assert {cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FPS, cv2.CAP_PROP_FOURCC} <= {*camera}
    rows = rows_of(Path("o.csv"))
    assert 2 <= len(rows) <= 7 and rows[-1]["frame"] == "6"
    for row in rows:
        at = datetime.fromisoformat(row["utc"].replace("Z", "+00:00"))
        assert abs((at - before).total_seconds() - float(row["time_s"])) < 60
    assert "camera 0 is gone" in capsys.readouterr().err


def test_reconnecting_for_a_while_of_ones_own(
    camera: dict[int, float], model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = command("run", "0", "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv", "--reconnect", "7")
    assert main(given) == 1
    assert "no connection within 7 s" in capsys.readouterr().err


def test_raw_frames_of_a_camera(model: Path) -> None:
    """Times are those of arrival; a frame is more than the pipe holds, so the first is read when the run begins."""
    Path("boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{k},40,40,90,100\n" for k in range(64)))
    Path("write.py").write_text(
        "import sys, time\n"
        "for k in range(62):\n"
        "    sys.stdout.buffer.write(bytes(320 * 240 * 3)); sys.stdout.buffer.flush()\n"
        "    time.sleep(0.5 if k == 60 else 0)\n"
    )
    line = "python3 write.py | $HPE"
    options = ("run", "-", "--raw", "320x240@25", "--live", "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv")
    done = shell(line, *options, PYTHONPATH=os.pathsep.join(["/".join(__file__.split("/")[:-3])]))
    assert done.returncode == 0, done.stderr
    rows = rows_of(Path("o.csv"))
    assert rows[-1]["frame"] == "61" and float(rows[-1]["time_s"]) > 0.4 and rows[-1]["utc"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["v.mp4", "--live"], "--live is for --raw"),
        (["v.mp4", "--size", "64x48"], "chosen for a camera"),
        (["0", "--size", "64"], "WxH"),
        (["0", "--reconnect", "never"], "forever"),
        (["0", "--fourcc", "MJPEG"], "four characters"),
        (["v.mp4", "--sar", "0:1"], "N:D"),
        (["v.mp4", "--rotate", "45"], "45"),
    ],
)
def test_refusals(clip: Path, options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *options, "--csv", "o.csv"]) == 2
    assert says in capsys.readouterr().err
