"""Pictures of formats that need another library, upright as Pillow shows them."""

from __future__ import annotations

import importlib.util
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from media import assert_notes, write_picture
from PIL import Image, ImageOps, features

from hpe_edge.errors import SourceError
from hpe_edge.sources import read_picture as reading
from hpe_edge.sources.open_source import open_source

needs_heif = pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is None, reason="needs pillow-heif")
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="needs a Pillow that reads AVIF")


def corners(width: int = 96, height: int = 64) -> np.ndarray:
    """A picture whose quarters differ, RGB, so that no turn or mirror image is taken for another."""
    picture = np.zeros((height, width, 3), np.uint8)
    for row, column, color in ((0, 0, (200, 40, 40)), (0, 1, (40, 200, 40)), (1, 0, (40, 40, 200))):
        picture[row * height // 2 :, column * width // 2 :][: height // 2, : width // 2] = color
    return picture


def write(path: Path, kind: str, orientation: int = 1, mode: str = "RGB") -> Path:
    if kind == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(corners()).convert(mode).save(path, kind, exif=exif.tobytes(), quality=95)
    return path


def upright(path: Path) -> np.ndarray:
    """BGR, by Pillow."""
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))[:, :, ::-1]


@needs_avif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_avif_is_upright(tmp_path: Path, orientation: int) -> None:
    path = write(tmp_path / "a.avif", "AVIF", orientation)
    (frame,) = open_source(path)
    assert frame.image.shape == ((96, 64, 3) if orientation > 4 else (64, 96, 3))
    assert np.abs(frame.image.astype(int) - upright(path)).max() <= 3  # two decoders
    expected = ImageOps.exif_transpose(with_orientation(orientation))
    assert np.abs(frame.image.astype(int) - np.asarray(expected)[:, :, ::-1]).mean() < 3


@needs_heif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_upright(tmp_path: Path, orientation: int) -> None:
    path = write(tmp_path / "a.HEIC", "HEIF", orientation)
    (frame,) = open_source(path)
    assert frame.image.flags.c_contiguous
    np.testing.assert_array_equal(frame.image, upright(path))
    expected = ImageOps.exif_transpose(with_orientation(orientation))
    assert np.abs(frame.image.astype(int) - np.asarray(expected)[:, :, ::-1]).mean() < 10


def with_orientation(orientation: int) -> Image.Image:
    """The picture as a JPEG with the tag, which all programs read alike."""
    exif, data = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(corners()).save(data, "JPEG", exif=exif.tobytes(), quality=95)
    return Image.open(data)


@needs_heif
@pytest.mark.parametrize("mode", ["L", "RGBA"])
def test_grey_and_transparent_heic_become_bgr(tmp_path: Path, mode: str) -> None:
    (frame,) = open_source(write(tmp_path / "a.heif", "HEIF", mode=mode))
    assert frame.image.shape == (64, 96, 3) and frame.image.dtype == np.uint8


@needs_heif
@pytest.mark.parametrize("size", [0.1, 0.9])
def test_damaged_heic(tmp_path: Path, size: float) -> None:
    data = write(tmp_path / "a.heic", "HEIF").read_bytes()
    (tmp_path / "a.heic").write_bytes(data[: int(size * len(data))])
    with pytest.raises(SourceError, match=r"a\.heic cannot be read as HEIC"):
        list(open_source(tmp_path / "a.heic"))


@needs_avif
@pytest.mark.parametrize("orientation", [1, 6])
def test_damaged_avif(tmp_path: Path, orientation: int) -> None:
    data = write(tmp_path / "a.avif", "AVIF", orientation).read_bytes()
    (tmp_path / "a.avif").write_bytes(data[: len(data) - 100])
    with pytest.raises(SourceError, match=r"a\.avif cannot be read as AVIF"):
        list(open_source(tmp_path / "a.avif"))


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder the pictures are skipped, with one note on the reason and one on the rest."""
    find = importlib.util.find_spec
    monkeypatch.setattr(reading, "find_spec", lambda name: None if name in ("pillow_heif", "PIL") else find(name))
    for name in ("1.heic", "2.heif", "3.HEIC"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(SourceError, match=r"1\.heic is a HEIC picture.*pip install 'hpe-edge\[heif\]'"):
        list(open_source(tmp_path / "1.heic"))
    with pytest.raises(SourceError, match=r"none of 3 pictures.*hpe-edge\[heif\]"):
        list(open_source(tmp_path))
    write_picture(tmp_path / "9.png")
    source = open_source(tmp_path)
    assert [frame.name for frame in source] == ["9.png"]
    assert_notes(source.notes, "hpe-edge[heif]", "2 more pictures")


@needs_avif
def test_avif_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV reads those that are not turned; others it would show turned."""
    plain, turned = write(tmp_path / "1.avif", "AVIF"), write(tmp_path / "6.avif", "AVIF", 6)
    expected = upright(plain)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setattr(reading, "find_spec", lambda name: None)
    (frame,) = open_source(plain)
    assert np.abs(frame.image.astype(int) - expected).max() <= 3
    with pytest.raises(SourceError, match=r"6\.avif.*turned.*hpe-edge\[heif\]"):
        list(open_source(turned))
