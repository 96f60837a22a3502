"""Files of chunks that are compressed once, against the standard library's reader."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tools.gpu_day.carrying import chunked_xz
from tools.gpu_day.carrying.chunked_xz import ChunkedXz

CONTENT = np.random.default_rng(3).bytes(2500) + bytes(1500) + b"end"


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_xz, "CHUNK_BYTES", 1000)


def write(folder: Path, most_bytes: int = 1 << 20) -> int:
    file = ChunkedXz(folder / "file.xz", folder / "cache", 0, most_bytes)
    for start in range(0, len(CONTENT), 700):
        file.write(CONTENT[start : start + 700])
    return file.close()


def test_the_reader_finds_what_was_written(tmp_path: Path) -> None:
    size = write(tmp_path)
    with lzma.open(tmp_path / "file.xz") as file:
        assert file.read() == CONTENT
    assert size == (tmp_path / "file.xz").stat().st_size


def test_a_stopped_run_goes_on_and_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compress, calls = lzma.compress, []

    def stopped(chunk: bytes, **options: Any) -> bytes:
        calls.append(len(chunk))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return compress(chunk, **options)

    monkeypatch.setattr(lzma, "compress", stopped)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".xz"}
    write(tmp_path)
    assert calls == [1000, 1000, 1000, 1000, 1000, 3]  # the third one twice, the first two once
    assert lzma.decompress((tmp_path / "file.xz").read_bytes()) == CONTENT


def test_too_large_is_said_before_all_is_compressed(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="larger than"):
        write(tmp_path, most_bytes=1500)
    assert len(list((tmp_path / "cache").iterdir())) == 2
    assert not (tmp_path / "file.xz").exists()
