"""The suite ``box-fits`` on made-up photos and boxes."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from labelled_photos import BOX, write_labelled_photos

from benchmarks.__main__ import main
from benchmarks.suites.box_fits import fitted_by_other_half, paired_figures, read_boxes
from hpe_edge.boxes.box_fit import FITS, BoxFit
from hpe_edge.boxes.measure_fit import Matches
from hpe_edge.errors import SourceError

NAME = "mtcnn"


def drawn(fit: BoxFit) -> list[float]:
    """The box that a fit takes to the labels' box."""
    x1, y1, x2, y2 = BOX
    width, height = (x2 - x1) / fit.width, (y2 - y1) / fit.height
    x, y = (x1 + x2) / 2, (y1 + y2) / 2 - fit.down * height
    return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]


def write_boxes(path: Path, rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["file", "x1", "y1", "x2", "y2", "score"], *rows])


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Labelled photos, and beside them a folder of boxes that lie exactly as the table says, in two photos of three."""
    write_labelled_photos(tmp_path, rng)
    (tmp_path / "boxes").mkdir()
    rows = [[f"{i}.png", *drawn(FITS[NAME].fit), 0.9] for i in range(2)]
    write_boxes(tmp_path / "boxes" / f"{NAME}.exact.csv", [*rows, ["0.png", 0, 0, 8, 8, 0.1], ["x.png", 0, 0, 9, 9, 1]])
    return tmp_path


def run(folder: Path, *more: str) -> list[dict]:
    out = folder / "out.json"
    given = ["--labels", str(folder / "labels.csv"), "--boxes", str(folder / "boxes"), "--json", str(out)]
    assert main(["box-fits", *given, "--models", str(folder / "tiny.onnx"), *more]) == 0
    return list(json.loads(out.read_text())["results"])


def test_the_whole_suite(folder: Path) -> None:
    results = run(folder)
    fits = {result["parameters"]["boxes"]: result for result in results if result["name"] == "fit"}
    assert set(fits) == (set(FITS) - {NAME}) | {f"{NAME}.exact"}
    known, figures = FITS[NAME].fit, fits[f"{NAME}.exact"]["figures"]
    assert figures["faces"] == 2 and figures["photos"] == 3
    for name in ("width", "height", "down"):
        assert figures[name] == getattr(known, name)
        assert figures[f"{name}_measured"] == pytest.approx(getattr(known, name), abs=1e-3)
    assert fits["dlib"]["skipped"]["boxes"] == FITS["dlib"].source
    assert fits["dlib"]["figures"] == {"width": 0.955, "height": 0.909, "down": 0.103}
    (error,) = (result["figures"] for result in results if result["name"] == "error")
    # The labels are the model's own angles on the labels' boxes, off by 1, 2 and 3 degrees.
    assert error["faces"] == 2
    for kind in ("landmarks", "fitted", "other_half_fitted"):
        assert error[f"{kind}_mae_deg"] == pytest.approx(2, abs=0.05)
    assert error["raw_added_deg"] == pytest.approx(error["raw_mae_deg"] - error["landmarks_mae_deg"], abs=2e-4)
    assert abs(error["raw_added_deg"]) > 0.1


def test_a_file_of_an_unknown_detector_is_refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "boxes" / "mine.csv").write_text("file,x1,y1,x2,y2\n")
    given = ["--labels", str(folder / "labels.csv"), "--boxes", str(folder / "boxes")]
    assert main(["box-fits", *given]) == 2
    assert "'mine'" in capsys.readouterr().err


def test_boxes_are_read_by_photo(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    write_boxes(path, [["b", 1, 2, 3, 4, 0], ["a", 5, 6, 7, 8, 0], ["b", 9, 9, 10, 10, 0]])
    assert [boxes.tolist() for boxes in read_boxes(path, ["a", "b", "c"])] == [
        [[5, 6, 7, 8]],
        [[1, 2, 3, 4], [9, 9, 10, 10]],
        [],
    ]
    path.write_text("file,x1,y1,x2\na,1,2,3\n")
    with pytest.raises(SourceError, match="y2"):
        read_boxes(path, ["a"])


def test_a_half_is_converted_by_the_fit_of_the_other() -> None:
    boxes = np.tile(np.float32([[0, 0, 100, 100]]), (4, 1))
    one, other = [10, 20, 90, 100], [20, 20, 70, 80]
    landmarks = np.float32([one, other, one, other])
    converted = fitted_by_other_half(Matches(np.arange(4), boxes, landmarks))
    # A fit has no horizontal offset.
    np.testing.assert_allclose(converted, [[25, 20, 75, 80], [10, 20, 90, 100]] * 2, atol=1e-4)


def test_differences_are_taken_face_by_face() -> None:
    rng = np.random.default_rng(0)
    landmarks = rng.uniform(0, 40, 200)
    each = {
        "landmarks": landmarks,
        "raw": landmarks + 1,
        "fitted": landmarks + rng.normal(0, 1, 200),
        "other_half_fitted": landmarks,
    }
    figures = paired_figures(each)
    assert figures["raw_added_deg"] == figures["raw_added_low_deg"] == figures["raw_added_high_deg"] == 1
    assert figures["fitted_added_high_deg"] - figures["fitted_added_low_deg"] == pytest.approx(4 / 200**0.5, rel=0.2)
    assert figures["other_half_fitted_added_deg"] == 0
