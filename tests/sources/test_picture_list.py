"""Several sources: which pictures are read, in which order, and by which names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from media import assert_notes, write_picture, write_video

from hpe_edge.errors import InputError, SourceError
from hpe_edge.sources.open_source import open_source


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of equal names in several folders, and what is no picture."""
    for seed, name in enumerate(("a/1.png", "a/2.png", "b/1.png", "b/c/1.png", "b/c/.hidden/3.png", "d/1.png")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(tmp_path / name, seed=seed)
    (tmp_path / "b" / "notes.txt").write_text("x")
    monkeypatch.chdir(tmp_path)


def names(*given: str | Path, recursive: bool = False) -> list[str]:
    source = open_source(given, recursive=recursive)
    frames = list(source)
    assert source.count == len(frames) and [frame.index for frame in frames] == list(range(len(frames)))
    return [frame.name for frame in frames]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a/1.png"], ["1.png"]),
        (["a"], ["1.png", "2.png"]),
        (["a/2.png", "a/1.png"], ["2.png", "1.png"]),
        (["a/1.png", "b/1.png"], ["a/1.png", "b/1.png"]),
        (["d", "a"], ["d/1.png", "a/1.png", "a/2.png"]),
        (["b", "b/c"], ["1.png", "c/1.png"]),
        (["b/c/1.png", "b/1.png"], ["c/1.png", "1.png"]),
        (["*/1.png"], ["a/1.png", "b/1.png", "d/1.png"]),
        (["a/*.png"], ["1.png", "2.png"]),
        (["d", "a/*.png"], ["d/1.png", "a/1.png", "a/2.png"]),
        (["./a/../b/1.png", "a/1.png"], ["b/1.png", "a/1.png"]),
    ],
)
def test_names_are_relative_to_the_deepest_common_folder(given: list[str], expected: list[str]) -> None:
    assert names(*given) == expected
    assert names(*(Path.cwd() / each for each in given)) == expected


def test_a_picture_alone_in_a_list_is_a_picture() -> None:
    assert open_source(["a/1.png"]).kind == "picture"
    assert open_source(["a/1.png", "a/2.png"]).kind == "folder"


def test_a_picture_that_is_named_twice_is_read_once() -> None:
    source = open_source(["a", "a/1.png", "./a/1.png"])
    assert [frame.name for frame in source] == ["1.png", "2.png"]
    assert_notes(source.notes, "2 pictures were named more than once")


def test_what_is_no_picture_is_counted() -> None:
    """As where a shell expands b/*."""
    source = open_source(["b/1.png", "b/notes.txt"])
    assert [frame.name for frame in source] == ["1.png"]
    assert_notes(source.notes, "1 entry of the sources")


def test_a_folder_without_pictures_beside_others(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    source = open_source(["empty", "a"])
    assert [frame.name for frame in source] == ["a/1.png", "a/2.png"]
    assert_notes(source.notes, "no picture in empty")
    with pytest.raises(SourceError, match="no picture in empty"):
        open_source(["empty", "empty"])


@pytest.mark.parametrize("other", ["v.mp4", "gone.mkv", "-", "99", "/dev/video0", "http://user:secret@host/a", "a ! b"])
def test_videos_are_one_per_run(tmp_path: Path, other: str) -> None:
    write_video(tmp_path / "v.mp4")
    with pytest.raises(InputError, match=r"one and nothing else.*2 sources.*for f in") as error:
        open_source(["a/1.png", other])
    assert "secret" not in str(error.value)


def test_missing_ones_are_an_error() -> None:
    with pytest.raises(SourceError, match=r"no a/9\.png"):
        open_source(["a/1.png", "a/9.png"])
    with pytest.raises(SourceError, match=r"z/\*\.png matches no picture"):
        open_source(["a/1.png", "z/*.png"])
    with pytest.raises(InputError, match="name a picture"):
        open_source([])


def test_recursive_search() -> None:
    assert names(".", recursive=True) == ["a/1.png", "a/2.png", "b/1.png", "b/c/1.png", "d/1.png"]
    assert names("b", recursive=True) == ["1.png", "c/1.png"]
    assert names("b", "d", recursive=True) == ["b/1.png", "b/c/1.png", "d/1.png"]
    assert_notes(open_source("b", recursive=True).notes, "2 entries of b")  # the text and the hidden folder


def test_recursive_search_needs_a_folder() -> None:
    for given in ("a/1.png", "a/*.png", ["a/1.png", "b/1.png"]):
        with pytest.raises(InputError, match="needs a folder"):
            open_source(given, recursive=True)
    with pytest.raises(SourceError, match="--recursive"):
        open_source(Path.cwd())


@pytest.fixture
def links(tmp_path: Path) -> None:
    """Two that go round in a circle, one that comes before its folder in the order of names, and one that leads out."""
    (tmp_path / "b" / "c" / "up").symlink_to(tmp_path)
    (tmp_path / "b" / "c" / "self").symlink_to(".")
    (tmp_path / "a_link").symlink_to("d")
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    write_picture(outside / "9.png")
    (tmp_path / "d" / "out").symlink_to(outside)


def test_links_are_followed_and_no_folder_is_read_twice(links: None) -> None:
    expected = ["a/1.png", "a/2.png", "b/1.png", "b/c/1.png", "d/1.png", "d/out/9.png"]
    assert names(".", recursive=True) == expected
    found = names("b", recursive=True)  # a link in it leads to the folder that it is in
    assert found[0] == "1.png" and "c/1.png" in found and len(found) == 6


@pytest.mark.parametrize("pattern", ["**/*.png", "./**/*.png", "**"])
def test_patterns_do_not_follow_links(links: None, pattern: str) -> None:
    expected = ["a/1.png", "a/2.png", "b/1.png", "b/c/1.png", "d/1.png"]
    assert names(pattern) == names(str(Path.cwd() / pattern)) == expected


def test_hidden_folders_that_are_named() -> None:
    assert names("b/**/.hidden/*.png") == names("b/c/.hidden/*") == ["3.png"]


def test_a_folder_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read = Path.iterdir

    def refuse(path: Path) -> object:
        if path.name == "c":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    source = open_source("b", recursive=True)
    assert [frame.name for frame in source] == ["1.png"]
    assert any("b/c: Permission denied" in note for note in source.notes)
    with pytest.raises(SourceError, match="Permission denied"):
        open_source("b/c", recursive=True)


def test_names_that_are_no_utf8(tmp_path: Path) -> None:
    folder = os.fsdecode(b"caf\xe9")
    (tmp_path / "a").rename(tmp_path / folder)
    assert names(folder, "d") == [f"{folder}/1.png", f"{folder}/2.png", "d/1.png"]
