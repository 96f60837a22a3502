"""Measured fits: known ones are recovered, faces are matched, and what went wrong is told."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from hpe_edge.boxes.box_fit import FITS, BoxFit
from hpe_edge.boxes.measure_fit import match_boxes, measure_fit, ratios
from hpe_edge.errors import InputError
from hpe_edge.faces.open_detector import open_detector

Boxes = list[np.ndarray]


def drawn_around(landmarks: np.ndarray, fit: BoxFit) -> np.ndarray:
    """The boxes of a detector in which the landmark boxes lie as the fit says."""
    size = (landmarks[:, 2:] - landmarks[:, :2]) / [fit.width, fit.height]
    center = (landmarks[:, :2] + landmarks[:, 2:]) / 2 - size * [0, fit.down]
    return np.concatenate([center - size / 2, center + size / 2], axis=1).astype(np.float32)


def faces(rng: np.random.Generator, pictures: int, most: int = 3) -> Boxes:
    """Landmark boxes of up to ``most`` faces a picture, side by side."""
    found = []
    for _ in range(pictures):
        count = rng.integers(1, most + 1)
        left = 300 * np.arange(count) + rng.uniform(0, 150, count)
        start = np.stack([left, rng.uniform(0, 250, count)], axis=1)
        size = rng.uniform(80, 120, (count, 1)) * rng.uniform(0.9, 1.1, (count, 2))
        found.append(np.concatenate([start, start + size], axis=1).astype(np.float32))
    return found


KNOWN = [BoxFit(1.03, 0.74, 0.12), BoxFit(0.5, 0.45, 0.15), BoxFit(1.3, 1.2, -0.1), BoxFit(1.0, 1.0, 0.0)]


@pytest.mark.parametrize("known", KNOWN)
def test_a_known_fit_is_recovered(rng: np.random.Generator, known: BoxFit) -> None:
    landmarks = faces(rng, 60)
    boxes = []
    for each in landmarks:
        noise = 0.05 * (each[:, 2:] - each[:, :2]).mean()
        drawn = drawn_around(each, known) + rng.normal(0, noise, (len(each), 4)).astype(np.float32)
        elsewhere = np.array([[2000, 10, 2100, 120]], np.float32)  # a false alarm
        boxes.append(rng.permutation(np.concatenate([drawn, elsewhere])))
    found = measure_fit(boxes, landmarks, "known")
    fit = found.measured.fit
    np.testing.assert_allclose([fit.width, fit.height, fit.down], [known.width, known.height, known.down], atol=0.01)
    assert found.measured.faces == found.references == sum(map(len, landmarks))
    assert found.boxes == found.references + 60 and found.warnings == () and found.measured.source == "known"
    for (low, high), value in zip(found.measured.quartiles, (fit.width, fit.height, fit.down), strict=True):
        assert low < value < high


def test_the_fit_takes_a_box_to_its_landmarks(rng: np.random.Generator) -> None:
    landmarks = np.concatenate(faces(rng, 10))
    for known in KNOWN:
        drawn = drawn_around(landmarks, known)
        np.testing.assert_allclose(known(drawn), landmarks, atol=0.01)
        wanted = np.broadcast_to([known.width, known.height, known.down, 0], (len(drawn), 4))
        np.testing.assert_allclose(ratios(drawn, landmarks), wanted, atol=1e-3)


def test_a_face_is_matched_once_with_its_own_box() -> None:
    landmarks = [np.empty((0, 4), np.float32), np.float32([[100, 100, 200, 200], [220, 100, 320, 200]])]
    mine = np.float32([[222, 98, 318, 202], [90, 90, 205, 210], [101, 100, 199, 200], [600, 0, 700, 90]])
    found = match_boxes([mine[:1], mine], landmarks)
    assert found.pictures.tolist() == [1, 1]
    assert sorted(zip(found.boxes[:, 0].tolist(), found.landmarks[:, 0].tolist(), strict=True)) == [
        (101, 100),
        (222, 220),
    ]


def test_boxes_of_other_pictures_are_told(rng: np.random.Generator) -> None:
    landmarks = faces(rng, 40, most=1)
    boxes = [drawn_around(each, KNOWN[0]) for each in landmarks]
    few = measure_fit(boxes[:5], landmarks[:5])
    assert len(few.warnings) == 1 and "only 5 faces" in few.warnings[0]
    wrong = boxes[:15] + [each + 1000 for each in boxes[15:]]
    assert any("15 of 40" in warning for warning in measure_fit(wrong, landmarks).warnings)


def test_a_wide_spread_and_an_offset_are_told(rng: np.random.Generator) -> None:
    landmarks = faces(rng, 60, most=1)
    scattered = [drawn_around(each, BoxFit(rng.uniform(0.6, 1.2), 0.8, 0.1)) for each in landmarks]
    (warning,) = measure_fit(scattered, landmarks).warnings
    assert warning.startswith("width differ")
    aside = [drawn_around(each, KNOWN[0]) + np.float32([15, 0, 15, 0]) for each in landmarks]
    (warning,) = measure_fit(aside, landmarks).warnings
    assert "to the left" in warning


def test_nothing_in_common_is_explained(rng: np.random.Generator) -> None:
    landmarks = faces(rng, 40, most=1)
    corners = [drawn_around(each, KNOWN[0]) for each in landmarks]
    shapes = [np.concatenate([each[:, :2], each[:, 2:] - each[:, :2]], axis=1) for each in corners]
    shapes = [each[(each[:, 2:] > each[:, :2]).all(axis=1)] for each in shapes]  # the others are refused when read
    for boxes, message in (
        ([each / 400 for each in corners], "fractions"),
        (shapes, r"x, y, width, height"),
        ([each + 5000 for each in corners], "same size"),
        ([each[:0] for each in corners], "there are no boxes"),
    ):
        with pytest.raises(InputError, match=message):
            measure_fit(boxes, landmarks)
    with pytest.raises(InputError, match="no reference faces"):
        measure_fit(corners, [each[:0] for each in landmarks])


def labelled(folder: Path) -> dict[str, list[list[float]]]:
    found = defaultdict(list)
    with (folder / "labels.csv").open() as file:
        for row in csv.DictReader(file):
            found[row["file"]].append([float(row[name]) for name in ("x1", "y1", "x2", "y2")])
    return found


def test_the_table_is_measured_again_on_labelled_photos(data: Path) -> None:
    """YuNet's boxes on some of the photos, against their labels and against SCRFD."""
    folder = data / "aflw2000_dev"
    labels = dict(list(labelled(folder).items())[:60])
    photos = [cv2.imread(str(folder / name)) for name in labels]
    yunet = open_detector(data / "detectors" / "yunet_n_320_320.onnx", threads=1)
    scrfd = open_detector(data / "detectors" / "scrfd_500m_kps.onnx", threads=1)
    boxes = [yunet(photo).drawn for photo in photos]
    known = FITS["yunet"].fit
    for references in ([np.float32(each) for each in labels.values()], [scrfd(photo).boxes for photo in photos]):
        found = measure_fit(boxes, references).measured
        assert found.faces >= 55
        for name in ("width", "height", "down"):
            assert getattr(found.fit, name) == pytest.approx(getattr(known, name), abs=0.02), name
