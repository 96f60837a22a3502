"""Signals during a run: exit status and the files that are kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_helpers import command, names, rows_of
from media import count_frames, write_video

from hpe_edge import PoseEngine
from hpe_edge.cli.main import main


@pytest.fixture
def send_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Sends signals (unless told: Ctrl-C) to this process while the given frame is worked on."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if list(before.values()) != [signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL]:
        pytest.skip("signals are ignored or handled by others here")
    call = PoseEngine.__call__

    def arm(frames: int, *numbers: signal.Signals) -> None:
        done = 0

        def counting(self: PoseEngine, *given: object, **named: object) -> object:
            nonlocal done
            done += 1
            poses = call(self, *given, **named)
            noted = signal.getsignal(signal.SIGINT)
            for number in numbers or (signal.SIGINT,) if done == frames else ():
                os.kill(os.getpid(), number)
                # The main thread answers when it gets to it. This one waits, so that it is known in which frame.
                while signal.getsignal(signal.SIGINT) in (noted, signal.default_int_handler):
                    time.sleep(0.001)
            return poses

        monkeypatch.setattr(PoseEngine, "warmup", lambda self, faces: None)  # its calls are no frames
        monkeypatch.setattr(PoseEngine, "__call__", counting)

    yield arm
    assert before == {number: signal.getsignal(number) for number in before}


def test_ctrl_c_keeps_what_is_finished(
    clip: Path, model: Path, tmp_path: Path, send_after: object, capsys: pytest.CaptureFixture[str]
) -> None:
    send_after(5)
    (tmp_path / "o.csv").write_text("from an earlier run")
    before = names(tmp_path)
    status = main(
        command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4", "--csv", "o.csv")
        + command("--jsonl", "o.jsonl")
    )
    assert status == 130
    assert sorted(set(names(tmp_path)) - set(before)) == ["o.partial.csv", "o.partial.jsonl", "o.partial.mp4"]
    assert (tmp_path / "o.csv").read_text() == "from an earlier run"
    # The frame during which Ctrl-C came is finished, everywhere alike.
    assert count_frames(tmp_path / "o.partial.mp4") == 5
    assert [row["frame"] for row in rows_of(tmp_path / "o.partial.csv")] == ["0", "2", "4"]
    assert [json.loads(line)["frame"] for line in (tmp_path / "o.partial.jsonl").read_text().splitlines()] == [0, 2, 4]
    said = capsys.readouterr().err
    assert "Ctrl-C" in said and "5 frames" in said and "o.partial.mp4" in said and "Traceback" not in said


def test_ctrl_c_in_a_folder_keeps_the_finished_pictures(
    photos: Path, model: Path, tmp_path: Path, send_after: object
) -> None:
    send_after(2)
    assert main(command("run", photos, "--model", model, "--boxes", "boxes.csv", "-o", "out")) == 130
    assert names(tmp_path) == ["boxes.csv", "out.partial", "photos"]
    assert names(tmp_path / "out.partial") == ["a.png", "b.jpg"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_keep_what_is_finished(
    clip: Path,
    model: Path,
    tmp_path: Path,
    number: signal.Signals,
    send_after: object,
    capsys: pytest.CaptureFixture[str],
) -> None:
    send_after(5, number, number)
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 128 + number
    assert sorted(set(names(tmp_path)) - set(before)) == ["o.partial.mp4"]
    said = capsys.readouterr().err
    assert number.name in said and "5 frames" in said and "o.partial.mp4" in said


def test_ctrl_c_after_another_signal_ends_at_once(clip: Path, model: Path, tmp_path: Path, send_after: object) -> None:
    send_after(5, signal.SIGTERM, signal.SIGINT)
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 130
    assert names(tmp_path) == before


def test_signal_while_the_model_loads(
    clip: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The temporary files exist by then."""
    load = PoseEngine.__init__

    def interrupted(self: PoseEngine, *given: object, **named: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        load(self, *given, **named)

    monkeypatch.setattr(PoseEngine, "__init__", interrupted)
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 143
    assert names(tmp_path) == before and "SIGTERM" in capsys.readouterr().err


def test_ctrl_c_that_comes_twice_is_one(clip: Path, model: Path, tmp_path: Path, send_after: object) -> None:
    """As where a wrapper passes it on."""
    send_after(5, signal.SIGINT, signal.SIGINT)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 130
    assert count_frames(tmp_path / "o.partial.mp4") == 5


def test_second_ctrl_c_ends_at_once_and_leaves_nothing(
    clip: Path,
    model: Path,
    tmp_path: Path,
    send_after: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("hpe_edge.util.signals._TWICE_S", 0.0)
    send_after(5, signal.SIGINT, signal.SIGINT)
    before = names(tmp_path)
    assert main(command("run", clip, "--model", model, "--boxes", "boxes.csv", "-o", "o.mp4")) == 130
    assert names(tmp_path) == before
    assert "Ctrl-C" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_from_outside(model: Path, tmp_path: Path, number: signal.Signals) -> None:
    """The real thing: a process, a signal, and what lies in the folder afterwards."""
    write_video(tmp_path / "v.mp4", frames=400, width=640, height=480)
    process = subprocess.Popen(
        [sys.executable, "-m", "hpe_edge", *command("run", "v.mp4", "--model", model, "-o", "o.mp4")],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background may have been told to ignore Ctrl-C, which children inherit.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not any(p.stat().st_size > 100_000 for p in tmp_path.glob(".o.*.tmp.mp4")):
        time.sleep(0.01)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number, said
    assert names(tmp_path) == ["o.partial.mp4", "v.mp4"]
    assert 0 < count_frames(tmp_path / "o.partial.mp4") < 400
    assert "o.partial.mp4" in said and "Traceback" not in said


def test_sigkill_leaves_whole_records(model: Path, tmp_path: Path) -> None:
    write_video(tmp_path / "v.mp4", frames=300, width=640, height=480)
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{i},30,20,60,50\n" * 3 for i in range(300)))
    parts = command("run", "v.mp4", "--model", model, "--boxes", "boxes.csv", "--csv", "o.csv", "--jsonl", "o.jsonl")
    process = subprocess.Popen([sys.executable, "-m", "hpe_edge", *parts, "-o", "o.mkv"], cwd=tmp_path)
    while process.poll() is None and not any(p.stat().st_size > 10_000 for p in tmp_path.glob(".o.*.tmp.csv")):
        time.sleep(0.01)
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    (left_csv,), (left_jsonl,) = tmp_path.glob(".o.*.tmp.csv"), tmp_path.glob(".o.*.tmp.jsonl")
    rows, lines = rows_of(left_csv), left_jsonl.read_text().splitlines(keepends=True)
    assert len(rows) % 3 == len(lines) % 3 == 0 and len(rows) > 30 and abs(len(rows) - len(lines)) <= 3
    assert all(line.endswith("\n") and json.loads(line)["qz"] is not None for line in lines)
    assert all(row["qz"] for row in rows)
