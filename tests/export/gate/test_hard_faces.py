"""Disturbed faces: each kind changes what it says, by NumPy and OpenCV, and the same every time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from export.gate.hard_faces import KINDS, hard_face

BOX = np.array([60, 50, 140, 150], np.float32)


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    """Blocks of noise, and a white spot right of the face's centre."""
    picture = np.kron(rng.integers(0, 120, (20, 20, 3)), np.ones((10, 10, 1))).astype(np.uint8)
    cv2.circle(picture, (130, 100), 5, (255, 255, 255), cv2.FILLED)
    return picture


def made(kind: str, image: np.ndarray, seed: int = 0):
    before = image.copy()
    result, box = hard_face(kind, image, BOX, np.random.default_rng(seed))
    np.testing.assert_array_equal(image, before)
    assert result.dtype == np.uint8 and result.ndim == 3 and box.dtype == np.float32 and box.shape == (4,)
    return result, box


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_by_seed_and_another_by_another(kind, image):
    first, again, other = made(kind, image), made(kind, image), made(kind, image, 1)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not all(a.shape == b.shape and np.array_equal(a, b) for a, b in zip(first, other, strict=True))
    untouched, box = image, BOX
    assert first[0].shape != untouched.shape or not np.array_equal(first[0], untouched) or (first[1] != box).any()


@pytest.mark.parametrize(("kind", "least", "most"), [("rolled", 25, 90), ("upside down", 90, 180)])
def test_turns_are_about_the_face_by_the_stated_angles(kind, least, most, image):
    for seed in range(8):
        turned, box = made(kind, image, seed)
        np.testing.assert_array_equal(box, BOX)
        rows, columns = np.nonzero(turned.min(axis=2) > 250)
        right, down = columns.mean() - 100, rows.mean() - 100
        assert np.hypot(right, down) == pytest.approx(30, abs=1)
        assert least - 2 <= abs(np.degrees(np.arctan2(down, right))) <= most + 2


def test_light_and_sharpness(image):
    sharp = cv2.Laplacian(image, cv2.CV_64F).var()
    for seed in range(4):
        assert made("dark", image, seed)[0].mean() < 0.31 * image.mean()
        assert made("bright", image, seed)[0].mean() > 1.3 * image.mean()
        for kind in ("blurred", "low resolution"):
            assert cv2.Laplacian(made(kind, image, seed)[0], cv2.CV_64F).var() < sharp / 2
        noisy = made("noisy", np.full_like(image, 128), seed)[0]
        assert 14 < noisy.astype(float).std() < 61


def test_boxes(image):
    squeezed, box = made("squeezed", image)
    part = squeezed.shape[1] / image.shape[1]
    assert squeezed.shape[0] == image.shape[0] and 0.39 < part < 0.66
    np.testing.assert_allclose(box, BOX * [part, 1, part, 1], rtol=1e-6)
    for seed in range(8):
        same, box = made("wrong box", image, seed)
        np.testing.assert_array_equal(same, image)
        sides = (box[2:] - box[:2]) / (BOX[2:] - BOX[:2])
        assert sides[0] == pytest.approx(sides[1], rel=1e-5) and 0.49 < sides[0] < 2.01
        assert (np.abs((box[:2] + box[2:] - BOX[:2] - BOX[2:]) / 2) <= 0.51 * (BOX[2:] - BOX[:2])).all()
    covered, box = made("covered", image)
    changed = (covered != image).any(axis=2)
    assert 0.05 < changed.sum() / (80 * 100) < 0.55
