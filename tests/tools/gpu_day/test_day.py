"""A part of the GPU day with made-up steps: each fails in its own way, and the others have their turn."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from tools.gpu_day import day as day_module
from tools.gpu_day.carrying.provenance import COMMIT_FILE, note_commit
from tools.gpu_day.day import RESERVE_S, Day
from tools.gpu_day.step import Outcome, Step, read_outcome

ROOT = Path(__file__).resolve().parents[3]
FOLDER = "benchmarks/results/gpu_day"


def script(name: str, text: str, promised_s: float = 20.0, **options: object) -> Step:
    return Step(name, ["sh", "-c", text], promised_s, **options)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout whose commit was noted, as in a copy without git."""
    root = tmp_path / "tree"
    root.mkdir()
    (root / "source.txt").write_text("one")
    (root / ".gitignore").write_text(".gpu_day/\nbuild/\n")
    git = ["git", "-C", str(root), "-c", "user.name=n", "-c", "user.email=e"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    note = root / ".gpu_day" / COMMIT_FILE
    note.parent.mkdir(parents=True)
    note.write_text(json.dumps(note_commit(root)))
    return root


def run(root: Path, *steps: Step, budget_s: float = 300.0) -> dict[str, Outcome]:
    day = Day("part1", root, root / ".gpu_day", root.parent / "out")
    return {outcome.step: outcome for outcome in day.run(steps, budget_s)}


def archived(root: Path) -> dict[str, bytes]:
    with tarfile.open(root.parent / "out" / "gpu-day-part1.tar.gz") as packed:
        return {entry.name: packed.extractfile(entry).read() for entry in packed if entry.isfile()}  # type: ignore[union-attr]


def test_each_outcome_is_kept_and_the_run_goes_on(root: Path) -> None:
    found = run(
        root,
        script("good", "echo fine"),
        script("bad", "echo what was wrong; exit 4"),
        script("crash", "kill -SEGV $$"),
        script("nothing", "echo no GPU here; exit 77"),
        script("depends", "echo never", needs=("good", "bad")),
        script("tool", "echo never", program="no-such-tool"),
        script("archive", "echo never", carried="no-such.tar.xz"),
        script("last", "echo still here"),
    )
    assert {name: (outcome.status, outcome.reason, outcome.exit_status) for name, outcome in found.items()} == {
        "good": ("passed", "", 0),
        "bad": ("failed", "what was wrong", 4),
        "crash": ("failed", "exit status 139, no output", 139),
        "nothing": ("skipped", "no GPU here", 77),
        "depends": ("skipped", "it needs bad, which has not passed", None),
        "tool": ("skipped", "no-such-tool is not installed", None),
        "archive": ("skipped", ".gpu_day/no-such.tar.xz was not carried", None),
        "last": ("passed", "", 0),
    }
    files = archived(root)
    prefix = f"{FOLDER}/no-gpu/part1"
    assert files[f"{prefix}/bad/log.txt"] == b"what was wrong\n"
    assert json.loads(files[f"{prefix}/bad/outcome.json"])["exit_status"] == 4
    summary = files[f"{prefix}/summary.txt"].decode()
    assert "2 of 8 steps passed" in summary and "what was wrong" in summary
    assert (root.parent / "out" / "gpu-day-part1.txt").read_text() == summary


def test_a_hanging_step_is_killed_and_the_next_one_runs(root: Path) -> None:
    found = run(
        root,
        script("hangs", "echo begun; sleep 600", promised_s=2),
        script("next", "echo fine", promised_s=30),
        budget_s=RESERVE_S + 35,
    )
    hangs = found["hangs"]
    assert hangs.status == "timed out" and hangs.reason.endswith("; begun")
    assert hangs.limit_s == pytest.approx(5, abs=1)  # the budget less what the next one is promised
    assert hangs.seconds < 30
    assert found["next"].status == "passed"


def test_time_is_shared_when_it_runs_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_module, "LEAST_S", 1.0)
    start = time.monotonic()
    steps = [script(f"hangs{index}", "sleep 600", promised_s=100) for index in range(3)]
    found = run(root, *steps, budget_s=RESERVE_S + 6)
    assert time.monotonic() - start < 60
    # Three late steps: each gets its share of the rest, down to the least that is worth a start.
    assert [outcome.status for outcome in found.values()][:2] == ["timed out"] * 2
    assert found["hangs0"].limit_s == pytest.approx(2, abs=0.5)
    late = run(root, script("late", "echo never"), budget_s=RESERVE_S + 0.5)["late"]
    assert late.reason.startswith("no time is left")


def test_results_must_be_whole_json(root: Path) -> None:
    half = "printf '{\"a\": [1, 2' >$0; echo done"
    steps = [
        Step("half", ["sh", "-c", half, "{folder}/a.json"], 20, results=("a.json",)),
        script("missing", "echo done", results=("b.json",)),
        Step("whole", ["sh", "-c", "echo '{}' >$0", "{folder}/c.json"], 20, results=("c.json",)),
    ]
    found = run(root, *steps)
    assert found["half"].status == "failed" and found["half"].reason.startswith("a.json is not complete JSON (")
    assert found["missing"].reason == "b.json was not written"
    assert found["whole"].status == "passed"
    names = {Path(name).name for name in archived(root)}
    assert "a.json.broken" in names and "a.json" not in names and "c.json" in names


def test_a_benchmark_gets_its_commit_and_its_place(root: Path) -> None:
    document = {"schema": 2, "environment": {"git": {"commit": None, "dirty": None}}}
    write = f"echo '{json.dumps(document)}' >$0"
    machine = ["sh", "-c", 'echo \'{"gpu": "NVIDIA H200"}\' >$0', "{folder}/machine.json"]
    steps = [
        Step("machine", machine, 20, results=("machine.json",)),
        Step("cuda", ["sh", "-c", write, "{folder}/cuda.json"], 20, results=("cuda.json",), is_benchmark=True),
        Step("fails", ["sh", "-c", f"{write}; exit 1", "{folder}/f.json"], 20, results=("f.json",), is_benchmark=True),
    ]
    run(root, *steps)
    files = archived(root)
    commit = subprocess.run(
        ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True
    ).stdout.strip()
    found = json.loads(files["benchmarks/results/nvidia-h200-cuda.json"])
    assert found["environment"]["git"] == {"commit": commit, "dirty": False}
    assert f"{FOLDER}/nvidia-h200/part1/cuda/log.txt" in files
    # What failed stays with its log.
    assert f"{FOLDER}/nvidia-h200/part1/fails/f.json" in files


def test_a_second_call_resumes(root: Path) -> None:
    steps = [
        script("counted", "echo x >>counted.txt"),
        script("fails_once", "test -e marker || { touch marker; exit 1; }"),
    ]
    assert [outcome.status for outcome in run(root, *steps).values()] == ["passed", "failed"]
    again = run(root, *steps)
    assert [outcome.status for outcome in again.values()] == ["passed", "passed"]
    assert (root / "counted.txt").read_text() == "x\n"
    (root / "source.txt").write_text("two")  # other sources: all is run again
    run(root, *steps)
    assert (root / "counted.txt").read_text() == "x\nx\n"
    (root / ".gpu_day" / COMMIT_FILE).unlink()  # sources that nobody knows
    run(root, *steps)
    run(root, *steps)
    assert (root / "counted.txt").read_text() == "x\n" * 4


def test_half_an_outcome_of_an_earlier_call_is_run_again(root: Path) -> None:
    step = script("counted", "echo x >>counted.txt")
    run(root, step)
    path = root / "build" / "gpu_day" / "results" / "part1" / "counted" / "outcome.json"
    path.write_text(path.read_text()[:40])
    assert read_outcome(path) is None
    run(root, step)
    assert (root / "counted.txt").read_text() == "x\nx\n"


def test_changed_files_are_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "source.txt").write_text("two")
    run(root, script("good", "true"))
    assert "1 files changed since it was packed" in capsys.readouterr().out


def test_a_full_disk_is_said_and_the_run_goes_on(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(day_module.tarfile, "open", full)
    found = run(root, script("first", "echo one"), script("second", "echo two"))
    assert [outcome.status for outcome in found.values()] == ["passed", "passed"]
    assert "WARNING: gpu-day-part1.tar.gz could not be written: No space left" in capsys.readouterr().out


def test_what_a_step_left_in_its_scratch_folder_is_removed(root: Path) -> None:
    run(root, script("fills", "head -c 1000000 /dev/zero >$TMPDIR/huge; test -s $TMPDIR/huge"))
    assert not (root / "build" / "gpu_day" / "scratch").exists()


def test_a_killed_run_keeps_what_was_written(root: Path) -> None:
    program = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tools.gpu_day.day import Day
from tools.gpu_day.step import Step
import tools.gpu_day.day as day
real = day.run_bounded
day.run_bounded = lambda *a, **o: real(*a, **o, every_s=0.3)
first = Step("first", ["sh", "-c", "echo one"], 9)
steps = [first, Step("second", ["sh", "-c", "echo $$ >pid; echo half; exec sleep 600"], 9)]
root = Path({str(root)!r})
Day("part1", root, root / ".gpu_day", root.parent / "out").run(steps, 300)
"""
    process = subprocess.Popen([sys.executable, "-c", program], start_new_session=True, stdout=subprocess.DEVNULL)
    key = f"{FOLDER}/no-gpu/part1/second/log.txt"
    try:
        end = time.monotonic() + 120
        while time.monotonic() < end:
            time.sleep(0.2)
            if (root.parent / "out" / "gpu-day-part1.tar.gz").exists() and archived(root).get(key):
                break
    finally:
        process.kill()
        process.wait()
        os.kill(int((root / "pid").read_text()), signal.SIGKILL)  # the step's own, which nobody ends now
    files = archived(root)
    assert files[f"{FOLDER}/no-gpu/part1/first/log.txt"] == b"one\n"
    assert files[key] == b"half\n"
    assert json.loads(files[f"{FOLDER}/no-gpu/part1/second/outcome.json"])["status"] == "running"


def test_the_seconds_for_measuring_are_filled_in(tmp_path: Path) -> None:
    step = Step("s", ["measure", "--seconds", "{seconds}", "{folder}/x.json"], 9, overhead_s=10)
    assert step.filled_in(tmp_path, 42.9) == ["measure", "--seconds", "32", f"{tmp_path}/x.json"]
    assert step.filled_in(tmp_path, 3)[2] == "1"
