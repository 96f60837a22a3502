"""The suite ``turned``: photos and labels turn together."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from labelled_photos import write_labelled_photos

from benchmarks.__main__ import main
from benchmarks.hard.turned import turned


def test_a_photo_turns_clockwise_about_its_face(rng: np.random.Generator) -> None:
    photo = cv2.resize(rng.integers(0, 256, (8, 10, 3), np.uint8), (100, 80), interpolation=cv2.INTER_CUBIC)
    box = np.float32([20, 30, 60, 50])
    for roll, turn in ((0, None), (90, cv2.ROTATE_90_CLOCKWISE), (180, cv2.ROTATE_180)):
        picture, found = turned(photo, box, roll)
        x1, y1, x2, y2 = np.rint(found).astype(int)
        face = photo[30:50, 20:60]
        want = face if turn is None else cv2.rotate(face, turn)
        at = np.abs(picture[y1:y2, x1:x2].astype(int) - want).mean()
        shifted = np.abs(picture[y1 + 3 : y2 + 3, x1:x2].astype(int) - want).mean()
        assert at < 14 and at < 0.7 * shifted, (at, shifted)


def test_the_figures(tmp_path: Path, rng: np.random.Generator) -> None:
    labels = write_labelled_photos(tmp_path, rng)
    out = tmp_path / "o.json"
    model = str(tmp_path / "tiny.onnx")
    assert main(["turned", "--quick", "--labels", str(labels), "--model", model, "--json", str(out)]) == 0
    results = json.loads(out.read_text())["results"]
    at = {r["parameters"]["roll"]: r["figures"] for r in results if r["name"] == "turned"}
    assert set(at) == {0, 90, 180, 270}
    assert abs(at[0]["mae_deg"] - 2) < 0.5 and at[0]["found_percent"] == 100  # the labels are off by 1, 2 and 3
    assert min(at[roll]["rotation_deg"] for roll in (90, 180)) > 30  # the tiny model is blind to turns
    dark = [r["figures"] for r in results if r["name"] == "exposed"]
    assert dark[0]["stretched_percent"] == 0 and dark[-1]["stretched_percent"] == 100
