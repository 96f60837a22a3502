"""Sources of the gate's crops."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from export.gate.crops import MAX_CROPS, MIN_CROPS, faces_of_models, gate_faces
from export.gate.hard_faces import KINDS
from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.errors import SourceError
from hpe_edge.ops.crop import crop_normalize
from hpe_edge.samples import BOXES, FOLDER
from hpe_edge.sources.open_source import open_source
from hpe_edge.spec import Crop, Input

INPUT = Input(size=64, color="RGB", scale=1 / 255, mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25))
CROP = Crop(margins=(0.1, 0.2, 0.1, 0.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The sample photos, as a user might keep them."""
    (tmp_path / "photos").mkdir()
    for file in FOLDER.glob("*.jpg"):
        shutil.copy(file, tmp_path / "photos")
    return tmp_path / "photos"


def write_boxes(path: Path, *rows: str, header: str = "file,x1,y1,x2,y2") -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def sample():
    boxes = BoxesFile(BOXES, "folder")
    return [(frame, boxes(frame)) for frame in open_source(FOLDER)]


def test_sample_is_what_it_says():
    assert len(sample()) == 2
    for frame, boxes in sample():
        height, width = frame.image.shape[:2]
        ((x1, y1, x2, y2),) = boxes
        assert 0 <= x1 < x2 <= width
        assert 0 <= y1 < y2 <= height
        assert (FOLDER / frame.name).stat().st_size < 150_000
        assert frame.name in (FOLDER / "README.md").read_text()


def test_several_models_see_the_same_faces_each_by_its_own_crop():
    other, small = Crop(margins=(0.5, 0.5, 0.5, 0.5)), replace(INPUT, size=32)
    first, second = faces_of_models([(CROP, INPUT), (other, small)])
    assert first.source == second.source
    np.testing.assert_array_equal(first.crops, gate_faces(CROP, INPUT).crops)
    np.testing.assert_array_equal(second.crops, gate_faces(other, small).crops)


def test_sample_crops_are_many_varied_and_the_same_every_time():
    first, again = gate_faces(CROP, INPUT), gate_faces(CROP, INPUT)
    assert first.crops.shape == (MIN_CROPS, 3, 64, 64)
    assert np.array_equal(first.crops, again.crops)
    assert first.source == "bundled sample, 2 faces varied to 64 crops"
    assert len(first.notes) == 1
    assert "62 of the 64 crops are copies" in first.notes[0]
    assert len({crop.tobytes() for crop in first.crops}) == MIN_CROPS
    assert first.crops.mean(axis=(1, 2, 3)).std() > 0.1


def test_plain_crops_are_the_pixels_of_inference():
    crops = gate_faces(CROP, INPUT).crops
    for i, (frame, boxes) in enumerate(sample()):
        assert np.array_equal(crops[i], crop_normalize(frame.image, boxes, CROP, INPUT)[0])


def test_variations_keep_the_face_in_view(tmp_path):
    (tmp_path / "photos").mkdir()
    picture = np.full((400, 600, 3), 40, np.uint8)
    cv2.circle(picture, (60, 300), 30, (200, 200, 200), -1)
    cv2.imwrite(str(tmp_path / "photos" / "disc.png"), picture)
    boxes = write_boxes(tmp_path / "b.csv", "disc.png,30,270,90,330")
    crops = gate_faces(Crop(), INPUT, tmp_path / "photos", boxes).crops[:, 0]
    bright = crops > (crops.min(axis=(1, 2), keepdims=True) + crops.max(axis=(1, 2), keepdims=True)) / 2
    rows, columns = np.mgrid[:64, :64]
    for each in bright:
        assert abs(rows[each].mean() - 31.5) < 8
        assert abs(columns[each].mean() - 31.5) < 8


def test_folder_and_picture_with_boxes(folder):
    faces = gate_faces(CROP, INPUT, folder, BOXES)
    assert np.array_equal(faces.crops, gate_faces(CROP, INPUT).crops)
    assert faces.source == "photos, 2 faces varied to 64 crops"
    assert len(faces.notes) == 1
    one = gate_faces(CROP, INPUT, folder / "astronaut.jpg", BOXES)
    assert len(one.crops) == MIN_CROPS
    assert "1 boxes" in one.notes[0]


def test_hard_crops_follow_each_face_and_take_turns(folder, tmp_path):
    plain = gate_faces(CROP, INPUT, folder, BOXES)
    hard = gate_faces(CROP, INPUT, folder, BOXES, hard=2)
    assert hard.crops.shape == (3 * MIN_CROPS, 3, 64, 64)
    np.testing.assert_array_equal(hard.crops[::3], plain.crops)
    assert hard.kinds[::3] == ("plain",) * MIN_CROPS
    assert {hard.kinds[1::3], hard.kinds[2::3]} == {
        KINDS[::2] * 12 + KINDS[::2][:4],
        KINDS[1::2] * 12 + KINDS[1::2][:4],
    }
    assert [hard.names[i] for i in (0, 1, 2, 3)] == ["astronaut.jpg"] * 3 + ["grace_hopper.jpg"]
    assert hard.source == "photos, 2 faces varied to 64 crops and 128 hard ones made of them"
    again = gate_faces(CROP, INPUT, folder, BOXES, hard=2)
    np.testing.assert_array_equal(hard.crops, again.crops)
    dark, its_face = (
        hard.crops[np.array(hard.kinds) == "dark"],
        hard.crops[::3][: (np.array(hard.kinds) == "dark").sum()],
    )
    assert dark.mean() < its_face.mean() - 0.3


def test_faces_are_detected_without_boxes(folder):
    faces = gate_faces(CROP, INPUT, folder)
    assert len(faces.crops) == MIN_CROPS


def test_video_with_and_without_boxes(tmp_path, monkeypatch):
    ((astronaut, ((x1, y1, x2, y2),)), _) = sample()
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, astronaut.image.shape[1::-1])
    for _ in range(8):
        writer.write(astronaut.image)
    writer.release()
    faces = gate_faces(CROP, INPUT, path)
    assert len(faces.crops) == MIN_CROPS
    assert faces.source == "clip.avi, 8 faces varied to 64 crops"
    monkeypatch.setattr("export.gate.crops._VIDEO_FRAMES", 4)
    faces = gate_faces(CROP, INPUT, path)
    assert faces.source == "clip.avi, 4 faces varied to 64 crops"
    assert "one frame in 2 of the first 8 was searched" in faces.notes[0]
    boxes = write_boxes(tmp_path / "b.csv", f"3,{x1},{y1},{x2},{y2}", header="frame,x1,y1,x2,y2")
    assert len(gate_faces(CROP, INPUT, path, boxes).crops) == MIN_CROPS


def test_many_boxes_are_capped_and_not_varied(folder, tmp_path):
    rows = [f"astronaut.jpg,{100 + i},80,{200 + i},180" for i in range(MAX_CROPS + 50)]
    faces = gate_faces(CROP, INPUT, folder, write_boxes(tmp_path / "b.csv", *rows))
    assert len(faces.crops) == MAX_CROPS
    assert faces.source == "photos, 256 faces"
    assert faces.notes == ("stopped after 256 faces; the rest was not searched",)


def test_a_face_at_the_frame_edge_is_varied_too(folder, tmp_path):
    boxes = write_boxes(tmp_path / "b.csv", "astronaut.jpg,-40,-30,60,70", "astronaut.jpg,470,470,560,570")
    crops = gate_faces(CROP, INPUT, folder, boxes).crops
    assert len(crops) == MIN_CROPS
    assert np.isfinite(crops).all()


def test_missing_sources_and_faces_are_named(folder, tmp_path):
    with pytest.raises(SourceError, match=r"there is no .*nowhere"):
        gate_faces(CROP, INPUT, tmp_path / "nowhere")
    with pytest.raises(SourceError, match="cannot read the boxes file"):
        gate_faces(CROP, INPUT, folder, tmp_path / "none.csv")
    (tmp_path / "empty").mkdir()
    cv2.imwrite(str(tmp_path / "empty" / "grey.png"), np.full((200, 200, 3), 128, np.uint8))
    with pytest.raises(SourceError, match=r"no face was found in .*empty; .*--boxes"):
        gate_faces(CROP, INPUT, tmp_path / "empty")
