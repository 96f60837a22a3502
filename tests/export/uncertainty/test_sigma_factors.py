"""Factors and coverage against worlds whose errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from export.uncertainty.sigma_factors import (
    LARGEST_FACTOR,
    LEAST_FACTOR,
    coverage,
    cross_validated,
    from_beliefs,
    from_errors,
)

FACTORS = np.array([0.5, 1.0, 0.25])


def test_factors_of_normal_errors_are_those_they_were_made_with(rng: np.random.Generator) -> None:
    sigma = rng.uniform(3, 30, (20_000, 3))
    errors = rng.normal(0, 1, sigma.shape) * sigma * FACTORS
    np.testing.assert_allclose(from_errors(errors, sigma), FACTORS, rtol=0.03)
    plain, after = coverage(errors, sigma), coverage(errors, sigma * FACTORS)
    np.testing.assert_allclose(after.one, 0.683, atol=0.015)
    np.testing.assert_allclose(after.two, 0.954, atol=0.01)
    assert plain.one[0] == pytest.approx(0.954, abs=0.01) and plain.one[2] > 0.999


def test_a_few_wild_labels_hardly_count(rng: np.random.Generator) -> None:
    sigma = np.full((20_000, 3), 8.0)
    errors = rng.normal(0, 1, sigma.shape) * sigma * FACTORS
    errors[: len(errors) // 33] = 150.0
    np.testing.assert_allclose(from_errors(errors, sigma), FACTORS, rtol=0.08)
    assert (np.sqrt((errors**2).mean(axis=0)) / 8 > 3 * FACTORS).all()  # what a ratio of squares would say


def test_a_sigma_of_zero_is_no_division_by_zero() -> None:
    with np.errstate(all="raise"):
        assert np.isfinite(from_errors(np.zeros((4, 3)), np.zeros((4, 3)))).all()


def test_a_model_that_agrees_is_as_good_as_the_one_believed() -> None:
    sigma, believed = np.full((9, 3), 10.0), np.full((9, 3), [2.0, 5.0, 20.0])
    np.testing.assert_allclose(from_beliefs(np.zeros((9, 3)), sigma, believed), [0.2, 0.5, 2.0], rtol=1e-3)


def test_beliefs_find_the_factor_of_the_true_errors(rng: np.random.Generator) -> None:
    """The truth is drawn from the belief; the factors by labels are then those by belief."""
    shape = (40_000, 3)
    believed, sigma = rng.uniform(1, 6, shape), rng.uniform(5, 20, shape)
    apart = rng.normal(0, 1, shape) * [0.5, 4.0, 12.0]
    errors = apart - rng.normal(0, 1, shape) * believed
    np.testing.assert_allclose(from_beliefs(apart, sigma, believed), from_errors(errors, sigma), rtol=0.03)


def test_models_that_cannot_be_calibrated_end_at_the_bounds() -> None:
    sigma, believed = np.ones((9, 3)), np.ones((9, 3))
    np.testing.assert_allclose(from_beliefs(np.full((9, 3), 170.0), sigma, believed), LARGEST_FACTOR, rtol=1e-3)
    tiny = from_beliefs(np.zeros((9, 3)), 100 * sigma, believed)
    np.testing.assert_allclose(tiny, LEAST_FACTOR, rtol=1e-3)


def test_no_face_is_in_both_halves() -> None:
    """Two faces of many rows each: of the one that was not measured either all rows or none lie within."""
    faces = np.repeat([0, 1], 50)
    errors = np.repeat([[1.0] * 3, [10.0] * 3], 50, axis=0)
    found = cross_validated(errors, np.ones((100, 3)), faces, rounds=40)
    assert 0.2 < found.one[3] < 0.8 and found.one_spread[3] == pytest.approx(0.5, abs=0.05)
    assert coverage(errors, from_errors(errors, np.ones((100, 3))) * np.ones((100, 3))).one[3] == 1.0


def test_cross_validation_is_repeatable_and_honest(rng: np.random.Generator) -> None:
    sigma = rng.uniform(3, 30, (400, 3))
    errors = rng.normal(0, 1, sigma.shape) * sigma * FACTORS
    one, again = (cross_validated(errors, sigma, np.arange(400)) for _ in range(2))
    np.testing.assert_array_equal(one.one, again.one)
    np.testing.assert_allclose(one.one, 0.683, atol=0.05)
    assert (one.one_spread > 0).all()
    assert "within one sigma" in one.line() and "±" in one.line() and "±" not in coverage(errors, sigma).line()
