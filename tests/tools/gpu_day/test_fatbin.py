"""GPU code of one architecture, in libraries made up byte by byte."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tools.gpu_day.carrying.fatbin import Code, blank_other_architectures, read_fatbin

PTX, CUBIN = 1, 2


def entry(kind: int, architecture: int, content: bytes) -> bytes:
    header = struct.pack("<HHIQIII", kind, 0x101, 64, len(content), 0, 0, 0)
    return (header + struct.pack("<I", architecture)).ljust(64, b"\7") + content


def container(*entries: bytes) -> bytes:
    return struct.pack("<IHHQ", 0xBA55ED50, 1, 16, sum(map(len, entries))) + b"".join(entries)


def library(code: bytes, section: bytes = b".nv_fatbin") -> bytes:
    """A 64-bit ELF file of three sections: none, the code, the names."""
    names = b"\0" + section + b"\0.shstrtab\0"
    code_at, table = 64, 64 + len(code) + len(names)
    table += -table % 8

    def header(name: int, at: int, size: int) -> bytes:
        return struct.pack("<IIQQQQ", name, 1, 0, 0, at, size).ljust(64, b"\0")

    elf = b"\x7fELF\x02\x01\x01".ljust(40, b"\0") + struct.pack("<Q", table)
    elf = (elf.ljust(58, b"\0") + struct.pack("<HHH", 64, 3, 2)).ljust(64, b"\0")
    body = (elf + code + names).ljust(table, b"\0")
    sections = bytes(64) + header(1, code_at, len(code)) + header(2 + len(section), code_at + len(code), len(names))
    return body + sections


FIRST = container(entry(CUBIN, 80, b"a" * 24), entry(CUBIN, 90, b"b" * 32), entry(PTX, 120, b"c" * 40))
SECOND = container(entry(CUBIN, 90, b"d" * 8), entry(PTX, 90, b"e" * 16))


def test_all_but_one_architecture_is_blanked_in_place(tmp_path: Path) -> None:
    code = FIRST + bytes(8) + SECOND  # containers are padded
    path = tmp_path / "lib.so"
    path.write_bytes(library(code))
    assert blank_other_architectures(path, 90) == (40, 80)
    want = code
    for letter, size in ((b"a", 24), (b"c", 40), (b"e", 16)):
        want = want.replace(letter * size, bytes(size))
    assert path.read_bytes() == library(want)


def test_what_is_found() -> None:
    found = read_fatbin(library(FIRST))
    assert [(code.is_ptx, code.architecture, code.stop - code.start) for code in found] == [
        (False, 80, 24),
        (False, 90, 32),
        (True, 120, 40),
    ]
    assert found[0] == Code(False, 80, 64 + 16 + 64, 64 + 16 + 64 + 24)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no library", "no 64-bit ELF"),
        (library(FIRST[:-8]), "container of GPU code at 0x40 has an unknown layout"),
        (library(container(entry(9, 90, b"x"))), "entry of GPU code at 0x50 has an unknown layout"),
        (library(container(entry(CUBIN, 80, b"x" * 8))), "no machine code for sm_90"),
        (library(FIRST, b".other"), "no machine code for sm_90"),
    ],
)
def test_what_it_does_not_know_is_left_alone(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "lib.so"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        blank_other_architectures(path, 90)
    assert path.read_bytes() == content
