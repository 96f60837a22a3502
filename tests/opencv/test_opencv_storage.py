"""Files of OpenCV's FileStorage against OpenCV in this process, and damaged ones."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from hpe_edge.errors import SourceError
from hpe_edge.opencv import opencv_storage
from hpe_edge.opencv.opencv_storage import read_storage

MATRIX = np.array([[600.0, 0, 320.25], [0, 600.5, 240], [0, 0, 1]])
HANGING = f"%YAML:1.0\n---\ncamera_matrix: 1\n   data{'x' * 5000} [ 0. ]\n"  # a name longer than OpenCV's buffer


@pytest.mark.parametrize("suffix", [".yml", ".json", ".xml"])
def test_nodes_are_those_that_opencv_wrote(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("camera_matrix", MATRIX)
    storage.write("floats", np.arange(5, dtype=np.float32)[None] / 3)
    storage.write("image_width", 640)
    storage.write("error", 0.25)
    storage.write("model", "fisheye")
    storage.startWriteStruct("list", cv2.FILE_NODE_SEQ)
    for number in (1.5, 2.0):
        storage.write("", number)
    storage.endWriteStruct()
    storage.release()
    found = read_storage(path, ["camera_matrix", "floats", "image_width", "error", "model", "list", "gone"])
    assert np.array_equal(found.pop("camera_matrix"), MATRIX)
    assert np.array_equal(found.pop("floats"), np.arange(5, dtype=np.float32)[None] / 3)
    assert np.array_equal(found.pop("list"), [1.5, 2.0])
    assert found == {"image_width": 640.0, "error": 0.25, "model": "fisheye"}


def test_a_file_at_which_opencv_hangs_ends_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yml").write_text(HANGING)
    monkeypatch.setattr(opencv_storage, "LIMIT_S", 5.0)
    start = time.monotonic()
    with pytest.raises(SourceError, match=r"a\.yml"):
        read_storage(tmp_path / "a.yml", ["camera_matrix"])
    assert time.monotonic() - start < 60  # far from for ever


def test_a_file_of_another_size_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(SourceError, match="1048577 bytes"):
        read_storage(tmp_path / "a.yml", ["camera_matrix"])
    with pytest.raises(SourceError, match="No such file"):
        read_storage(tmp_path / "b.yml", ["camera_matrix"])
