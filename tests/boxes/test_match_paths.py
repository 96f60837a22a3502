"""Paths of boxes and pictures: which belong together, and what is ambiguous."""

from __future__ import annotations

from pathlib import Path

import pytest
from media import write_picture

from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.boxes.match_paths import PathMatch
from hpe_edge.errors import SourceError
from hpe_edge.sources.open_source import open_source

FILE = Path("boxes.csv")


def matched(rows: list[str], *names: str, folder: str = "/home/me/photos") -> dict[str, list[str]]:
    match = PathMatch(FILE, rows, {name: Path(folder, name) for name in names})
    return {name: match(name) for name in names}


@pytest.mark.parametrize(
    ("rows", "names", "expected"),
    [
        (["a.jpg"], ["a.jpg"], [["a.jpg"]]),
        (["x/a.jpg", "y/a.jpg"], ["x/a.jpg", "y/a.jpg"], [["x/a.jpg"], ["y/a.jpg"]]),
        # The name itself, though another picture's path ends in it too.
        (["a.jpg", "x/a.jpg"], ["a.jpg", "x/a.jpg"], [["a.jpg"], ["x/a.jpg"]]),
        (["a.jpg"], ["x/a.jpg"], [["a.jpg"]]),
        # An absolute path, of these pictures and of a folder that was moved; backslashes.
        (["/home/me/photos/x/a.jpg"], ["x/a.jpg"], [["/home/me/photos/x/a.jpg"]]),
        (["/old/x/a.jpg", "/old/a.jpg"], ["x/a.jpg", "a.jpg"], [["/old/x/a.jpg"], ["/old/a.jpg"]]),
        (["C:\\me\\x\\a.jpg"], ["x/a.jpg"], [["C:\\me\\x\\a.jpg"]]),
        (["./x/./a.jpg"], ["x/a.jpg"], [["./x/./a.jpg"]]),
        # One file for several folders, of which one is read.
        (["photos/a.jpg", "other/a.jpg"], ["a.jpg"], [["photos/a.jpg"]]),
        (["a.jpg", "photos/a.jpg"], ["a.jpg"], [["a.jpg", "photos/a.jpg"]]),
        # Names that end alike are not equal.
        (["ba.jpg", "x/ba.jpg"], ["a.jpg"], [[]]),
        (["y/a.jpg"], ["x/a.jpg"], [[]]),
        ([""], ["a.jpg"], [[]]),
    ],
)
def test_paths_that_belong_together(rows: list[str], names: list[str], expected: list[list[str]]) -> None:
    assert matched(rows, *names) == dict(zip(names, expected, strict=True))


def test_a_path_that_may_mean_two_pictures() -> None:
    with pytest.raises(SourceError, match=r"boxes\.csv: a\.jpg may be x/a\.jpg or y/a\.jpg; give more of the path"):
        matched(["a.jpg"], "x/a.jpg", "y/a.jpg")


def test_two_paths_that_may_mean_a_picture() -> None:
    with pytest.raises(SourceError, match=r"boxes of a\.jpg may be those of one/a\.jpg or two/a\.jpg"):
        matched(["one/a.jpg", "two/a.jpg"], "a.jpg")


def test_many_pictures_of_one_name() -> None:
    """In time that grows with their number, not with its square."""
    names = [f"{k}/frame.jpg" for k in range(20_000)]
    rows = [f"/home/me/photos/{name}" for name in names]
    assert matched(rows, *names) == {name: [row] for name, row in zip(names, rows, strict=True)}


def test_boxes_of_a_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed, folder in enumerate("xy"):
        (tmp_path / folder).mkdir()
        write_picture(tmp_path / folder / "a.png", seed=seed)
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\ny/a.png,1,2,3,4\nx/a.png,5,6,7,8\n")
    source = open_source(["x", "y"])
    boxes = BoxesFile.for_source(Path("boxes.csv"), source)
    assert [boxes(frame).tolist() for frame in source] == [[[5, 6, 7, 8]], [[1, 2, 3, 4]]] and boxes.unused == 0
    assert not boxes.of_records
    alone = open_source("y")
    boxes = BoxesFile.for_source(Path("boxes.csv"), alone)
    assert [boxes(frame).tolist() for frame in alone] == [[[1, 2, 3, 4]]] and boxes.unused == 1
    (tmp_path / "boxes.csv").write_text("file,x1,y1,x2,y2\na.png,1,2,3,4\n")
    with pytest.raises(SourceError, match="may be"):
        BoxesFile.for_source(Path("boxes.csv"), source)
