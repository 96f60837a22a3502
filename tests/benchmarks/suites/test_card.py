"""The suite ``card`` on made-up errors and photos: bands, detectors, ranks, calibration, plot."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled_photos import Finder, write_labelled_photos

from benchmarks.__main__ import main
from benchmarks.inputs import crops
from benchmarks.suites import card
from benchmarks.suites.card import Predictions, band_figures, by_sigma, sigma_results, spearman


def said(rng: np.random.Generator, faces: int = 6000, factor: float = 1.0) -> Predictions:
    """Errors as large as sigma says, times a factor."""
    sigma = rng.uniform(2, 20, (faces, 3))
    return Predictions(np.abs(rng.normal(0, sigma * factor)), sigma, np.zeros(faces), np.zeros((faces, 3)))


def test_errors_fall_into_the_bands_of_the_labels_yaw() -> None:
    labels = np.array([[0, 90, 0], [-29.9, 0, 0], [30, 0, 0], [-59.9, 0, 0], [60, 0, 0], [-95, 0, 0]], np.float64)
    errors = np.array([[1, 2, 3], [3, 4, 5], [10, 0, 0], [20, 0, 0], [30, 60, 90], [50, 80, 110]], np.float64)
    figures = band_figures(Predictions(errors, errors, np.arange(6.0), errors), labels)
    assert [figures[f"faces{band}"] for band in ("", "_yaw_0_to_30", "_yaw_30_to_60", "_yaw_60_to_180")] == [6, 2, 2, 2]
    assert [figures[f"{name}_mae_deg_yaw_0_to_30"] for name in ("yaw", "pitch", "roll", "mean")] == [2, 3, 4, 3]
    assert [figures[f"{name}_mae_deg_yaw_30_to_60"] for name in ("yaw", "pitch", "roll", "mean")] == [15, 0, 0, 5]
    assert [figures[f"{name}_mae_deg_yaw_60_to_180"] for name in ("yaw", "pitch", "roll", "mean")] == [40, 70, 100, 70]
    assert figures["mean_mae_deg"] == pytest.approx(errors.mean(), abs=1e-4)
    assert [figures[f"rotation_deg{band}"] for band in ("", "_yaw_0_to_30", "_yaw_60_to_180")] == [2.5, 0.5, 4.5]
    none = band_figures(Predictions(errors[:2], errors[:2], np.zeros(2), errors[:2]), labels[:2])
    assert none["faces_yaw_60_to_180"] == 0 and none["mean_mae_deg_yaw_60_to_180"] is None


def test_slopes_are_those_of_the_estimates(rng: np.random.Generator) -> None:
    labels = rng.uniform(-29, 29, (40, 3))
    found = Predictions(labels, labels, labels[:, 0], labels * (1.0, 0.5, -0.25) + 7)
    figures = card.slopes(found, labels)
    assert [figures[f"{name}_slope_yaw_0_to_30"] for name in ("yaw", "pitch", "roll")] == [1.0, 0.5, -0.25]
    assert figures["yaw_slope_yaw_30_to_60"] is None


def test_the_paired_difference_is_narrower_than_the_errors(rng: np.random.Generator) -> None:
    errors, apart = rng.uniform(0, 20, (200, 3)), rng.uniform(0, 20, 200)
    one, two = Predictions(errors, errors, apart, errors), Predictions(errors + 0.5, errors, apart + 0.25, errors)
    figures = card.difference(one, two)
    assert figures["mean_mae_deg_low"] < errors.mean() + 0.5 < figures["mean_mae_deg_high"]
    assert figures["first_minus_this_mean_mae_deg_low"] == figures["first_minus_this_mean_mae_deg_high"] == -0.5
    assert figures["first_minus_this_rotation_deg"] == -0.25
    assert card.difference(one, one)["first_minus_this_mean_mae_deg"] == 0


def test_rank_correlation_is_scipys(rng: np.random.Generator) -> None:
    stats = pytest.importorskip("scipy.stats")
    one = rng.integers(0, 9, 200).astype(float)  # with many ties
    other = one + rng.normal(0, 4, 200).round()
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other).statistic, abs=1e-12)
    assert spearman(one, np.exp(one)) == pytest.approx(1) and spearman(one, -one) == pytest.approx(-1)
    assert spearman(one, np.ones(200)) is None


@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_calibration_tells_how_large_errors_are_where_sigma_is(rng: np.random.Generator, factor: float) -> None:
    results = list(sigma_results("made up", said(rng, factor=factor)))
    whole = {r.parameters["of"]: r.figures for r in results if r.name == "sigma"}
    parts = [r.figures for r in results if r.name == "calibration"]
    assert set(whole) == {"face", "yaw", "pitch", "roll"} and len(parts) == 3 * card.BINS
    for angle in ("yaw", "pitch", "roll"):
        # Of normal errors 68 % and 95 % lie within one and two standard deviations; of half as large ones 95 and 100.
        wanted = (68.3, 95.4) if factor == 1.0 else (95.4, 100.0)
        found = [whole[angle][f"within_{k}_sigma_percent"] for k in (1, 2)]
        np.testing.assert_allclose(found, wanted, atol=2)
        assert whole[angle]["rms_error_deg"] == pytest.approx(factor * whole[angle]["rms_sigma_deg"], rel=0.05)
    for part in parts:
        assert part["faces"] == 1000
        assert part["rms_error_deg"] == pytest.approx(factor * part["rms_sigma_deg"], rel=0.12)
    assert whole["face"]["spearman"] > 0.4
    assert [part["rms_sigma_deg"] for part in parts[:6]] == sorted(part["rms_sigma_deg"] for part in parts[:6])


def test_a_sigma_that_says_nothing_is_seen(rng: np.random.Generator) -> None:
    made = said(rng)
    shuffled = Predictions(made.errors, rng.permutation(made.sigma), made.apart, made.angles)
    assert abs(next(sigma_results("made up", shuffled)).figures["spearman"]) < 0.1
    assert next(sigma_results("made up", made)).figures["spearman"] > 0.4


def test_groups_hold_every_face_once(rng: np.random.Generator) -> None:
    sigma = rng.uniform(0, 1, 20)
    groups = by_sigma(sigma)
    assert sorted(np.concatenate(groups)) == list(range(20))
    assert all(sigma[a].max() <= sigma[b].min() for a, b in itertools.pairwise(groups))
    assert len(by_sigma(sigma[:2])) == 2


@pytest.fixture
def labels(tmp_path: Path, rng: np.random.Generator) -> Path:
    return write_labelled_photos(tmp_path, rng)


def test_the_whole_suite(labels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "HaarDetector", Finder)
    out, plot, tiny = (labels.with_name(name) for name in ("out.json", "plot.png", "tiny.onnx"))
    run = ["card", "--models", str(tiny), "--labels", str(labels), "--json", str(out), "--plot", str(plot)]
    assert main(run) == 0
    document = json.loads(out.read_text())
    results = {(r["name"], r["parameters"].get("boxes", r["parameters"].get("of"))): r for r in document["results"]}
    own, haar = (results["error", boxes]["figures"] for boxes in ("landmarks", "haar"))
    assert own["faces"] == 3 and own["mean_mae_deg"] == pytest.approx(2, abs=1e-3)
    assert 1 < own["rotation_deg"] < 6
    assert haar["faces"] == 1
    assert haar["mean_mae_deg"] == haar["mean_mae_deg_of_these_with_landmarks"] == pytest.approx(2, abs=1e-3)
    assert ("sigma", "face") in results and cv2.imread(str(plot)) is not None
    budget = {line["what"]: line for line in document["budget"]}
    assert budget["mean absolute error, landmark boxes"]["met"] is True
    assert budget["how much more it is with the boxes of haar"]["found"] == "0.00 degrees"


def test_the_embedded_model_is_judged_where_none_is_named(labels: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", "--labels", str(labels)]) == 0
    said = capsys.readouterr().out
    assert "model: the embedded default, student-v2" in said
    assert "error: model student-v2, boxes landmarks, photos 3" in said
