"""Made-up labelled photos for the suites that judge models, and a detector that finds some of their faces."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from tiny_model import write_tiny_model

from benchmarks.datasets.labels_csv import COLUMNS
from hpe_edge import PoseEngine
from hpe_edge.faces.detector import Detections

BOX = [20.0, 30.0, 90.0, 100.0]
OFF = [1.0, -2.0, 3.0]


def write_labelled_photos(folder: Path, rng: np.random.Generator) -> Path:
    """Three photos whose labels are the tiny model's own angles, moved by OFF; beside them the model, ``tiny.onnx``.

    Returns:
        The table of labels.
    """
    path = folder / "labels.csv"
    with PoseEngine(write_tiny_model(folder / "tiny.onnx")) as engine, path.open("w") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for i in range(3):
            photo = np.kron(rng.integers(0, 256, (6, 6, 3)), np.ones((20, 20, 1))).astype(np.uint8)
            cv2.imwrite(str(folder / f"{i}.png"), photo)
            writer.writerow([f"{i}.png", *BOX, *(engine(photo, [BOX]).angles[0] + OFF)])
    return path


def detections(*boxes: Sequence[float]) -> Detections:
    """These boxes, all alike sure."""
    return Detections.from_boxes(np.array(boxes, np.float32).reshape(-1, 4), np.ones(len(boxes), np.float32))


class Finder:
    """Finds the labelled face in the first photo, something else in the second, nothing in the third."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        boxes = [[[0, 0, 8, 8], BOX], [[0, 0, 8, 8]], []][self.calls % 3]
        self.calls += 1
        return detections(*boxes)
