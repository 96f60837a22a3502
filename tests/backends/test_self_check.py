"""The answers in .hpe files: the same on every path, and a difference is found."""

from __future__ import annotations

import struct
import zlib
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from hpe_edge._native import network_isa_names
from hpe_edge.backends.native.self_check import find_answers, verify
from hpe_edge.cli.main import main
from hpe_edge.errors import ModelError
from hpe_edge.models import DEFAULT, NATIVE, NATIVE_INT8
from hpe_edge.ops.crop import isa_names

ANSWERS = struct.Struct("<QQ")  # place and length, at byte 72 of the file


def changed(path: Path, out: Path, *, answer: int | None = None, length: int | None = None) -> Path:
    """Copy a file with the lowest bit of one answer flipped or another length of the answers; its sum is right."""
    data = bytearray(path.read_bytes())
    at, size = ANSWERS.unpack_from(data, 72)
    if answer is not None:
        data[at + 4 * answer] ^= 1
    ANSWERS.pack_into(data, 72, at, size if length is None else length)
    struct.pack_into("<I", data, 12, zlib.crc32(data[16:]))
    out.write_bytes(data)
    return out


def test_from_frame_to_rotation_all_paths_give_the_same_bits() -> None:
    found = [
        find_answers(NATIVE_INT8, network=network, ops=ops)
        for network, ops in product(network_isa_names(), isa_names())
    ]
    assert found[0].shape == (9, 120 + 66 + 120 + 15) and np.ptp(found[0], axis=0).max() > 1
    for each in found[1:]:
        np.testing.assert_array_equal(each.view(np.uint32), found[0].view(np.uint32))


@pytest.mark.parametrize("path", [NATIVE, NATIVE_INT8])
def test_every_path_answers_as_the_file_says(path: Path) -> None:
    checks = list(verify(path))
    assert [check.isa for check in checks] == [*isa_names(), *network_isa_names()]
    assert all(check.passed for check in checks)
    if path == NATIVE_INT8:
        assert {(check.logits, check.angles_deg) for check in checks} == {(0.0, 0.0)}


@pytest.mark.parametrize("answer", [0, 305, 306, 309, 320, 9 * 321 - 1])
def test_one_bit_is_found(tmp_path: Path, answer: int) -> None:
    assert not any(check.passed for check in verify(changed(NATIVE_INT8, tmp_path / "other.hpe", answer=answer)))


def test_files_without_answers_are_refused(tmp_path: Path) -> None:
    for length in (0, 64):
        with pytest.raises(ModelError, match="no answers"):
            list(verify(changed(NATIVE_INT8, tmp_path / "none.hpe", length=length)))
    with pytest.raises(ModelError, match="outside"):
        list(verify(changed(NATIVE_INT8, tmp_path / "outside.hpe", length=1 << 40)))


def test_the_command(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["info", str(NATIVE_INT8), "--verify"]) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in (*isa_names(), *network_isa_names())) and "DIFFERS" not in said
    assert main(["info", str(changed(NATIVE_INT8, tmp_path / "other.hpe", answer=0)), "--verify"]) == 3
    assert "DIFFERS" in capsys.readouterr().out
    assert main(["info", str(DEFAULT), "--verify"]) == 2
    assert "export native" in capsys.readouterr().err
    assert main(["info", "--verify"]) == 0
