"""Pictures of more than 8 bits are read by the range that they really have."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from media import write_picture

from hpe_edge.sources.deep_levels import to_8_bits
from hpe_edge.sources.open_source import open_source


@pytest.fixture
def scene(rng: np.random.Generator) -> np.ndarray:
    """Levels 0..1 of a coloured scene, float64 ``[40, 60, 3]``, that reach both ends."""
    scene = np.kron(rng.uniform(0, 1, (10, 15, 3)), np.ones((4, 4, 1)))
    scene[0, 0], scene[-1, -1] = 0, 1
    return scene


def read(path: Path, image: np.ndarray) -> tuple[np.ndarray, list[str]]:
    assert cv2.imwrite(str(path), image)
    source = open_source(path)
    (frame,) = source
    return frame.image, source.notes


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14])
@pytest.mark.parametrize("grey", [True, False])
def test_bits_within_16(tmp_path: Path, scene: np.ndarray, suffix: str, bits: int, grey: bool) -> None:
    levels = np.round((scene[..., 0] if grey else scene) * (2**bits - 1)).astype(np.uint16)
    image, notes = read(tmp_path / f"a{suffix}", levels)
    want = np.repeat(scene[..., :1], 3, axis=2) if grey else scene
    assert np.abs(image - want * 255).max() <= 1.01
    assert len(notes) == 1 and f"levels of {bits} bits" in notes[0]


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_full_bits_and_8_stay_to_the_bit(tmp_path: Path, scene: np.ndarray, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    for levels in (np.round(scene * 65535).astype(np.uint16), np.round(scene * 255).astype(np.uint8)):
        image, notes = read(path, levels)
        np.testing.assert_array_equal(image, cv2.imread(str(path)))
        assert notes == []


@pytest.mark.parametrize(("low", "high"), [(28000, 31000), (60000, 65535)])
def test_a_narrow_range_keeps_its_steps(tmp_path: Path, scene: np.ndarray, low: int, high: int) -> None:
    levels = np.round(low + scene[..., 0] * (high - low)).astype(np.uint16)
    image, notes = read(tmp_path / "thermal.tiff", levels)
    assert np.abs(image[..., 0] - scene[..., 0] * 255).max() < 4
    assert "real range" in notes[0]


def test_a_defective_pixel_is_no_range(tmp_path: Path, rng: np.random.Generator) -> None:
    scene = np.kron(rng.uniform(0, 1, (25, 25)), np.ones((8, 8)))
    levels = np.round(scene * 1023).astype(np.uint16)
    levels[7, 9] = 65535
    image, _ = read(tmp_path / "a.png", levels)
    assert np.abs(image[..., 0] - scene * 255)[levels < 2000].max() < 8


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (255.0, 0.0), (12.0, 20.0), (30.0, -15.0)])
@pytest.mark.parametrize("grey", [True, False])
def test_floats(tmp_path: Path, scene: np.ndarray, scale: float, offset: float, grey: bool) -> None:
    levels = ((scene[..., 0] if grey else scene) * scale + offset).astype(np.float32)
    image, notes = read(tmp_path / "a.tiff", levels)
    want = np.repeat(scene[..., :1], 3, axis=2) if grey else scene
    assert np.abs(image - want * 255).max() < 4 and len(notes) == 1


def test_signed_levels_and_those_that_are_not_finite() -> None:
    image, _ = to_8_bits(np.linspace(-500, 500, 1001).astype(np.int16))
    assert image[0] == 0 and image[-1] == 255 and abs(int(image[500]) - 127) < 3
    image, _ = to_8_bits(np.float32([0, np.nan, 0.5, np.inf, 1]))
    assert image.tolist() == [0, 0, 128, 255, 255]
    for odd in (np.full(4, np.nan, np.float32), np.zeros(4, np.uint16), np.full(4, -7, np.int16)):
        assert to_8_bits(odd)[0].shape == (4,)


def test_a_folder_names_the_first_and_counts_the_rest(tmp_path: Path, scene: np.ndarray) -> None:
    for name in "abc":
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.round(scene * 1023).astype(np.uint16))
    write_picture(tmp_path / "d.png")
    source = open_source(tmp_path)
    assert len(list(source)) == 4
    assert len(source.notes) == 2 and "a.png" in source.notes[0] and "2 more pictures" in source.notes[1]
