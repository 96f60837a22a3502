"""Faces to train on: other pictures than the gate's, the same batches every time."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import tiny_nets

from export.tuning.training_faces import TrainingFaces
from hpe_edge.errors import SourceError


@pytest.fixture
def photos(tmp_path: Path, rng: np.random.Generator) -> tuple[Path, Path]:
    """Three pictures of one grey level each: 40, 120 and 200, with one face."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rows = ["file,x1,y1,x2,y2"]
    for level in (40, 120, 200):
        cv2.imwrite(str(folder / f"{level}.png"), np.full((64, 64, 3), level, np.uint8))
        rows.append(f"{level}.png,16,16,48,48")
    csv = tmp_path / "boxes.csv"
    csv.write_text("\n".join(rows))
    return folder, csv


def faces(photos: tuple[Path, Path], *without: str) -> TrainingFaces:
    spec = tiny_nets.tiny_spec()
    return TrainingFaces(*photos, None, without=without, crop=spec.crop, input=spec.input)


def levels(found: TrainingFaces) -> np.ndarray:
    """The kept faces' own levels."""
    return np.array(sorted({int(image[0, 0, 0]) for image, _ in found._faces}))


def test_the_gates_pictures_are_left_out(photos):
    found = faces(photos, "120.png")
    assert len(found) == 2 and not found.shared
    assert levels(found).tolist() == [40, 200]


def test_with_no_others_they_are_taken(photos):
    found = faces(photos, "40.png", "120.png", "200.png")
    assert len(found) == 3 and found.shared


def test_batches_are_the_same_every_time_and_differ(photos):
    one, two = (faces(photos).batch(3, 24) for _ in range(2))
    assert one.shape == (24, 3, tiny_nets.SIZE, tiny_nets.SIZE) and one.dtype == np.float32
    assert np.array_equal(one, two)
    assert not np.array_equal(one, faces(photos).batch(4, 24))
    assert (one.std(axis=(1, 2, 3)) > 0.05).any()  # some are disturbed: the pictures are uniform


def test_no_face_is_an_error(photos):
    photos[1].write_text("file,x1,y1,x2,y2\n40.png,16,16,20,20\n")
    with pytest.raises(SourceError, match="no face of at least 12 pixels"):
        faces(photos)
