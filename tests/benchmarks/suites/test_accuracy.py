"""The suite ``accuracy`` on made-up labels: what it counts, what it compares, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from labelled_photos import Finder, detections, write_labelled_photos

from benchmarks.__main__ import main
from benchmarks.datasets.labels_csv import COLUMNS
from benchmarks.datasets.published import published_results
from benchmarks.harness.timing import Result
from benchmarks.inputs import crops
from benchmarks.inputs.crops import nearest_box, overlapping_box
from benchmarks.suites import accuracy
from benchmarks.suites.accuracy import band_figures, difference_figures, judge, whole_figures
from hpe_edge.geometry import rotation_from_euler


@pytest.fixture
def labels(tmp_path: Path, rng: np.random.Generator) -> Path:
    return write_labelled_photos(tmp_path, rng)


def run(labels: Path, *options: str, models: Sequence[str] = ("tiny.onnx",)) -> list[dict[str, Any]]:
    out = labels.with_name("out.json")
    chosen = [part for name in models for part in ("--model", str(labels.with_name(name)))]
    assert main(["accuracy", *chosen, "--labels", str(labels), "--json", str(out), *options]) == 0
    results: list[dict[str, Any]] = json.loads(out.read_text())["results"]
    return results


def named(results: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [result for result in results if result["name"] == name]


def test_errors_are_those_of_the_labels(labels: Path) -> None:
    results = run(labels, "--crops", "own", "1.2", "1.5")
    own, same, other = (result["figures"] for result in named(results, "accuracy"))
    assert [own[f"{a}_mae_deg"] for a in ("yaw", "pitch", "roll", "mean")] == pytest.approx([1, 2, 3, 2], abs=1e-3)
    assert (own["faces"], own["missed"], own["left_out"]) == (3, 0, 0)
    assert 1 < own["geodesic_mean_deg"] <= own["geodesic_p99_deg"] < 6
    assert own["yaw_mae_deg_low"] == pytest.approx(1, abs=1e-3) and own["yaw_mae_deg_high"] == pytest.approx(
        1, abs=1e-3
    )
    # The tiny model's own crop is the square of 1.2 times the box.
    assert same == pytest.approx(own, abs=1e-3)
    assert other["mean_mae_deg"] != own["mean_mae_deg"]
    assert [result["parameters"]["crop"] for result in named(results, "accuracy")] == [
        "the model's own",
        "square of 1.2 times the box",
        "square of 1.5 times the box",
    ]
    for by in ("yaw", "largest angle"):
        bands = [r for r in named(results, "band") if r["parameters"]["by"] == by and "own" in r["parameters"]["crop"]]
        assert sum(band["figures"]["faces"] for band in bands) == 3


def test_the_other_way_round_is_not_folded() -> None:
    """A face that is said to look away is off by 180 degrees; across +-180 the shorter way counts."""
    said = np.array([[175.0, 0, 0], [0, 0, 179.0], [10, 180, 0], [-80, 0, 0]])
    label = np.array([[-5.0, 0, 0], [0, 0, -179.0], [10, 0, 0], [80, 0, 0]])
    answers = judge(said, rotation_from_euler(said), label)
    np.testing.assert_allclose(answers.angles, [[180, 0, 0], [0, 0, 2], [0, 180, 0], [160, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(answers.geodesic, [180, 2, 180, 160], atol=1e-6)


def test_two_names_of_one_rotation_differ_in_angles_only() -> None:
    label = np.array([[70.0, 20.0, -10.0]])
    other = np.array([[110.0, -160.0, 170.0]])
    answers = judge(other, rotation_from_euler(other), label)
    np.testing.assert_allclose(answers.angles, [[40, 180, 180]])
    np.testing.assert_allclose(answers.geodesic, 0, atol=1e-5)


def test_figures_by_hand() -> None:
    errors = np.array([[1.0, 2, 3], [3, 4, 5], [20, 0, 40]])
    answers, groups = accuracy.Errors(errors, np.array([2.0, 6.0, 40.0])), ["a", "b", "c"]
    whole = whole_figures(answers, groups)
    assert [whole[f"{a}_mae_deg"] for a in ("yaw", "pitch", "roll", "mean")] == [
        8,
        2,
        16,
        pytest.approx(26 / 3, abs=1e-4),
    ]
    assert [whole[f"geodesic_{what}_deg"] for what in ("mean", "median")] == [16, 6]
    assert whole["geodesic_p99_deg"] == pytest.approx(np.percentile([2, 6, 40], 99))
    assert (whole["mean_mae_deg_low"], whole["mean_mae_deg_high"]) == (2, 20)  # all three the best, or the worst
    band = band_figures(accuracy.Errors(errors[:1], answers.geodesic[:1]), groups[:1])
    assert band["faces"] == 1 and band["mean_mae_deg"] == 2 and band["mean_mae_deg_low"] is None
    none = whole_figures(accuracy.Errors(errors[:0], answers.geodesic[:0]), [])
    assert set(none.values()) == {None}


def test_a_difference_is_of_the_same_faces(rng: np.random.Generator) -> None:
    """Hard faces are hard for both, so that a tenth of a degree is seen which the errors' own intervals hide."""
    errors = rng.gamma(1.0, 8.0, (150, 3))
    first, second = (
        accuracy.Errors(values, values[:, 0]) for values in (errors, errors + rng.normal(0.1, 0.1, (150, 3)))
    )
    groups = [str(i) for i in range(150)]
    found = difference_figures(second, first, groups)
    low, high = found["mean_mae_minus_first_deg_low"], found["mean_mae_minus_first_deg_high"]
    assert low is not None and high is not None and 0.05 < low < 0.1 < high < 0.15
    alone = whole_figures(first, groups)
    assert alone["mean_mae_deg_high"] - alone["mean_mae_deg_low"] > 1


def write_shifted(labels: Path, step: int) -> str:
    """The tiny model with its yaw's bins shifted by so many, so that its yaw is another."""
    model = onnx.load(labels.with_name("tiny.onnx"))
    (bias,) = (value for value in model.graph.initializer if value.name == "bias")
    values = onnx.numpy_helper.to_array(bias).copy()
    values[:66] = np.roll(values[:66], step)
    bias.CopyFrom(onnx.numpy_helper.from_array(values, "bias"))
    onnx.save(model, str(labels.with_name("shifted.onnx")))
    return "shifted.onnx"


def test_several_forms_are_compared_with_the_first(labels: Path) -> None:
    pytest.importorskip("openvino")
    models = ("tiny.onnx", write_shifted(labels, 8))
    results = run(labels, "--backend", "onnxruntime", "openvino", models=models)
    errors = {r["parameters"]["form"]: r["figures"]["yaw_mae_deg"] for r in named(results, "accuracy")}
    assert list(errors) == ["tiny, onnxruntime", "tiny, openvino", "shifted, onnxruntime", "shifted, openvino"]
    found = {r["parameters"]["form"]: r for r in named(results, "difference")}
    assert list(found) == list(errors)[1:]
    for form, result in found.items():
        assert result["parameters"]["minus"] == "tiny, onnxruntime"
        difference = errors[form] - errors["tiny, onnxruntime"]
        assert result["figures"]["yaw_mae_minus_first_deg"] == pytest.approx(difference, abs=2e-3)
    assert abs(found["tiny, openvino"]["figures"]["mean_mae_minus_first_deg"]) < 1e-3
    assert found["shifted, onnxruntime"]["figures"]["yaw_mae_minus_first_deg"] > 0.5


def test_large_angles_are_left_out_and_counted(labels: Path) -> None:
    rows = labels.read_text().splitlines()
    labels.write_text("\n".join([*rows, "0.png,20,30,90,100,0,-100,0", "1.png,20,30,90,100,120,0,0"]))
    (first,) = named(run(labels), "accuracy")
    assert (first["figures"]["faces"], first["figures"]["left_out"]) == (3, 2)
    (every,) = named(run(labels, "--within", "180"), "accuracy")
    assert (every["figures"]["faces"], every["figures"]["left_out"]) == (5, 0)


def test_missed_faces_are_counted(labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "detector_named", lambda name: Finder())
    landmarks, found = named(run(labels, "--boxes", "landmarks", "face-detector"), "accuracy")
    assert (landmarks["figures"]["faces"], landmarks["figures"]["missed"]) == (3, 0)
    assert (found["figures"]["faces"], found["figures"]["missed"]) == (1, 2)
    assert found["figures"]["mean_mae_deg"] == pytest.approx(2, abs=1e-3)
    assert found["figures"]["mean_mae_deg_low"] is None


def test_no_face_is_found(labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Finder, "__call__", lambda self, frame: detections())
    monkeypatch.setattr(crops, "detector_named", lambda name: Finder())
    (found,) = run(labels, "--boxes", "face-detector")
    assert (found["figures"]["faces"], found["figures"]["missed"]) == (0, 3)
    assert found["figures"]["mean_mae_deg"] is None


def test_which_box_is_the_face() -> None:
    found = detections([0, 0, 10, 10], [100, 100, 140, 160])
    box = overlapping_box(found, np.array([102, 100, 140, 158], np.float32))
    assert box is not None and box.tolist() == [100, 100, 140, 160]
    assert overlapping_box(found, np.array([120, 100, 180, 160], np.float32)) is None
    near = nearest_box(found, np.array([120.0, 105.0]))
    assert near is not None and near.tolist() == [100, 100, 140, 160]
    assert nearest_box(found, np.array([161.0, 130.0])) is None  # 41 beside the middle, of 40
    assert nearest_box(detections(), np.zeros(2)) is None


def test_published_figures_stand_beside_measured_ones(labels: Path, tmp_path: Path) -> None:
    scipy_io = pytest.importorskip("scipy.io")
    folder = tmp_path / "AFLW2000"
    folder.mkdir()
    cv2.imwrite(str(folder / "image00002.jpg"), np.zeros((120, 120, 3), np.uint8))
    points = np.array([[20, 90, 50], [30, 60, 100], [0, 0, 0]], np.float32)
    scipy_io.savemat(folder / "image00002.mat", {"Pose_Para": np.zeros((1, 7)), "pt3d_68": points})
    out = tmp_path / "out.json"
    run_it = ["accuracy", "--model", str(labels.with_name("tiny.onnx")), "--aflw2000", str(folder), "--json", str(out)]
    assert main(run_it) == 0
    results = json.loads(out.read_text())["results"]
    assert {result["name"] for result in results} == {"accuracy", "band", "published"}
    said = {r["parameters"]["method"]: r["figures"]["mean_mae_deg"] for r in named(results, "published")}
    assert said["6DRepNet"] == 3.97 and len(said) == len(list(published_results(["AFLW2000-3D"])))
    assert not named(run(labels), "published")


@pytest.mark.parametrize(
    "row", list(published_results()), ids=lambda row: "{method} on {data}".format(**row.parameters)
)
def test_a_published_mean_is_that_of_its_angles(row: Result) -> None:
    *angles, mean = row.figures.values()
    assert mean == pytest.approx(sum(angles) / 3, abs=0.0101)
    assert row.parameters["source"] and row.parameters["protocol"]


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "must have rows"),
        ("file,x1\n0.png,1\n", "missing: y1"),
        (",".join(COLUMNS) + "\n0.png,1,2,3,x,5,6,7\n", "must be numbers"),
        (",".join(COLUMNS) + "\nnone.png,1,2,3,4,5,6,7\n", "cannot read the photo"),
    ],
)
def test_bad_labels(labels: Path, text: str, fragment: str, capsys: pytest.CaptureFixture[str]) -> None:
    labels.write_text(text)
    assert main(["accuracy", "--model", str(labels.with_name("tiny.onnx")), "--labels", str(labels)]) == 1
    assert fragment in capsys.readouterr().err
    assert main(["accuracy", "--model", str(labels.with_name("tiny.onnx")), "--labels", str(labels) + "x"]) == 1


@pytest.mark.parametrize(
    ("options", "status", "fragment"),
    [
        ([], 2, "name a set of labelled faces: --labels, --aflw2000"),
        (
            ["--labels", "LABELS", "--crops", "1.3", "own", "1.30"],
            2,
            "crop 'square of 1.3 times the box' is named twice",
        ),
        (["--labels", "LABELS", "--boxes", "yunet", "yunet"], 2, "source of boxes 'yunet' is named twice"),
        (["--labels", "LABELS", "--model", "TINY"], 2, "model 'tiny' is named twice, or by two files"),
        (["--labels", "LABELS", "--crops", "tight"], 2, "'tight' is no crop"),
        (["--labels", "LABELS", "--precision", "bf16"], 2, "name it with --backend openvino"),
        (["--pointing04", "POINTING"], 2, "Pointing'04 has no landmarks; name a detector"),
        (["--biwi", "nowhere"], 1, "hpdb/01 to hpdb/24"),
    ],
)
def test_wrong_requests(
    labels: Path, options: list[str], status: int, fragment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    person = labels.with_name("Person01")
    person.mkdir()
    (person / "person01146-30+60.jpg").write_bytes(b"")
    (person / "person01146-30+60.txt").write_text("person01146-30+60.jpg\n\nFace\n181\n124\n80\n96\n")
    places = {"LABELS": str(labels), "TINY": str(labels.with_name("tiny.onnx")), "POINTING": str(labels.parent)}
    given = [places.get(option, option) for option in options]
    assert main(["accuracy", "--model", str(labels.with_name("tiny.onnx")), *given]) == status
    assert fragment in capsys.readouterr().err


def test_a_model_that_says_nothing_is_refused(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = onnx.load(labels.with_name("tiny.onnx"))
    (bias,) = (value for value in model.graph.initializer if value.name == "bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(198, np.nan, np.float32), "bias"))
    onnx.save(model, str(labels.with_name("broken.onnx")))
    assert main(["accuracy", "--model", str(labels.with_name("broken.onnx")), "--labels", str(labels)]) == 1
    assert "gave no angles for" in capsys.readouterr().err
