"""Records: columns, digits, what does not exist, and full disks."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpe_edge.errors import OutputError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import Poses
from hpe_edge.sinks.records import CsvFile, JsonLinesFile, RecordFile, Table
from hpe_edge.sources.open_source import Frame

HEADER = (
    "file,frame,time_s,face,track,x1,y1,x2,y2,score,yaw_deg,pitch_deg,roll_deg,"
    "yaw_sigma_deg,pitch_sigma_deg,roll_sigma_deg,doubtful,qw,qx,qy,qz"
)
BOXES = np.float32([[1, 2, 30.5, 40.126], [-5, 0, 10, 10]])


def frame(name: str = "v.mp4", time_s: float = 0.28) -> Frame:
    return Frame(name, 7, time_s, np.zeros((4, 4, 3), np.uint8))


def two_poses() -> Poses:
    """The first turned by a yaw of 90 degrees, the second NaN."""
    angles = np.float32([[90, 0, 0], [np.nan, np.nan, np.nan]])
    sigma = np.float32([[1.23456, 2, 3], [np.nan, np.nan, np.nan]])
    scores, ids = np.float32([0.87654, np.nan]), np.array([3, -1])
    rotation = rotation_from_euler(angles).astype(np.float32)
    return Poses(angles, sigma, rotation, boxes=BOXES, scores=scores, ids=ids)


def result_of(one: Frame) -> Result:
    """The first face has the identity 3 and a score, the second neither."""
    return Result(one, two_poses())


def written(sink: RecordFile, *frames: Frame) -> str:
    for one in frames:
        sink.write(result_of(one))
    sink.finish()
    sink.pending.commit()
    return sink.path.read_bytes().decode("utf-8", "surrogateescape")


def test_csv(tmp_path: Path) -> None:
    half = "0.707107"
    assert written(CsvFile(tmp_path / "a.csv"), frame()) == (
        f"{HEADER}\n"
        f"v.mp4,7,0.280,0,3,1.00,2.00,30.50,40.13,0.877,90.000,0.000,0.000,1.235,2.000,3.000,0,{half},0.000000,{half},0.000000\n"
        "v.mp4,7,0.280,1,,-5.00,0.00,10.00,10.00,,,,,,,,1,,,,\n"
    )


def test_json_lines_hold_the_same(tmp_path: Path) -> None:
    lines = written(JsonLinesFile(tmp_path / "a.jsonl"), frame()).splitlines()
    rows = list(csv.DictReader(written(CsvFile(tmp_path / "a.csv"), frame()).splitlines()))
    assert len(lines) == len(rows) == 2
    for line, row in zip(lines, rows, strict=True):
        plain = json.loads(line)
        assert ",".join(plain) == HEADER
        for name, value in plain.items():
            expected = row[name] if name == "file" else float(row[name]) if row[name] else None
            assert value == expected, name
            assert isinstance(value, bool) == (name == "doubtful")


def test_pictures_have_no_time(tmp_path: Path) -> None:
    row = next(csv.DictReader(written(CsvFile(tmp_path / "a.csv"), frame(time_s=math.nan)).splitlines()))
    assert row["time_s"] == ""
    assert json.loads(written(JsonLinesFile(tmp_path / "a"), frame(time_s=math.nan)).splitlines()[0])["time_s"] is None


def test_any_file_name_passes(tmp_path: Path) -> None:
    name = 'Zoë, "1"\udcff.jpg'  # a comma, quotes, beyond ASCII, and a byte that is no UTF-8
    assert next(csv.DictReader(written(CsvFile(tmp_path / "a.csv"), frame(name)).splitlines()))["file"] == name
    assert json.loads(written(JsonLinesFile(tmp_path / "a"), frame(name)).splitlines()[0])["file"] == name


@pytest.mark.parametrize("kind", [CsvFile, JsonLinesFile])
@pytest.mark.parametrize("frames", [1, 2000])
def test_full_disk(kind: type[RecordFile], frames: int) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match="/dev/full: No space left on device"):
        sink = kind(Path("/dev/full"))
        for _ in range(frames):
            sink.write(result_of(frame()))
        sink.finish()
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("kind", [CsvFile, JsonLinesFile])
def test_what_was_written_lies_in_the_file_at_once(tmp_path: Path, kind: type[RecordFile]) -> None:
    """So it is there even when the process is killed."""
    sink = kind(tmp_path / "a")
    for number in (1, 2):
        sink.write(result_of(frame()))
        text = sink.pending.temp.read_text()
        assert text.endswith("\n") and text.count("v.mp4") == 2 * number


def test_doubtful_faces_are_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sigmas of the first face have a root mean square of 2.2 degrees; the second is NaN."""
    table, one = Table(), result_of(frame())
    for limit, expected in ((2.1, ["1", "1"]), (2.3, ["0", "1"]), (math.inf, ["0", "1"])):
        one.poses.max_sigma = limit
        sink = CsvFile(tmp_path / "a.csv")
        sink.write(one)
        table.write(one)
        sink.finish()
        rows = list(csv.DictReader(sink.pending.temp.read_text().splitlines()))
        assert [row["doubtful"] for row in rows] == expected
        sink.pending.discard()
    marks = [line[-len("?v.mp4") :] for line in capsys.readouterr().out.splitlines()[1:]]
    assert marks == ["?v.mp4", "?v.mp4", " v.mp4", "?v.mp4", " v.mp4", "?v.mp4"]


@pytest.mark.parametrize(("kind", "header"), [(CsvFile, f"{HEADER}\n"), (JsonLinesFile, "")])
def test_standard_output(kind: type[RecordFile], header: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """The header comes with the first record, and names keep their bytes."""
    sink = kind("-")
    empty = Result(frame(), two_poses()[:0])
    sink.write(empty)
    assert capsysbinary.readouterr().out == b"" and sink.pending is None
    sink.write(result_of(frame("caf\udce9.mp4")))
    text = capsysbinary.readouterr().out.decode("utf-8", "surrogateescape")
    assert text.startswith(header) and text.count("caf\udce9.mp4") == 2
    sink.finish()
    assert capsysbinary.readouterr().out == b""


def test_a_file_without_records_has_its_header(tmp_path: Path) -> None:
    assert written(CsvFile(tmp_path / "a.csv")) == f"{HEADER}\n"


def test_the_wall_clock_of_live_sources(tmp_path: Path) -> None:
    """In a column of its own, to the millisecond; other sources' records are as ever."""
    live = replace(frame(), utc_s=1_700_000_000.1236)
    csv_text = written(CsvFile(tmp_path / "a.csv", clock=True), live)
    assert csv_text.splitlines()[0].endswith(",qz,utc")
    assert {line.rpartition(",")[2] for line in csv_text.splitlines()[1:]} == {"2023-11-14T22:13:20.124Z"}
    lines = [json.loads(line) for line in written(JsonLinesFile(tmp_path / "a.jsonl", clock=True), live).splitlines()]
    assert {line["utc"] for line in lines} == {"2023-11-14T22:13:20.124Z"}
    assert "utc" not in written(CsvFile(tmp_path / "b.csv"), live, frame())
    assert written(CsvFile(tmp_path / "c.csv", clock=True), frame()).splitlines()[1].endswith(",")


def with_landmarks(count: int = 2) -> Result:
    """Two landmarks of each face; the second's visibility is unknown, and so is the second face's first point."""
    plain = two_poses()
    landmarks = np.float32([[[1.234, 2], [-3, 4]], [[np.nan, np.nan], [5, 6.789]]])
    visibility = np.float32([[0.1234, np.nan], [1, np.nan]])
    poses = Poses(*plain.arrays, boxes=BOXES, landmarks=landmarks, visibility=visibility)
    return Result(frame(), poses[:count])


@pytest.mark.parametrize("first", [2, 0])
def test_landmarks_are_a_field_of_a_model_that_has_them(tmp_path: Path, first: int) -> None:
    """Though the first frame holds no face."""
    table, lines = CsvFile(tmp_path / "a.csv", clock=True), JsonLinesFile(tmp_path / "a.jsonl", clock=True)
    for sink in (table, lines):
        for count in (first, 2):
            sink.write(with_landmarks(count))
        sink.finish()
        assert sink.pending is not None
        sink.pending.commit()
    assert (tmp_path / "a.csv").read_text().splitlines()[0] == f"{HEADER},landmarks,visibility,utc"
    rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))[-2:]
    assert [row["landmarks"] for row in rows] == ["1.23 2.00 -3.00 4.00", "nan nan 5.00 6.79"]
    assert [row["visibility"] for row in rows] == ["0.123 nan", "1.000 nan"]
    plain = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()][-2:]
    assert plain[0]["landmarks"] == [1.23, 2.0, -3.0, 4.0] and plain[1]["landmarks"] == [None, None, 5.0, 6.79]
    assert plain[0]["visibility"] == [0.123, None] and list(plain[0])[-1] == "utc"
