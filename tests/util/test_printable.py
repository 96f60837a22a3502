"""Escape codes in names of others: none reaches a terminal, wherever a name is shown."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import hpe_edge
from hpe_edge import errors
from hpe_edge.errors import printable

SAMPLES = Path(hpe_edge.__file__).parent / "samples"
TITLE = "\x1b]0;owned\x07"  # sets the window's title
CLEAR = "\x1b[2J\x1b[1;1H"
CHAIN = "\x9b31m"  # the same introducer in one byte of C1
SWAPPED = "\u202egnp.exe"  # shown as exe.png
BACK = "hpe-edge: all good\r"
ALL = TITLE + CLEAR + CHAIN + SWAPPED + BACK
NAMES = [TITLE, CLEAR, CHAIN, SWAPPED, BACK]

# Everything that moves a cursor, sets a title or turns the order of letters.
ACTIVE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\r(?!\n)")


def on_terminal(*words: object, cwd: Path) -> str:
    """Run the command with a terminal for all output; return what the terminal got."""
    near, far = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, *map(str, words)], stdin=far, stdout=far, stderr=far, cwd=cwd, close_fds=True
    )
    os.close(far)
    parts = []
    while True:
        try:
            part = os.read(near, 65536)
        except OSError:  # the end of a terminal in Linux
            break
        if not part:
            break
        parts.append(part)
    os.close(near)
    process.wait(60)
    return b"".join(parts).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("name", NAMES)
def test_printable_text_has_nothing_that_a_terminal_obeys(name: str) -> None:
    shown = printable(f"a{name}b\tc\nd")
    assert not ACTIVE.search(shown) and shown.startswith("a") and shown.endswith("b\tc\nd")
    assert shown.encode("ascii", "backslashreplace").decode("unicode_escape") == f"a{name}b\tc\nd"


def test_plain_text_of_any_language_stays() -> None:
    text = "Gesicht.jpg, Zürich, 顔, лицо, \u05e4\u05e0\u05d9\u05dd, 👩🏽‍🔬, C:\\new"
    assert printable(text) == text


@pytest.mark.parametrize("kind", [errors.ModelError, errors.ModelNotFoundError, errors.SourceError, errors.OutputError])
def test_every_error_shows_names_escaped_in_tracebacks_and_logs_too(kind: type[errors.HpeEdgeError]) -> None:
    error = kind(f"there is no file {TITLE}\udcff.onnx")
    assert str(error) == "there is no file \\x1b]0;owned\\x07\\udcff.onnx" and f"{error}" == str(error)
    str(error).encode()


def test_no_word_of_the_command_line_reaches_the_terminal(tmp_path: Path) -> None:
    for words in (["run", f"{ALL}.jpg"], [ALL], ["run", "x.jpg", f"--{ALL}"], ["run", "x.jpg", "--style", ALL]):
        seen = on_terminal("-m", "hpe_edge", *words, cwd=tmp_path)
        assert "error" in seen and not ACTIVE.search(seen), words


def test_no_file_name_of_a_picture_reaches_the_terminal(tmp_path: Path) -> None:
    for number, name in enumerate([TITLE, CLEAR, CHAIN, SWAPPED, "a\nb"]):
        shutil.copy(SAMPLES / "astronaut.jpg", tmp_path / f"{number}{name.replace('/', '')}.jpg")
    for more in ([], ["--csv", "-"], ["--jsonl", "-"]):
        seen = on_terminal("-m", "hpe_edge", "run", ".", *more, cwd=tmp_path)
        assert "owned" in seen and not ACTIVE.search(seen), more
        if not more:  # a line per face, whatever the names are
            assert len([line for line in seen.splitlines() if line.strip()[:1].isdigit()]) == 5


def test_files_and_pipes_keep_a_name_as_it_is(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "astronaut.jpg", tmp_path / f"{CLEAR}.jpg")
    done = subprocess.run(
        [sys.executable, "-m", "hpe_edge", "run", ".", "--csv", "-"], cwd=tmp_path, capture_output=True
    )
    assert f"{CLEAR}.jpg".encode() in done.stdout


def test_no_key_of_a_checkpoint_reaches_the_terminal(tmp_path: Path) -> None:
    torch.save({f"{ALL}.weight": torch.zeros(2), "b.weight": torch.zeros(2)}, tmp_path / "w.pth")
    torch.save({f"{ALL}.weight": torch.zeros(2).to(torch.int32)}, tmp_path / "i.pth")
    torch.save({ALL: "x"}, tmp_path / "k.pth")
    files = [tmp_path / name for name in ("w.pth", "i.pth", "k.pth")]
    code = "import sys; from export.onnx import main; [main([file, '-o', 'x.onnx']) for file in sys.argv[1:]]"
    seen = on_terminal("-c", code, *files, cwd=Path.cwd())
    assert seen.count("error: ") == 3 and [seen.count(file.name) > 0 for file in files] == [True] * 3
    assert not ACTIVE.search(seen)


def test_warnings_of_the_log_are_printable(tmp_path: Path) -> None:
    code = "import logging; from hpe_edge.util.console import prepare; prepare()"
    seen = on_terminal("-c", f"{code}; logging.getLogger('x').warning('%s', {TITLE!r})", cwd=Path.cwd())
    assert seen.strip() == "\\x1b]0;owned\\x07"
