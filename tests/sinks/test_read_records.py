"""series: what a file of records gives back, and what it is refused for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from hpe_edge import Poses, SourceError
from hpe_edge import geometry as g
from hpe_edge.pipeline.frame_result import Result
from hpe_edge.poses import NO_ID
from hpe_edge.sinks.read_records import ID_COLUMN, Series, read_series
from hpe_edge.sinks.records import CsvFile, JsonLinesFile
from hpe_edge.sources.open_source import Frame

KINDS = [(CsvFile, "poses.csv"), (JsonLinesFile, "poses.jsonl")]


def write(
    file: CsvFile | JsonLinesFile, *, name: str = "clip.mp4", time: bool = True, ids: Sequence[tuple[int, int]] = ()
) -> list[Poses]:
    """Two faces over 20 frames, in changing order; the second has no sigma, and one pose is lost.

    Without ``ids``, a pair for each frame, they are not followed.
    """
    written = []
    for at in range(20):
        order = [0, 1] if at % 2 else [1, 0]
        boxes = np.float32([[10 + at, 20, 60 + at, 90], [300, 40, 360, 120]])[order]
        angles = np.float32([[at, 5, -5], [120 - at, 2, 3]])[order]
        sigma = np.float32([[3, 4, 5], [np.nan] * 3])[order]
        if at == 7:
            angles[0] = np.nan
        known = np.array(ids[at] if ids else (NO_ID, NO_ID))
        poses = Poses(angles, sigma, g.rotation_from_euler(angles), boxes=boxes, ids=known)
        frame = Frame(name, at, at / 25 if time else np.nan, np.zeros((1, 1, 3), np.uint8))
        file.write(Result(frame, poses))
        written.append(poses)
    file.finish()
    assert file.pending is not None
    file.pending.commit()
    return written


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_what_was_written_is_read(tmp_path: Path, kind: type[CsvFile | JsonLinesFile], name: str) -> None:
    written = write(kind(tmp_path / name))
    series = read_series(tmp_path / name)
    assert [one.id for one in series] == [0, 1]
    first, second = series  # the first frame names the face on the right first
    np.testing.assert_allclose(first.time_s, np.arange(20) / 25)
    np.testing.assert_array_equal(first.boxes[:, 0], 300)
    np.testing.assert_array_equal(second.boxes[:, 0], 10 + np.arange(20))
    for at, poses in enumerate(written):
        for one, row in ((first, at % 2), (second, 1 - at % 2)):
            np.testing.assert_allclose(one.poses.angles[at], poses.angles[row], atol=1e-3)
            np.testing.assert_allclose(one.poses.sigma[at], poses.sigma[row], atol=1e-3)
            np.testing.assert_allclose(one.poses.rotation[at], poses.rotation[row], atol=1e-4)


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_written_identities_are_taken(tmp_path: Path, kind: type[CsvFile | JsonLinesFile], name: str) -> None:
    write(kind(tmp_path / name), ids=[(40, 3)] * 19 + [(NO_ID, NO_ID)])
    series: list[Series] = read_series(tmp_path / name)
    assert [(one.id, len(one.time_s)) for one in series] == [(3, 19), (40, 19)]


@pytest.mark.parametrize(("kind", "name"), KINDS)
@pytest.mark.parametrize("odd", [*"\u2028\u2029\x85\x0b\x0c\x1c\x1d\x1e\n\udcff", '"', ","])
def test_any_file_name(tmp_path: Path, kind: type[CsvFile | JsonLinesFile], name: str, odd: str) -> None:
    """Also with what str.splitlines takes for the end of a line."""
    write(kind(tmp_path / name), name=f"a{odd}b.mp4")
    assert [len(one.time_s) for one in read_series(tmp_path / name)] == [20, 20]


@pytest.mark.parametrize("name", ["poses.csv", "poses.jsonl"])
def test_lines_of_other_systems(tmp_path: Path, name: str) -> None:
    write(CsvFile(tmp_path / name) if name.endswith("csv") else JsonLinesFile(tmp_path / name))
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes().replace(b"\n", b"\r\n"))
    assert [len(one.time_s) for one in read_series(tmp_path / name)] == [20, 20]


def test_records_without_the_column(tmp_path: Path) -> None:
    """As boxes of other programs have it."""
    write(CsvFile(tmp_path / "poses.csv"))
    header, *lines = ([*line.split(",")] for line in (tmp_path / "poses.csv").read_text().splitlines())
    at = header.index(ID_COLUMN)
    kept = [",".join([*fields[:at], *fields[at + 1 :]]) for fields in (header, *lines)]
    (tmp_path / "other.csv").write_text("\n".join(kept))
    assert [one.id for one in read_series(tmp_path / "other.csv")] == [0, 1]


@pytest.mark.parametrize(("kind", "name"), KINDS)
def test_records_from_before_the_column_doubtful(
    tmp_path: Path, kind: type[CsvFile | JsonLinesFile], name: str
) -> None:
    write(kind(tmp_path / name))
    text = (tmp_path / name).read_text()
    if name.endswith(".csv"):
        header, *lines = ([*line.split(",")] for line in text.splitlines())
        at = header.index("doubtful")
        text = "\n".join(",".join([*fields[:at], *fields[at + 1 :]]) for fields in (header, *lines))
    else:
        text = re.sub('"doubtful": [a-z]+, ', "", text)
    assert "doubtful" not in text
    (tmp_path / f"old-{name}").write_text(text)
    old, new = read_series(tmp_path / f"old-{name}"), read_series(tmp_path / name)
    for before, after in zip(old, new, strict=True):
        np.testing.assert_array_equal(before.poses.angles, after.poses.angles)


def test_pictures_have_no_time(tmp_path: Path) -> None:
    write(CsvFile(tmp_path / "poses.csv"), time=False)
    with pytest.raises(SourceError, match="pictures, which have no time"):
        read_series(tmp_path / "poses.csv")


@pytest.mark.parametrize(
    ("name", "text", "fragment"),
    [
        ("a.csv", "", "holds no records"),
        ("a.jsonl", "", "holds no records"),
        ("a.csv", "x1,y1\n1,2\n", "line 2: no time_s x2"),
        ("a.jsonl", "{not json", "line 1: not JSON"),
        ("a.jsonl", "[1]", "must be a JSON object"),
        ("a.jsonl", "\n", "line 1: not JSON"),
        ("missing.csv", None, "cannot read the records"),
    ],
)
def test_what_is_refused(tmp_path: Path, name: str, text: str | None, fragment: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(SourceError, match=fragment):
        read_series(tmp_path / name)


@pytest.mark.parametrize(
    ("column", "value"),
    [("x1", "left"), ("yaw_deg", "1,2"), ("x1", "9999"), *((name, "1e400") for name in ("track", "time_s", "yaw_deg"))],
)
def test_a_broken_line(tmp_path: Path, column: str, value: str) -> None:
    write(CsvFile(tmp_path / "poses.csv"))
    header, *lines = (tmp_path / "poses.csv").read_text().splitlines()
    fields = lines[4].split(",")
    fields[header.split(",").index(column)] = f'"{value}"'
    (tmp_path / "bad.csv").write_text("\n".join([header, *lines[:4], ",".join(fields), *lines[5:]]))
    with pytest.raises(SourceError, match="line 6" if value != "9999" else "at 0.08 s: box 0"):
        read_series(tmp_path / "bad.csv")


@pytest.mark.parametrize("value", ["1e400", "-Infinity", "9" * 400])
@pytest.mark.parametrize("column", ["track", "time_s", "roll_deg"])
def test_too_large_a_number(tmp_path: Path, column: str, value: str) -> None:
    write(JsonLinesFile(tmp_path / "poses.jsonl"))
    first, second, *rest = (tmp_path / "poses.jsonl").read_text().splitlines()
    broken = re.sub(f'"{column}": [^,}}]*', f'"{column}": {value}', second)
    (tmp_path / "poses.jsonl").write_text("\n".join([first, broken, *rest]))
    with pytest.raises(SourceError, match=r"line 2: .*too large"):
        read_series(tmp_path / "poses.jsonl")
