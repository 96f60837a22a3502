"""The suite ``detectors``: counts by hand, the shrunk photo, and the command end to end."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from grid_model import write_grid_model
from labelled_photos import BOX, detections, write_labelled_photos
from media import write_video

from benchmarks.__main__ import main
from benchmarks.datasets.labels_csv import LabelledPhotos
from benchmarks.finding.detectors import on_photos, on_scenes, on_video, shrunk
from export.detection.pictures import Picture, Pictures
from export.labelling.fuse import NO_LABELS, Labels
from export.labelling.hull import outline
from hpe_edge.faces.detector import Detections

FAR = [300.0, 300.0, 360.0, 360.0]


def test_photos_by_hand() -> None:
    photos = [np.full((120, 120, 3), value, np.uint8) for value in (10, 20, 30, 40)]
    labelled = LabelledPhotos(
        [Path()] * 4,
        photos,
        np.array([BOX] * 4, np.float32),
        np.array([[5.0, 0, 0], [-40, 0, 0], [70, 0, 0], [-80, 0, 0]]),
    )
    half = [BOX[0], BOX[1], BOX[2], (BOX[1] + BOX[3]) / 2]

    def detector(frame: np.ndarray) -> Detections:
        if frame.shape[0] == 480:  # shrunk: only the second photo's face is found
            at = np.argwhere(frame[..., 0] == 20)
            if not len(at):
                return detections()
            top, left = at.min(axis=0)
            scale = 28 / (BOX[3] - BOX[1])
            return detections(
                [left + BOX[0] * scale, top + BOX[1] * scale, left + BOX[2] * scale, top + BOX[3] * scale]
            )
        return {10: detections(BOX), 20: detections(half, FAR), 30: detections(FAR), 40: detections()}[
            int(frame[0, 0, 0])
        ]

    figures = on_photos(detector, labelled)
    assert [figures[f"faces_yaw_{low}"] for low in (0, 30, 60)] == [1, 1, 2]
    assert [figures[f"found_yaw_{low}_percent"] for low in (0, 30, 60)] == [100, 100, 0]
    assert figures["iou_median"] == pytest.approx(0.75) and figures["boxes_elsewhere"] == 2
    assert figures["found_small_percent"] == 25


def test_a_shrunk_photo_holds_its_face_at_28_pixels() -> None:
    photo = np.zeros((450, 300, 3), np.uint8)
    box = np.array([100.0, 200, 200, 326], np.float32)
    photo[200:326, 100:200] = 255
    frame, there = shrunk(photo, box)
    assert frame.shape == (480, 640, 3)
    rows, columns = np.nonzero(frame[..., 0] > 127)
    drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(there, drawn, atol=0.7)
    assert there[3] - there[1] == pytest.approx(28, abs=0.3)


def test_scenes_by_hand() -> None:
    boxes = np.array([[10.0, 10, 30, 30], [100, 100, 170, 170]])
    points = np.repeat((boxes[:, None, :2] + boxes[:, None, 2:]) / 2, 5, axis=1)
    labels = Labels(outline(boxes, np.zeros(2)), points, np.ones(2), np.zeros((0, 4)))
    people = [Picture("people_7.webp", np.full((200, 200, 3), 1, np.uint8), labels)]
    empty = [Picture(f"object_{i}.webp", np.full((50, 50, 3), i, np.uint8), NO_LABELS) for i in (2, 3)]

    def detector(frame: np.ndarray) -> Detections:
        if frame[0, 0, 0] == 1:
            found = detections([101, 100, 171, 170])
            moved = (points[1:] + np.array([0, 7])).astype(np.float32)
            return Detections(found.boxes, found.drawn, found.scores, moved)
        return detections(*[FAR] * (3 * int(frame[0, 0, 0] == 2)))

    figures = on_scenes(detector, Pictures(people, empty, []), None)
    assert figures["faces"] == 2 and figures["found_percent"] == 50
    assert (figures["found_below_24_percent"], figures["found_below_96_percent"]) == (0, 100)
    assert figures["found_below_48_percent"] is None
    assert figures["points_median"] == pytest.approx(0.1)
    assert figures["false_boxes"] == 3 and figures["false_in_200"] == 300


def test_video_by_hand() -> None:
    reference = [np.array([BOX, FAR], np.float32), np.array([BOX], np.float32), np.empty((0, 4), np.float32)]
    found = [detections(BOX, FAR), detections(FAR, [600.0, 600, 640, 640]), detections(BOX)]
    figures = on_video(found, reference)
    assert (figures["frames"], figures["boxes"]) == (3, 5)
    assert figures["false_percent"] == 60 and figures["complete_frames_percent"] == pytest.approx(66.67)


def test_the_command(tmp_path: Path, rng: np.random.Generator) -> None:
    labels = write_labelled_photos(tmp_path, rng)
    other = write_grid_model(tmp_path / "other.onnx", (1, 4, 10), 2, size_hw=None)
    ours = write_grid_model(tmp_path / "face-detector.onnx", (1, 4, 10), 1, size_hw=None, strides=(8, 16, 32, 64))
    video = write_video(tmp_path / "clip.avi", frames=6)
    path = tmp_path / "out.json"
    status = main(
        [
            *("detectors", "--quick", "--detectors", str(other), str(ours), "--labels", str(labels)),
            *("--video", str(video), "--json", str(path)),
        ]
    )
    assert status == 0
    plain = json.loads(path.read_text())
    names = [(each["name"], each["parameters"]["detector"]) for each in plain["results"]]
    assert names == [
        ("photos", "other"),
        ("photos", "face-detector"),
        ("video", "other"),
        ("video", "face-detector"),
        ("video", "face-detector, scheduled"),
    ]
    assert all(each["figures"]["mean_ms"] > 0 for each in plain["results"] if each["name"] == "video")
