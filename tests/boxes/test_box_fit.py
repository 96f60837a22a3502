"""Names, files and fits that say whose boxes are given, and the table of known ones."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from hpe_edge import PoseEngine
from hpe_edge.boxes.box_fit import FITS, BoxFit, MeasuredFit, box_fit
from hpe_edge.errors import InputError, SourceError
from hpe_edge.faces.grids.embedded import EmbeddedDetector
from hpe_edge.faces.grids.scrfd import ScrfdDetector
from hpe_edge.faces.grids.yunet import YunetDetector

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"

MEASURED = MeasuredFit(BoxFit(0.9, 0.8, -0.05), 41, ((0.85, 0.95), (0.7, 0.9), (-0.06, 0.01)), "mine.csv, größer")


@pytest.mark.parametrize("name", ["RetinaFace", "retina_face", "retina-face", "RETINA FACE"])
def test_names_are_taken_as_people_write_them(name: str) -> None:
    assert box_fit(name) == FITS["retinaface"].fit


def test_all_known_names() -> None:
    wanted = {"yunet", "scrfd", "haar", "retinaface", "mediapipe", "mtcnn", "dlib", "yolo-face", "ultra-light"}
    assert wanted | {"landmarks"} <= set(FITS)
    for name, entry in FITS.items():
        assert box_fit(name) is entry.fit
        assert (entry.quartiles is None) == (entry.faces == 0) == ("not measured" in entry.source)
    assert len({"".join(filter(str.isalnum, name)) for name in FITS}) == len(FITS)


def test_detectors_convert_by_the_table() -> None:
    for detector, name in ((EmbeddedDetector, "landmarks"), (ScrfdDetector, "scrfd"), (YunetDetector, "yunet")):
        assert FITS[name].fit == detector.FIT


def test_landmark_boxes_stay_as_they_are() -> None:
    boxes = np.array([[1, 2, 30, 40], [-5, 0, 3, 8.5]], np.float32)
    np.testing.assert_array_equal(box_fit("landmarks")(boxes), boxes)


def test_the_table_holds_what_the_benchmark_measured() -> None:
    document = json.loads((RESULTS / "amd-epyc-box-fits.json").read_text())
    results = [result for result in document["results"] if result["name"] == "fit"]
    seen = set()
    for result in results:
        name, figures = result["parameters"]["boxes"].partition(".")[0], result["figures"]
        entry = FITS[name]
        for number in ("width", "height", "down"):
            assert figures[number] == getattr(entry.fit, number), name
            if not result["skipped"]:
                assert figures[f"{number}_measured"] == pytest.approx(figures[number], abs=0.006), name
        if not result["skipped"] and name not in ("haar", "scrfd"):  # of another match, and of two networks together
            assert figures["faces"] == entry.faces
        assert bool(result["skipped"]) == (entry.faces == 0)
        seen.add(name)
    assert seen == set(FITS)


def test_an_unknown_name_is_answered_with_the_known_ones_and_the_command() -> None:
    with pytest.raises(InputError, match=r"'blazing'.*yunet, scrfd.*hpe-edge fit-boxes BOXES.csv") as caught:
        box_fit("blazing")
    assert all(name in str(caught.value) for name in FITS)


def test_a_file_gives_back_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(MEASURED.to_json(), encoding="utf-8")
    assert box_fit(str(path)) == box_fit(path) == MEASURED.fit
    assert box_fit(MEASURED.fit) is MEASURED.fit


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(MEASURED.to_json(), encoding="utf-8")
    assert box_fit(path).width == 0.9
    path.write_text(MEASURED.to_json().replace("0.9,", "0.7,", 1), encoding="utf-8")
    os.utime(path, ns=(1, 1))
    assert box_fit(path).width == 0.7


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
        ("[1, 2]", "is no fit.*got list"),
        ('{"width": 1}', "must have the fields.*got the fields width"),
        (MEASURED.to_json().replace('"format": 1', '"format": 2'), "format 2"),
        (MEASURED.to_json().replace('"width": 0.9', '"width": "0.9"'), "number is needed"),
        (MEASURED.to_json().replace('"width": 0.9', '"width": 0'), "above 0"),
        (MEASURED.to_json().replace('"width": 0.9', '"width": NaN'), "finite"),
        (MEASURED.to_json().replace('"width": [', '"wide": ['), "width"),
        (MEASURED.to_json().replace('"source"', '"extra": 1, "source"'), "extra"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match=message):
        box_fit(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.json.*fit-boxes"):
        box_fit(str(tmp_path / "gone.json"))


@pytest.mark.parametrize("numbers", [(0.0, 1.0, 0.0), (1.0, -1.0, 0.0), (1.0, 1.0, float("nan"))])
def test_a_fit_must_be_a_box(numbers: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="above 0"):
        BoxFit(*numbers)


def test_the_engine_converts_by_name_and_by_file(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "mine.json"
    path.write_text(MEASURED.to_json(), encoding="utf-8")
    frame = rng.integers(0, 256, (200, 200, 3), np.uint8)
    drawn = np.array([[40, 30, 140, 160]], np.float32)
    with PoseEngine() as engine:
        for given, fit in (("Mtcnn", FITS["mtcnn"].fit), (str(path), MEASURED.fit)):
            poses = engine(frame, drawn, boxes_from=given)
            wanted = engine(frame, fit(drawn), boxes_from="landmarks").angles
            np.testing.assert_allclose(poses.angles, wanted, atol=1e-3)  # degrees
            assert np.abs(poses.angles - engine(frame, drawn, boxes_from="landmarks").angles).max() > 0.1
            np.testing.assert_allclose(poses.boxes, fit(drawn), rtol=1e-6)
