"""The suite of installations, up to where pip takes a real wheel: `bash .ci/wheels` makes those."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.installs.suite import _size_bytes

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"


def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    out = folder / "install.json"
    code = main(["install", "--wheels", str(folder), "--pythons", sys.executable, "--json", str(out)])
    assert not out.exists()
    return code, capsys.readouterr().err


def test_a_folder_without_the_wheel_of_this_python(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "hpe_edge-0.1.0-cp39-cp39-linux_x86_64.whl").touch()
    code, said = run(tmp_path, capsys)
    assert code != 0 and f"0 wheels of hpe_edge for {TAG}" in said


def test_what_pip_says_of_a_damaged_wheel_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / f"hpe_edge-0.1.0-{TAG}-{TAG}-linux_x86_64.whl").write_bytes(b"no zip")
    code, said = run(tmp_path, capsys)
    assert code != 0 and "pip install" in said and "ended with status" in said


def test_sizes_are_of_packages_without_pip_and_caches(tmp_path: Path) -> None:
    packages = tmp_path / "lib" / "python3.11" / "site-packages"
    for name, size in (("hpe_edge/a.py", 10), ("hpe_edge/b/c.so", 100), ("pip/x.py", 5), ("hpe_edge/a.pyc", 7)):
        (packages / name).parent.mkdir(parents=True, exist_ok=True)
        (packages / name).write_bytes(bytes(size))
    (packages / "one.py").write_bytes(bytes(3))
    assert _size_bytes(tmp_path / "bin" / "python") == {"hpe_edge": 110, "one.py": 3}
