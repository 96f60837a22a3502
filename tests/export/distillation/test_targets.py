"""Beliefs of export.distill: every kind of head on one grid, and the teachers' mean."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="the export tests need torch")

from export.distillation import angle_grid
from export.distillation.arrays import Predictions
from export.distillation.targets import Targets, disagreement_widths, label_widths
from hpe_edge.errors import InputError
from hpe_edge.spec import BinHead


def spread(distributions: np.ndarray) -> np.ndarray:
    """Standard deviations in degrees."""
    mean = angle_grid.expectation(distributions)
    return np.sqrt((distributions * (angle_grid.CENTERS_DEG - mean[..., None]) ** 2).sum(axis=-1))


def answers(angles_deg: np.ndarray, width_deg: float | None = None) -> Predictions:
    """Of a teacher that says these angles ``[N, 3]``."""
    angles = angles_deg.astype(np.float32)
    if width_deg is None:
        return Predictions(angles, None)
    return Predictions(angles, angle_grid.narrow(angles, np.full(angles.shape, width_deg)).astype(np.float16))


@pytest.mark.parametrize(
    "head",
    [
        BinHead("x", 0, first_deg=-97.5, step_deg=3.0, count=66),
        BinHead("x", 0, first_deg=-99.0, step_deg=3.0, count=66),
        BinHead("x", 0, first_deg=93.0, step_deg=-3.0, count=62),
        BinHead("x", 0, first_deg=-180.0, step_deg=3.0, count=120, circular=True),
    ],
)
def test_other_grids_keep_their_mean(head: BinHead, rng: np.random.Generator) -> None:
    angles = head.first_deg + head.step_deg * np.arange(head.count)
    centre = rng.uniform(-60, 60, 30)
    odds = np.exp(-0.5 * ((angles - centre[:, None]) / 4) ** 2)
    odds /= odds.sum(axis=1, keepdims=True)
    believed = angle_grid.rebinned(odds, head)
    np.testing.assert_allclose(believed.sum(axis=1), 1)
    np.testing.assert_allclose(angle_grid.expectation(believed), odds @ angles, atol=1e-6)


def test_a_circular_head_reads_190_as_minus_170() -> None:
    head = BinHead("x", 0, first_deg=0.0, step_deg=3.0, count=120, circular=True)
    odds = np.zeros((1, 120))
    odds[0, 110] = 1  # 330 degrees
    assert angle_grid.expectation(angle_grid.rebinned(odds, head))[0] == pytest.approx(-30)


def test_narrow_beliefs_have_the_width_asked_for() -> None:
    believed = angle_grid.narrow(np.array([10.0, -33.3]), np.array([4.0, 7.0]))
    np.testing.assert_allclose(spread(believed), [4.0, 7.0], rtol=0.01)
    np.testing.assert_allclose(angle_grid.expectation(believed), [10.0, -33.3], atol=0.01)


def test_mirrored_beliefs_are_those_of_the_mirrored_angles() -> None:
    angles = np.array([[20.0, -10.0, 35.0]])
    width = np.full((1, 3), 5.0)
    np.testing.assert_allclose(
        angle_grid.mirrored(angle_grid.narrow(angles, width)),
        angle_grid.narrow(angles * [-1, 1, -1], width),
        atol=1e-12,
    )


def test_teachers_who_agree_are_averaged_and_their_distance_widens_the_belief() -> None:
    said = np.array([[20.0, 5.0, 0.0], [-40.0, 0.0, 10.0]])
    off = np.array([2.0, 0.0, 0.0])
    targets = Targets([answers(said - off, 1.5), answers(said + off)], [None, np.full(3, 1.5)])
    distributions = targets.distributions(np.arange(2))
    np.testing.assert_allclose(distributions.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(angle_grid.expectation(distributions), said, atol=0.3)
    np.testing.assert_allclose(targets.angles, said, atol=0.3)
    assert spread(distributions)[:, 0] == pytest.approx(np.hypot(2, 1.5), rel=0.05)
    assert (spread(distributions)[:, 1] < 1.7).all()


def test_a_teacher_far_from_the_first_one_counts_little() -> None:
    said = np.array([[20.0, 5.0, 0.0]])
    off = np.array([10.0, 0.0, 40.0])
    targets = Targets([answers(said, 3.0), answers(said + off, 3.0)], [None, None])
    share = np.exp(-1) / (1 + np.exp(-1))
    np.testing.assert_allclose(targets.angles, said + np.array([10 * share, 0, 0]), atol=1e-4)
    np.testing.assert_allclose(angle_grid.expectation(targets.distributions(np.arange(1))), targets.angles, atol=0.1)
    swapped = Targets([answers(said + off, 3.0), answers(said, 3.0)], [None, None])
    np.testing.assert_allclose(swapped.angles, said + off - np.array([10 * share, 0, 0]), atol=1e-4)


def test_widths_are_the_error_on_labelled_faces(rng: np.random.Generator) -> None:
    labels = rng.uniform(-20, 20, (4000, 3))
    off = rng.normal(0, [2.0, 4.0, 6.0], labels.shape)
    np.testing.assert_allclose(label_widths(answers(labels + off), labels), [2, 4, 6], rtol=0.05)


def test_widths_without_labels_are_the_distance_from_the_others(rng: np.random.Generator) -> None:
    truth = rng.uniform(-20, 20, (4000, 3))
    one, other = (truth + rng.normal(0, 3.0, truth.shape) for _ in range(2))
    for width in disagreement_widths([answers(one), answers(other)]):
        np.testing.assert_allclose(width, 3 * np.sqrt(2), rtol=0.1)


def test_a_single_teacher_with_plain_angles_needs_labels() -> None:
    with pytest.raises(InputError, match="--labels"):
        disagreement_widths([answers(np.zeros((3, 3)))])
