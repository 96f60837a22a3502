"""The asked name holds a whole result or is not touched."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from hpe_edge.errors import OutputError
from hpe_edge.util.atomic import Pending, pending_files


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_commit_replaces_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    pending = Pending(tmp_path / "a.csv")
    pending.temp.write_text("new")
    assert (tmp_path / "a.csv").read_text() == "old"
    pending.commit()
    pending.discard()
    assert names(tmp_path) == ["a.csv"] and (tmp_path / "a.csv").read_text() == "new"


def test_partial_keeps_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("old")
    pending = Pending(tmp_path / "a.csv")
    pending.temp.write_text("half")
    assert pending.keep_partial() == tmp_path / "a.partial.csv"
    assert names(tmp_path) == ["a.csv", "a.partial.csv"] and (tmp_path / "a.csv").read_text() == "old"


def test_discard_leaves_nothing(tmp_path: Path) -> None:
    pending = Pending(tmp_path / "a.csv")
    assert names(tmp_path) != []
    pending.discard()
    assert names(tmp_path) == []


@pytest.mark.parametrize("exists", [False, True])
def test_folder_appears_in_one_go(tmp_path: Path, exists: bool) -> None:
    if exists:
        (tmp_path / "out").mkdir()
    pending = Pending(tmp_path / "out", folder=True)
    (pending.temp / "x").write_text("x")
    pending.commit()
    assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["x"]


def test_folder_is_discarded_with_its_files(tmp_path: Path) -> None:
    pending = Pending(tmp_path / "out", folder=True)
    (pending.temp / "x").write_text("x")
    pending.discard()
    assert names(tmp_path) == []


def test_links_stay_links(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    pending = Pending(tmp_path / "link.csv")
    pending.temp.write_text("new")
    pending.commit()
    assert (tmp_path / "link.csv").is_symlink() and (tmp_path / "real.csv").read_text() == "new"


def test_files_get_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "usual").touch()
    pending = Pending(tmp_path / "a.csv")
    pending.commit()
    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "usual").stat().st_mode


@pytest.mark.parametrize("folder", [False, True])
def test_missing_place(tmp_path: Path, folder: bool) -> None:
    with pytest.raises(OutputError, match=r"gone does not exist; make the folder first"):
        Pending(tmp_path / "gone" / "a.csv", folder=folder)


def test_place_under_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file is not a folder"):
        Pending(tmp_path / "file" / "a.csv")


def test_place_that_cannot_be_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "touch", refuse)  # permissions do not bind the superuser, who may run the tests
    with pytest.raises(OutputError, match=r"cannot write .*a\.csv: Permission denied; choose a folder"):
        Pending(tmp_path / "a.csv")


@pytest.mark.parametrize("taken", ["a.csv", "a.partial.csv"])
def test_file_where_a_folder_is(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).mkdir()
    with pytest.raises(OutputError, match="is a folder; name a file"):
        Pending(tmp_path / "a.csv")


@pytest.mark.parametrize("taken", ["out", "out.partial"])
def test_folder_that_is_not_empty_is_left_alone(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).mkdir()
    (tmp_path / taken / "x").touch()
    with pytest.raises(OutputError, match="is not empty; name a new folder, or empty it"):
        Pending(tmp_path / "out", folder=True)


def test_folder_where_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="is a file; name a folder"):
        Pending(tmp_path / "out", folder=True)


def test_devices_are_not_replaced() -> None:
    with pytest.raises(OutputError, match="device or pipe"):
        Pending(Path("/dev/null"))


def test_several_files_are_all_created_or_none(tmp_path: Path) -> None:
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        pending_files([tmp_path / "a.csv", tmp_path / "taken.csv"])
    assert names(tmp_path) == ["taken.csv"]
    both = pending_files([tmp_path / "a.csv", tmp_path / "b.csv"])
    for each in both:
        each.commit()
    assert names(tmp_path) == ["a.csv", "b.csv", "taken.csv"]
