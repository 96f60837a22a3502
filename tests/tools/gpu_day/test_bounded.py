"""Commands under a limit, real processes: hanging, crashing, noisy, and with children of their own."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest

from tools.gpu_day import bounded, bounded_log
from tools.gpu_day.bounded import Ended, run_bounded
from tools.gpu_day.bounded_log import BoundedLog


def run(tmp_path: Path, script: str, limit_s: float = 60.0, **options: object) -> Ended:
    return run_bounded(["sh", "-c", script], tmp_path / "log.txt", limit_s, os.environ, tmp_path, **options)  # type: ignore[arg-type]


def alive(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid_file.read_text().strip()}/stat").read_text().rpartition(")")[2].split()[0]
    return state != "Z"


def test_output_and_exit_status(tmp_path: Path) -> None:
    ended = run(tmp_path, "echo out; echo err >&2; exit 3")
    assert (ended.exit_status, ended.timed_out, ended.last_line, ended.log_error) == (3, False, "err", "")
    assert (tmp_path / "log.txt").read_text() == "out\nerr\n"


def test_a_hanging_step_is_killed_with_its_children(tmp_path: Path) -> None:
    script = "sleep 600 & echo $! >child; setsid sh -c 'echo $$ >far; exec sleep 600' & echo started; wait"
    ended = run(tmp_path, script, 3.0)
    assert ended.timed_out and ended.exit_status == 128 + signal.SIGTERM
    assert ended.last_line == "started"
    assert not alive(tmp_path / "child") and not alive(tmp_path / "far")


def test_one_that_ignores_signals_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "GRACE_S", 0.3)
    ended = run(tmp_path, "trap '' TERM INT; echo $$ >pid; while :; do sleep 0.1; done", 2.0)
    assert ended.timed_out and ended.exit_status == 128 + signal.SIGKILL
    assert not alive(tmp_path / "pid")


def test_children_do_not_outlive_a_finished_step(tmp_path: Path) -> None:
    ended = run(tmp_path, "setsid sleep 600 & echo $! >child; exit 0")
    assert (ended.exit_status, ended.timed_out) == (0, False)
    assert ended.seconds < 60  # though the child holds the output open
    assert not alive(tmp_path / "child")


def test_a_crash_is_a_signals_exit_status(tmp_path: Path) -> None:
    ended = run(tmp_path, f"exec {sys.executable} -c 'import os; os.abort()'")
    assert ended.exit_status == 128 + signal.SIGABRT


def test_a_missing_program_is_no_error_of_the_runner(tmp_path: Path) -> None:
    ended = run_bounded(["no-such-program"], tmp_path / "log.txt", 5, os.environ, tmp_path)
    assert ended.exit_status is None
    assert ended.last_line == "no-such-program cannot be started: No such file or directory"


def test_it_is_called_meanwhile(tmp_path: Path) -> None:
    seen = []
    run(
        tmp_path, "echo so far; sleep 2", meanwhile=lambda: seen.append((tmp_path / "log.txt").read_text()), every_s=0.3
    )
    assert len(seen) >= 2 and seen[-1] == "so far\n"


def test_a_flood_of_output_keeps_beginning_and_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_log, "HEAD_BYTES", 1000)
    monkeypatch.setattr(bounded_log, "TAIL_BYTES", 200)
    log = BoundedLog(tmp_path / "log.txt")
    lines = [f"line {number:04}\n".encode() for number in range(1000)]
    for line in lines:
        log.add(line)
    log.close()
    text = (tmp_path / "log.txt").read_bytes()
    assert text == b"".join(lines[:100]) + b"\n[8800 bytes left out]\n" + b"".join(lines[-20:])
    assert (log.last_line(), log.error) == ("line 0999", "")


@pytest.mark.parametrize("pieces", [[b"a\nb\n"], [b"a", b"\nb", b"\n"], [b"x" * 990 + b"\n", b"b\n"]])
def test_short_output_is_kept_whole(tmp_path: Path, pieces: list[bytes]) -> None:
    log = BoundedLog(tmp_path / "log.txt")
    for piece in pieces:
        log.add(piece)
    log.close()
    assert (tmp_path / "log.txt").read_bytes() == b"".join(pieces)
    assert log.last_line() == "b"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, whose disk is full")
def test_a_full_disk_stops_the_log_and_not_the_step(tmp_path: Path) -> None:
    (tmp_path / "log.txt").symlink_to("/dev/full")
    ended = run(tmp_path, "echo one; echo two; exit 0")
    assert ended.exit_status == 0
    assert ended.log_error == "the log could not be written: No space left on device"
    assert ended.last_line == "two"


def test_a_step_that_fills_the_disk_meets_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "MOST_FILE_BYTES", 1 << 20)
    script = f'exec {sys.executable} -c \'f = open("huge", "wb")\nwhile True: f.write(bytes(1 << 16))\''
    ended = run(tmp_path, script)
    assert ended.exit_status != 0 and not ended.timed_out
    assert (tmp_path / "huge").stat().st_size <= 1 << 20


def test_the_limit_holds_under_a_flood(tmp_path: Path) -> None:
    start = time.monotonic()
    ended = run(tmp_path, "yes", 1.0)
    assert ended.timed_out
    assert time.monotonic() - start < 60
    assert (tmp_path / "log.txt").stat().st_size < (bounded_log.HEAD_BYTES + bounded_log.TAIL_BYTES) * 1.1
