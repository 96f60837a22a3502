"""Standard output and the messages of run: records, quiet, the summary as JSON, and readers that go."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from cli_helpers import command, names, rows_of, shell
from media import count_frames

from hpe_edge.cli.main import main


def run_of(clip: Path, model: Path, *options: object) -> list[str]:
    return command("run", clip, "--model", model, "--boxes", "boxes.csv", *options)


def test_csv_on_standard_output_is_that_of_a_file(clip: Path, model: Path, tmp_path: Path) -> None:
    piped = shell("$HPE", *run_of(clip, model, "--csv", "-"))
    assert piped.returncode == 0 and "12 frames" in piped.stderr
    assert main(run_of(clip, model, "--csv", "o.csv")) == 0
    assert piped.stdout == (tmp_path / "o.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(piped.stdout)))
    assert len(rows) == 6 and rows[0]["file"] == "v.mp4"


def test_json_lines_on_standard_output_beside_files(clip: Path, model: Path, tmp_path: Path) -> None:
    piped = shell("$HPE", *run_of(clip, model, "--jsonl", "-", "--csv", "o.csv", "-o", "o.mp4"))
    assert piped.returncode == 0, piped.stderr
    frames = [json.loads(line)["frame"] for line in piped.stdout.splitlines()]
    assert frames == [int(row["frame"]) for row in rows_of(tmp_path / "o.csv")]
    assert count_frames(tmp_path / "o.mp4") == 12


@pytest.mark.parametrize("option", ["--csv", "--jsonl"])
def test_a_reader_that_has_had_enough(clip: Path, model: Path, tmp_path: Path, option: str) -> None:
    """Far more records than fit into a pipe; no message, and no other output is left."""
    boxes = "".join(f"{frame},30,20,60,50\n" * 600 for frame in range(12))
    (tmp_path / "boxes.csv").write_text(f"frame,x1,y1,x2,y2\n{boxes}")
    other = {"--csv": "--jsonl", "--jsonl": "--csv"}[option]
    before = names(tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "hpe_edge", *run_of(clip, model, option, "-", other, "o", "--quiet", "--no-track")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(timeout=60) == 1 and names(tmp_path) == before


@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
@pytest.mark.parametrize("options", [["--csv", "-"], ["--summary", "json"]])
def test_standard_output_that_cannot_be_written(
    clip: Path, model: Path, options: list[str], redirection: str, reason: str
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    done = shell(f"$HPE {redirection}", *run_of(clip, model, "--quiet", *options))
    assert done.returncode == 1
    assert reason in done.stderr and done.stderr.count("\n") == 1


def test_no_face_leaves_standard_output_empty(clip: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n99,1,2,30,40\n")
    for options in (["--csv", "-"], ["--summary", "json"]):
        done = shell("$HPE", *run_of(clip, model, "--quiet", *options))
        assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("hpe-edge: error: ")


def test_quiet_prints_results_and_errors_only(
    clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "boxes.csv").write_text((tmp_path / "boxes.csv").read_text() + "v.mp4,99,1,2,30,40\n")
    assert main(run_of(clip, model, "--quiet")) == 0
    printed = capsys.readouterr()
    assert printed.err == "" and len(printed.out.splitlines()) == 7
    assert main([*run_of(clip, model, "--quiet"), "-o", "o.mp4"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(command("run", "gone.mp4", "--quiet")) == 1
    assert "gone.mp4" in capsys.readouterr().err


def test_summary_as_json(clip: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(run_of(clip, model, "--summary", "json", "-o", "o.mp4", "--csv", "o.csv")) == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert printed.out.count("\n") == 1 and "frames per second" not in printed.err and "note:" in printed.err
    assert {name: summary[name] for name in ("frames", "faces", "doubtful", "dropped", "stopped")} == {
        "frames": 12,
        "faces": 6,
        "doubtful": 0,
        "dropped": 0,
        "stopped": None,
    }
    assert summary["outputs"] == [str(tmp_path / "o.mp4"), str(tmp_path / "o.csv")]
    assert summary["fps"] == pytest.approx(12 / summary["seconds"], rel=0.05)
    assert set(summary["stages"]) == {"read", "detect", "track", "crop", "infer", "decode", "draw", "write"}
    for stage in summary["stages"].values():
        assert 0 <= stage["p50_ms"] <= stage["p95_ms"] <= stage["p99_ms"] <= 1000 * stage["total_s"] + 0.01


def test_the_summary_replaces_the_table(clip: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(run_of(clip, model, "--summary", "json", "--quiet")) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["outputs"] == [] and printed.err == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--csv", "-", "--jsonl", "-"], "--csv and --jsonl both write to standard output"),
        (["--csv", "-", "--summary", "json"], "--csv and --summary json"),
        (["--zones", "z.json", "--events", "-", "--csv", "-"], "--csv and --events"),
        (["--summary", "yaml"], "--summary"),
    ],
)
def test_one_result_on_standard_output(
    clip: Path, model: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(run_of(clip, model, *options)) == 2
    printed = capsys.readouterr()
    assert message in printed.err and printed.out == ""


def test_a_file_may_be_called_like_standard_output(clip: Path, model: Path, tmp_path: Path) -> None:
    assert main(run_of(clip, model, "--csv", "./-")) == 0
    assert len(rows_of(tmp_path / "-")) == 6
