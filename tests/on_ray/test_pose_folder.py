"""Folders of Parquet files: progress, and what is left after an interruption."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

from hpe_edge import BackendError, OutputError  # noqa: E402
from hpe_edge.ray import PoseFolder, parquet_schema  # noqa: E402

URIS = ["a.mp4", "b.mp4", "c.mp4"]


def rows(uri: str, faces: int, *, counted: int | None = None, error: str | None = None) -> list[dict[str, Any]]:
    """Rows of faces, and the last row."""
    end = {"uri": uri, "frames": 10, "faces": faces if counted is None else counted, "error": error}
    return [*({"uri": uri, "frame": face, "face": 0} for face in range(faces)), end]


def write(path: Path, *parts: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    parquet.write_table(
        pyarrow.Table.from_pylist([row for part in parts for row in part], schema=parquet_schema()), path
    )


def uris_in(folder: Path) -> list[str]:
    return sorted(uri for path in folder.glob("*.parquet") for uri in parquet.read_table(path)["uri"].to_pylist())


def test_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    folder = PoseFolder(str(tmp_path / "poses"))
    assert folder.resume([*URIS, "a.mp4"]) == URIS
    assert str(folder.progress(URIS)) == "0 of 3 done: 0 frames, 0 faces"


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BackendError, match=r"hpe-edge\[ray\]"):
        PoseFolder(str(tmp_path))


def test_whole_uris_stay(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", rows("a.mp4", 2), rows("b.mp4", 0, error="damaged"))
    folder = PoseFolder(str(tmp_path))
    progress = folder.progress(URIS)
    assert (progress.total, progress.done, progress.frames, progress.faces) == (3, 2, 20, 2)
    assert progress.failed == {"b.mp4": "damaged"}
    assert folder.resume(URIS) == ["c.mp4"]
    assert uris_in(tmp_path) == ["a.mp4"] * 3 + ["b.mp4"]
    assert folder.resume(URIS, retry_failed=True) == ["b.mp4", "c.mp4"]
    assert uris_in(tmp_path) == ["a.mp4"] * 3


def test_rows_over_several_files_are_one_uri(tmp_path: Path) -> None:
    whole = rows("a.mp4", 4)
    write(tmp_path / "1.parquet", whole[:3])
    write(tmp_path / "2.parquet", whole[3:])
    assert PoseFolder(str(tmp_path)).resume(["a.mp4"]) == []


@pytest.mark.parametrize(
    "held",
    [
        {"1": rows("a.mp4", 2)[:-1]},  # without its end
        {"1": rows("a.mp4", 2, counted=3)},  # a row is missing
        {"1": rows("a.mp4", 2), "2": rows("a.mp4", 2)},  # twice
        {"1": rows("a.mp4", 2), "2": rows("a.mp4", 2)[:1]},  # partly twice
    ],
)
def test_incomplete_and_doubled_rows_are_removed(tmp_path: Path, held: dict[str, list[dict[str, Any]]]) -> None:
    for name, part in held.items():
        write(tmp_path / f"{name}.parquet", part)
    other = rows("b.mp4", 1)
    write(tmp_path / "1.parquet", held["1"], other)
    folder = PoseFolder(str(tmp_path))
    assert folder.progress(URIS).done == 1
    assert folder.resume(["a.mp4", "b.mp4"]) == ["a.mp4"]
    assert uris_in(tmp_path) == ["b.mp4"] * 2
    assert [path.name for path in tmp_path.iterdir()] == ["1.parquet"]
    assert parquet.read_table(tmp_path / "1.parquet").schema == parquet_schema()


def test_files_that_were_cut_off_are_removed(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", rows("a.mp4", 2))
    whole = (tmp_path / "1.parquet").read_bytes()
    (tmp_path / "2.parquet").write_bytes(whole[:-9])
    (tmp_path / "3.parquet").write_bytes(b"")
    folder = PoseFolder(str(tmp_path))
    assert folder.progress(URIS).done == 1
    assert len(list(tmp_path.iterdir())) == 3  # a job may be writing them
    assert folder.resume(URIS) == URIS[1:]
    assert [path.name for path in tmp_path.iterdir()] == ["1.parquet"]


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"uri": ["a.mp4"], "face": [None]}), tmp_path / "other.parquet")
    with pytest.raises(OutputError, match=r"other\.parquet holds another table, without the columns error, faces"):
        PoseFolder(str(tmp_path)).resume(URIS)
    (tmp_path / "other.parquet").write_bytes(b"these are notes, and no Parquet")
    with pytest.raises(OutputError, match=r"cannot read .*other\.parquet"):
        PoseFolder(str(tmp_path)).resume(URIS)
    assert (tmp_path / "other.parquet").exists()


def test_uris_of_other_archives_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", rows("z.mp4", 2)[:-1], rows("a.mp4", 1)[:-1])
    assert PoseFolder(str(tmp_path)).resume(URIS) == URIS
    assert uris_in(tmp_path) == ["z.mp4"] * 2


def test_a_folder_by_uri(tmp_path: Path) -> None:
    write(tmp_path / "1.parquet", rows("a.mp4", 2))
    assert PoseFolder(tmp_path.as_uri()).resume(["a.mp4"]) == []
    with pytest.raises(OutputError, match="http://host/poses is not supported"):
        PoseFolder("http://host/poses")
