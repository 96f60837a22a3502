"""The whole way, from picture to angles, against what the original pipeline gave for the published weights."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
from reference_frames import pairs

from hpe_edge import PoseEngine
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.faces.open_detector import open_detector
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.sources.open_source import open_source
from hpe_edge.spec import Crop

# The original cuts whole pixels, cut off at the picture's edge, stretches them to the input, and rounds to levels.
AS_CUT = Crop(margins=(0.0, 0.0, 0.0, 0.0), square="none")


def cut_box(rect: list[int], image: np.ndarray) -> list[int]:
    x, y, width, height = rect
    return [x, y, min(x + width, image.shape[1]), min(y + height, image.shape[0])]


def check(found: np.ndarray, wanted: np.ndarray) -> None:
    """In degrees, the worst of the three angles of each face. The rest is the rounding, see the test at the end."""
    worst_angle = np.abs(found - wanted).max(axis=1)
    assert worst_angle.mean() <= 0.08
    assert (worst_angle > 0.3).sum() <= np.ceil(0.01 * len(worst_angle))
    assert worst_angle.max() <= 0.5


def test_dev_photos(data: Path, published: Path):
    reference = json.loads((data / "reference_aflw2000.json").read_text())
    with PoseEngine(published, crop=AS_CUT, upright=None) as engine:
        found = []
        for entry in reference["images"]:
            image = cv2.imread(str(data / "aflw2000_dev" / entry["file"]))
            box = cut_box(entry["lightweight"]["square1.5"]["rect"], image)
            found.append(engine(image, [box]).angles[0])
    found = np.array(found)
    check(found, np.array([entry["lightweight"]["square1.5"]["angles"] for entry in reference["images"]]))
    error = np.abs(found - [entry["label"] for entry in reference["images"]]).mean(axis=0)
    stated = reference["mae_deg"]["lightweight/square1.5"]
    assert np.abs(error - [stated[angle] for angle in ("yaw", "pitch", "roll")]).max() <= 0.05
    assert abs(error.mean() - stated["mean"]) <= 0.05


def test_video(data: Path, published: Path):
    reference = json.loads((data / "reference_video.json").read_text())
    faces = {entry["frame"]: [face["lightweight"] for face in entry["faces"]] for entry in reference["frames"]}
    capture = cv2.VideoCapture(str(data / reference["video"]))
    found, wanted = [], []
    with PoseEngine(published, crop=AS_CUT, upright=None) as engine:
        for index in range(max(faces) + 1):
            if index not in faces:
                assert capture.grab()
                continue
            read, image = capture.read()
            assert read
            found.append(engine(image, [cut_box(face["rect"], image) for face in faces[index]]).angles)
            wanted += [face["angles"] for face in faces[index]]
    check(np.concatenate(found), np.array(wanted))


def original_window(box: np.ndarray) -> list[int]:
    """The square of 1.5 times a box in whole pixels, as the reference says it was cut; x y width height."""
    x1, y1, x2, y2 = np.rint(box).tolist()
    side = 1.5 * max(x2 - x1, y2 - y1)
    left, top = (int(max((a + b - side) / 2, 0)) for a, b in ((x1, x2), (y1, y2)))
    return [left, top, int(side), int(side)]


def test_video_with_faces_that_are_found_here(data: Path, published: Path):
    """Decoder, detector, crop and network are ours; the reference's boxes are OpenCV's YuNet."""
    reference = json.loads((data / "reference_video.json").read_text())
    detector = open_detector(data / "detectors" / "yunet_n_640_640.onnx")
    images = {frame.index: frame.image for frame in open_source(data / reference["video"])}
    found, wanted = [], []
    with PoseEngine(published, crop=AS_CUT, upright=None) as engine:
        for entry in reference["frames"]:
            image, faces = images[entry["frame"]], entry["faces"]
            boxes = detector(image).drawn
            table = pairs(np.array([face["box_float"] for face in faces]), boxes)
            assert (table.max(axis=1) > 0.95).all()
            windows = [cut_box(original_window(box), image) for box in boxes[table.argmax(axis=1)]]
            found.append(engine(image, windows).angles)
            wanted += [face["lightweight"]["angles"] for face in faces]
    assert len(wanted) == 84
    assert np.abs(np.concatenate(found) - np.array(wanted)).mean() <= 0.1


def test_default_crop_is_as_accurate_as_stated(data: Path, published: Path):
    with (data / "aflw2000_dev" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))
    errors = []
    with PoseEngine(published, upright=None) as engine:
        for row in rows:
            image = cv2.imread(str(data / "aflw2000_dev" / row["file"]))
            angles = engine(image, [[float(row[side]) for side in ("x1", "y1", "x2", "y2")]]).angles[0]
            errors.append(np.abs(angles - [float(row[angle]) for angle in ("yaw", "pitch", "roll")]))
    assert np.mean(errors) <= 3.95


def test_the_originals_own_pixels_give_its_angles(data: Path, published: Path):
    """The engine differs from the original only in that cv2.resize rounds to whole levels, and nothing else."""
    reference = json.loads((data / "reference_aflw2000.json").read_text())
    backend = OnnxRuntimeBackend(published)
    spec, context = backend.spec, backend.context()
    mean, std = (np.array(values, np.float32) for values in (spec.input.mean, spec.input.std))
    for entry in reference["images"][::5]:
        image = cv2.imread(str(data / "aflw2000_dev" / entry["file"]))
        x1, y1, x2, y2 = cut_box(entry["lightweight"]["square1.5"]["rect"], image)
        levels = cv2.cvtColor(cv2.resize(image[y1:y2, x1:x2], (224, 224)), cv2.COLOR_BGR2RGB)
        context.input(1)[0] = ((levels.astype(np.float32) / 255 - mean) / std).transpose(2, 0, 1)
        angles = DecodeHeads(spec)(context.run(1)).angles[0]
        assert np.abs(angles - entry["lightweight"]["square1.5"]["angles"]).max() <= 0.001
