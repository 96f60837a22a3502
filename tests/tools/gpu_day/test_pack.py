"""Archives of the carried folder, and the note of the commit."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path

import pytest

from tools.gpu_day.carrying import pack as pack_module
from tools.gpu_day.carrying.pack import pack
from tools.gpu_day.carrying.provenance import Provenance
from tools.gpu_day.programs.unpack import unpack


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    root.mkdir()
    (root / ".gitignore").write_text(".gpu_day/\n")
    git = ["git", "-C", str(root), "-c", "user.name=n", "-c", "user.email=e"]
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    (root / "untracked.txt").write_text("new")
    return root


@pytest.fixture(autouse=True)
def fills(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Made-up archives in place of those that need a network."""

    def small(folder: Path) -> str:
        (folder / "lib").mkdir()
        (folder / "lib" / "code.so").write_bytes(bytes(range(256)) * 1000)
        return "a library"

    def refused(folder: Path) -> str:
        raise ValueError("it has no machine code for sm_90")

    wheel = tmp_path / "pybind11.whl"
    with pack_module.zipfile.ZipFile(wheel, "w") as packed:
        packed.writestr("pybind11/include/pybind11.h", "header")
        packed.writestr("other/file", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(pack_module, "_wheel", lambda requirement: wheel)
    monkeypatch.setattr(pack_module, "_fill_onnxruntime", small)
    monkeypatch.setattr(pack_module, "_fill_rtx", refused)


def test_sizes_are_listed_and_what_cannot_be_made_is_left_out(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    carried = root / ".gpu_day"
    pack(root, carried)
    output = capsys.readouterr().out
    assert "the tree, 2 files" in output
    assert ".gpu_day/onnxruntime-cuda.tar.xz: a library" in output
    assert ".gpu_day/rtx.tar.xz: left out, it has no machine code for sm_90" in output
    assert not (carried / "rtx.tar.xz").exists()
    assert (carried / "base/pybind11/include/pybind11.h").read_text() == "header"
    assert not (carried / "base/other").exists()
    unpack(carried / "onnxruntime-cuda.tar.xz", tmp_path / "there")
    assert (tmp_path / "there/lib/code.so").read_bytes() == bytes(range(256)) * 1000
    origin = Provenance(root, carried)
    assert origin.dirty and "with changes" in origin.describe()  # the untracked file
    (root / "untracked.txt").write_text("other")
    assert "1 files changed since it was packed" in Provenance(root, carried).describe()


def test_an_archive_that_is_too_large_is_left_out(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pack_module, "MOST_BYTES", 100)
    pack(root, root / ".gpu_day")
    assert "onnxruntime-cuda.tar.xz: left out, it is larger than the 0.0 MiB" in capsys.readouterr().out
    assert [path.name for path in (root / ".gpu_day").iterdir()] == ["base"]
    assert [path.name for path in (tmp_path / "cache/hpe_edge/xz").iterdir() if path.suffix != ".xz"] == []


def test_a_second_run_compresses_nothing_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack(root, root / ".gpu_day")
    first = (root / ".gpu_day/onnxruntime-cuda.tar.xz").read_bytes()
    monkeypatch.setattr(lzma, "compress", None)
    pack(root, root / ".gpu_day")
    assert (root / ".gpu_day/onnxruntime-cuda.tar.xz").read_bytes() == first
