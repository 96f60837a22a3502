"""Children: results, crashes, hangs, and the folders that they import from."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hpe_edge.util.child_process import ChildError, run_in_child


@pytest.fixture(autouse=True)
def children_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def test_it_returns_what_main_returned_and_nothing_that_was_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder])
    (tmp_path / "json.py").write_text("raise SystemExit('a file of the current folder was imported')")
    assert run_in_child("children", ["give", "ä b", ""], 60) == "give|ä b||False".encode()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("kind", "named"), [("crash", "crashed with SIGSEGV"), ("raise", "failed")])
def test_its_end_is_said(kind: str, named: str) -> None:
    with pytest.raises(ChildError, match=named):
        run_in_child("children", [kind], 60)


def test_one_that_hangs_is_ended() -> None:
    with pytest.raises(ChildError, match="within 1 s"):
        run_in_child("children", ["hang"], 1)
