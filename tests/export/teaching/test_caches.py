"""Files between runs: what is damaged or belongs to other content is computed anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from export.teaching.arrays import Patches
from export.teaching.cache import cached
from export.teaching.patches_file import load_patches, save_patches
from hpe_edge.errors import OutputError

DAMAGES = {
    "empty": lambda data: b"",
    "cut in the header": lambda data: data[:20],
    "cut in the numbers": lambda data: data[:-40],
    "other text": lambda data: b"no array at all" * 10,
}


def array() -> np.ndarray:
    return np.arange(24, dtype=np.float32).reshape(4, 6)


def never() -> np.ndarray:
    raise AssertionError("computed though it is there")


def test_an_array_is_computed_once_for_each_content(tmp_path: Path) -> None:
    first, known = cached(tmp_path, "looks", "A", array)
    assert not known
    again, known = cached(tmp_path, "looks", "A", never)
    assert known
    np.testing.assert_array_equal(first, again)
    other, known = cached(tmp_path, "looks", "B", lambda: array() + 1)
    assert not known and other[0, 0] == 1
    assert cached(tmp_path, "looks", "A", never)[1]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_array_is_computed_anew(damage: str, tmp_path: Path) -> None:
    cached(tmp_path, "looks", "A", array)
    (file,) = tmp_path.iterdir()
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    found, known = cached(tmp_path, "looks", "A", array)
    assert not known
    np.testing.assert_array_equal(found, array())
    assert cached(tmp_path, "looks", "A", never)[1]


@pytest.fixture
def patches(rng: np.random.Generator) -> Patches:
    pictures = rng.integers(0, 256, (3, 8, 8, 3)).astype(np.uint8)
    return Patches(pictures, rng.random((3, 4), np.float32), np.array([0, 0, 2]), ("a note", "another"))


def test_patches_are_kept_with_all_that_is_theirs(patches: Patches, tmp_path: Path) -> None:
    save_patches(patches, tmp_path, "A")
    found = load_patches(tmp_path, "A")
    assert found is not None
    for name in ("pictures", "boxes", "sources"):
        np.testing.assert_array_equal(getattr(found, name), getattr(patches, name))
    assert (found.notes, found.digest) == (patches.notes, patches.digest)
    assert load_patches(tmp_path, "B") is None


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_patches_are_not_there(damage: str, patches: Patches, tmp_path: Path) -> None:
    save_patches(patches, tmp_path, "A")
    (file,) = tmp_path.iterdir()
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    assert load_patches(tmp_path, "A") is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_missing_is_named(patches: Patches, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nowhere"):
        save_patches(patches, tmp_path / "nowhere", "A")
    with pytest.raises(OutputError, match="nowhere"):
        cached(tmp_path / "nowhere", "looks", "A", array)
