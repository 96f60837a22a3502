"""Figures of several models, from distances that are known."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_faces import drawn_patches

from export.distillation.views import Pool
from export.judging.judgement import judge, slopes, table
from export.judging.measures import AGREEMENT, Measured
from export.teaching.arrays import Labels
from hpe_edge.geometry import rotation_from_zxy

FACES = 200


@pytest.fixture
def zxy(rng: np.random.Generator) -> np.ndarray:
    """A hundred faces near frontal, 95 half turned, five in profile, to both sides."""
    yaw = np.concatenate([rng.uniform(0, 29, 100), rng.uniform(31, 59, 95), rng.uniform(61, 90, 5)])
    return np.stack([yaw * rng.choice([-1, 1], FACES), rng.uniform(-30, 30, FACES), np.zeros(FACES)], axis=1)


@pytest.fixture
def faces(zxy: np.ndarray) -> Pool:
    one = drawn_patches(np.zeros((1, 3)))
    labels = Labels(rotation_from_zxy(zxy), np.full((FACES, 3), 2.0))
    return Pool(one.pictures.repeat(FACES, axis=0), one.boxes[:, None].repeat(FACES, axis=0), labels, np.ones(FACES))


def measured(zxy: np.ndarray, distances: np.ndarray) -> Measured:
    return Measured(rotation_from_zxy(zxy), {AGREEMENT: distances, "mirrored": distances / 2})


def test_figures_are_those_of_the_distances(zxy: np.ndarray, faces: Pool) -> None:
    apart = np.arange(FACES, dtype=float)
    (found,) = judge(["a"], [measured(zxy, apart)], faces)
    assert (found["model"], found["faces"]) == ("a", FACES)
    figures = found["measures"][AGREEMENT]
    assert figures["mean_deg"] == 99.5 and figures["worst_deg"] == 199
    assert figures["p95_deg"] == pytest.approx(0.95 * 199, abs=0.01)
    assert figures["p99_deg"] == pytest.approx(0.99 * 199, abs=0.01)
    # The mean's standard error is 199 / sqrt(12 * 200); 95 % lie within 1.96 of them.
    error = 1.96 * np.sqrt((FACES**2 - 1) / 12 / FACES)
    assert figures["mean_low"] == pytest.approx(99.5 - error, abs=1.5)
    assert figures["mean_high"] == pytest.approx(99.5 + error, abs=1.5)
    assert found["measures"]["mirrored"]["mean_deg"] == 49.75


def test_bands_are_by_yaw_and_small_ones_are_left_out(zxy: np.ndarray, faces: Pool) -> None:
    (found,) = judge(["a"], [measured(zxy, np.abs(zxy[:, 0]))], faces)
    near, half = found["bands"].values()
    assert near["worst_deg"] < 30 < half["mean_deg"] and half["worst_deg"] < 60
    assert near["mean_deg"] == pytest.approx(np.abs(zxy[:100, 0]).mean(), abs=0.001)
    assert list(found["slopes"]) == list(found["bands"])


def test_differences_are_by_face_and_from_the_first(zxy: np.ndarray, faces: Pool, rng: np.random.Generator) -> None:
    """Errors vary by 10 degrees between faces, and the second model's are larger by 0.5 on every one."""
    apart = rng.uniform(0, 30, FACES)
    first, second = judge(["a", "b"], [measured(zxy, apart), measured(zxy, apart + 0.5)], faces)
    assert first["difference"] == {"mean_deg": 0.0, "mean_low": 0.0, "mean_high": 0.0}
    assert second["difference"] == {"mean_deg": 0.5, "mean_low": 0.5, "mean_high": 0.5}


def test_slopes_of_a_model_that_shrinks_angles(zxy: np.ndarray, faces: Pool) -> None:
    found = slopes(measured(zxy * (0.8, 0.6, 1), np.ones(FACES)), faces)
    assert len(found) == 2
    for band in found.values():
        assert band == {"yaw": pytest.approx(0.8, abs=0.005), "pitch": pytest.approx(0.6, abs=0.005)}


def test_an_offset_outwards_is_no_slope(zxy: np.ndarray, faces: Pool) -> None:
    """All faces look five degrees further to their own side: on both sides together a line would be too steep."""
    outwards = zxy + np.stack([5 * np.sign(zxy[:, 0]), np.zeros(FACES), np.zeros(FACES)], axis=1)
    for band in slopes(measured(outwards, np.ones(FACES)), faces).values():
        assert band["yaw"] == pytest.approx(1, abs=0.005)


def test_the_table_has_a_column_for_each_model_and_a_line_for_each_figure(zxy: np.ndarray, faces: Pool) -> None:
    records = judge(["one.onnx", "two.onnx"], [measured(zxy, np.full(FACES, each)) for each in (3.0, 4.25)], faces)
    lines = table(records)
    assert len(lines) == 1 + 2 + 2 + 2 + 1
    assert "one.onnx" in lines[0] and lines[0].endswith("two.onnx")
    column = lines[0].index("two.onnx")
    assert lines[1][column:] == "4.25 / 4.2" and "+1.25" in lines[-1][column:]
