"""Files of detections: resumed after a stop within a line, without doing a picture twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from media import write_picture

from export.labelling.found import YUNET, read_found
from export.labelling.teachers import Look, write_found
from hpe_edge.errors import SourceError
from hpe_edge.faces.detector import Detections


class Teacher:
    """Sees one face in every view; counts the calls."""

    calls = 0

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        self.calls += 1
        box = np.array([[10, 10, 20, 20]], np.float32)
        return Detections(box, box, np.array([0.9], np.float32), np.full((1, 5, 2), 15, np.float32))


def test_a_stopped_labelling_is_resumed(tmp_path: Path) -> None:
    pictures = [write_picture(tmp_path / f"people_{i}.png", seed=i) for i in range(4)]
    output, teacher = tmp_path / "found.jsonl", Teacher()
    looks = (Look(96, (YUNET,)), Look(48, (YUNET,), margin=0.2))
    write_found(pictures[:2], {YUNET: teacher}, looks, output)
    whole = output.read_text()
    output.write_text(whole[:-20])  # the second line is broken
    write_found(pictures, {YUNET: teacher}, looks, output)
    found = read_found(output)
    assert sorted(found) == [path.name for path in pictures]
    assert teacher.calls == 4 + 2 * 3
    size, faces = found["people_1.png"]
    assert size == (96, 64) and len(faces) == 2 and faces[0].teacher == YUNET
    np.testing.assert_allclose(faces[0].back @ [15, 15, 1], [15, 15])


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "people_1.webp"
    path.write_text("no picture")
    with pytest.raises(SourceError, match="is no picture"):
        write_found([path], {YUNET: Teacher()}, (Look(96, (YUNET,)),), tmp_path / "found.jsonl")
