"""The binary interface of libhpe_edge against the committed list, csrc/capi/package/abi.txt.

A line that is gone or changed breaks programs that were compiled before: raise HPE_EDGE_ABI_VERSION in hpe_edge.h with
it. New lines alone do not. The list is written anew by ``python tests/capi/test_c_abi.py BUILD``.
"""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.c_interface.library import Frame, Library, Output, PosesView, SpecInfo

LIST = Path(__file__).parents[2] / "csrc" / "capi" / "package" / "abi.txt"


def binary_interface(library: Path, programs: Path) -> list[str]:
    """Symbols that the library exports; sizes, offsets and constants of its header."""
    exported = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    symbols = sorted(line.split()[-1] for line in exported.stdout.splitlines())
    header = subprocess.run([programs / "c_interface_abi"], capture_output=True, text=True, check=True)
    return [*header.stdout.splitlines(), *(f"symbol {name}" for name in symbols)]


def test_the_binary_interface_is_the_committed_one(library_file: Path, programs: Path) -> None:
    assert binary_interface(library_file, programs) == LIST.read_text().splitlines()


def test_the_library_is_named_after_its_interface(library: Library, library_file: Path) -> None:
    version = library.dll.hpe_abi_version()
    assert f"value HPE_EDGE_ABI_VERSION {version}" in LIST.read_text()
    dynamic = subprocess.run(["readelf", "-d", library_file], capture_output=True, text=True, check=True).stdout
    assert f"[libhpe_edge.so.{version}]" in dynamic


def test_nothing_else_is_needed(library_file: Path) -> None:
    """The C and C++ libraries alone, so that it runs where Python and CUDA are not."""
    dynamic = subprocess.run(["readelf", "-d", library_file], capture_output=True, text=True, check=True).stdout
    needed = {line.split("[")[1].split(".so")[0] for line in dynamic.splitlines() if "(NEEDED)" in line}
    assert needed <= {
        "libc",
        "libm",
        "libstdc++",
        "libgcc_s",
        "ld-linux-x86-64",
        "ld-linux-aarch64",
        "libpthread",
        "libdl",
        "librt",
    }


@pytest.mark.parametrize(
    ("name", "structure"),
    [("hpe_frame", Frame), ("hpe_spec_info", SpecInfo), ("hpe_output", Output), ("hpe_poses", PosesView)],
)
def test_structures_are_pythons(name: str, structure: type[ctypes.Structure]) -> None:
    lines = LIST.read_text().splitlines()
    assert f"size {name} {ctypes.sizeof(structure)}" in lines
    offsets = [f"offset {name}.{field} {getattr(structure, field).offset}" for field, _ in structure._fields_]
    assert offsets == [line for line in lines if line.startswith(f"offset {name}.")]


if __name__ == "__main__":
    build = Path(sys.argv[1])
    found = binary_interface(build / "csrc/capi/libhpe_edge.so", build / "tests/capi/native")
    LIST.write_text("\n".join(found) + "\n")
