"""Camera intrinsics from the command line and from OpenCV's files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from hpe_edge.camera import Camera
from hpe_edge.cli.intrinsics import read_intrinsics
from hpe_edge.errors import InputError, SourceError

MATRIX = np.array([[800.0, 0, 319.5], [0, 810.0, 239.5], [0, 0, 1]])


def written(path: Path, matrix: np.ndarray | None = MATRIX, size: tuple[int, int] | None = None) -> str:
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    if size is not None:
        storage.write("image_width", size[0])
        storage.write("image_height", size[1])
    if matrix is not None:
        storage.write("camera_matrix", matrix)
    storage.release()
    return str(path)


def test_numbers_count_as_opencvs() -> None:
    """OpenCV's 0 is the centre of the first pixel, Camera's its corner."""
    assert read_intrinsics("800,810, 319.5,239.5")(640, 480) == Camera(800, 810, 320, 240)


@pytest.mark.parametrize("suffix", [".yml", ".json", ".xml"])
def test_files_that_opencv_wrote(tmp_path: Path, suffix: str) -> None:
    camera_of = read_intrinsics(written(tmp_path / f"a{suffix}"))
    assert camera_of(640, 480) == camera_of(1280, 960) == Camera(800, 810, 320, 240)


def test_frames_that_were_scaled(tmp_path: Path) -> None:
    camera_of = read_intrinsics(written(tmp_path / "a.yml", size=(640, 480)))
    assert camera_of(640, 480) == Camera(800, 810, 320, 240)
    assert camera_of(320, 240) == Camera(400, 405, 160, 120)
    with pytest.raises(InputError, match=r"640 x 480 .*640 x 360"):
        camera_of(640, 360)


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "gone.yml", ""])
def test_what_is_neither(text: str) -> None:
    with pytest.raises(InputError, match="fx,fy,cx,cy"):
        read_intrinsics(text)


@pytest.mark.parametrize("text", ["nan,1,1,1", "0,1,1,1", "-5,5,1,1"])
def test_numbers_that_cannot_be(text: str) -> None:
    with pytest.raises(InputError, match="camera"):
        read_intrinsics(text)


@pytest.mark.parametrize("content", ["", "no such thing", "%YAML:1.0\n---\ncamera_matrix: 5\n", "\xff\xfe", "{}"])
def test_files_that_hold_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.yml").write_bytes(content.encode("latin-1"))
    with pytest.raises(SourceError, match=r"a\.yml.*(cv2\.FileStorage|camera_matrix)"):
        read_intrinsics(str(tmp_path / "a.yml"))


def test_other_matrices(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="3x3 camera_matrix"):
        read_intrinsics(written(tmp_path / "a.yml", np.eye(2)))
    with pytest.raises(SourceError, match="3x3 camera_matrix"):
        read_intrinsics(written(tmp_path / "b.yml", None, (640, 480)))


@pytest.mark.parametrize("width", [".nan", ".inf", "1e30"])
def test_sizes_that_cannot_be(tmp_path: Path, width: str) -> None:
    name = written(tmp_path / "a.yml", size=(4711, 480))
    Path(name).write_text(Path(name).read_text().replace("4711", width))
    with pytest.raises((InputError, SourceError), match=r"a\.yml"):
        read_intrinsics(name)(640, 480)
