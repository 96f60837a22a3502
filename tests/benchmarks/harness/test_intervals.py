"""Bootstrap intervals against SciPy's, and against drawing whole groups by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.harness.intervals import interval, mean, percentiles


def alone(count: int) -> list[str]:
    return [str(i) for i in range(count)]


@pytest.mark.parametrize("what", ["mean", "median"])
def test_faces_on_their_own_are_drawn_as_scipy_draws_them(rng: np.random.Generator, what: str) -> None:
    stats = pytest.importorskip("scipy.stats")
    errors = rng.gamma(1.5, 3.0, 195)
    statistic = getattr(np, what)
    wanted = stats.bootstrap(
        (errors,), statistic, n_resamples=8000, method="percentile", vectorized=what == "mean", rng=1
    ).confidence_interval
    if what == "mean":
        found = interval(alone(195), lambda times: mean(errors[:, None], times), draws=8000)
    else:
        found = interval(alone(195), lambda times: percentiles(errors, times, [50]), draws=8000)
    assert found is not None
    # Both are draws: their ends move by a hundredth of the interval's length. One of 90 % ends 0.08 of it further in.
    length = wanted.high - wanted.low
    np.testing.assert_allclose([found[0][0], found[1][0]], [wanted.low, wanted.high], atol=0.05 * length)


def test_groups_are_drawn_as_a_whole(rng: np.random.Generator) -> None:
    """Of 20 people with 50 frames each, who each have an error of their own, as many are known as there are people."""
    of_person = rng.gamma(4.0, 1.0, 20)
    errors = np.repeat(of_person, 50)[:, None]
    people = [str(i // 50) for i in range(1000)]
    low, high = interval(people, lambda times: mean(errors, times))
    draws = [rng.choice(of_person, 20).mean() for _ in range(4000)]
    wanted = np.percentile(draws, (2.5, 97.5))
    np.testing.assert_allclose([low[0], high[0]], wanted, atol=0.12 * (wanted[1] - wanted[0]))
    as_if_alone = interval(alone(1000), lambda times: mean(errors, times))
    assert (high - low)[0] > 4 * (as_if_alone[1] - as_if_alone[0])[0]  # the root of 50 is 7


def test_groups_of_different_sizes(rng: np.random.Generator) -> None:
    """A drawn group brings all its faces, so that the mean is over faces, not over groups."""
    groups, errors = ["a"] * 9 + ["b"], np.array([[1.0]] * 9 + [[11.0]])
    low, high = interval(groups, lambda times: mean(errors, times))
    assert (low[0], high[0]) == (1.0, 11.0)
    assert mean(errors, np.ones(10, np.int64))[0] == pytest.approx(2.0)


def test_an_interval_holds_the_truth_as_often_as_it_says(rng: np.random.Generator) -> None:
    held = 0
    for _ in range(200):
        errors = rng.gamma(2.0, 2.0, (80, 1))
        low, high = interval(alone(80), lambda times, errors=errors: mean(errors, times), draws=300)
        held += bool(low[0] <= 4.0 <= high[0])
    assert 178 <= held <= 199  # 95 % of 200 is 190, with a deviation of 3


def test_percentiles_count_a_face_as_often_as_it_was_drawn() -> None:
    values, times = np.array([1.0, 5.0, 9.0]), np.array([3, 0, 2])
    np.testing.assert_allclose(percentiles(values, times, [50, 99]), np.percentile([1, 1, 1, 9, 9], [50, 99]))


def test_it_is_the_same_every_time(rng: np.random.Generator) -> None:
    errors = rng.uniform(0, 9, (30, 1))
    first, second = (interval(alone(30), lambda times: mean(errors, times)) for _ in range(2))
    assert (first[0], first[1]) == (second[0], second[1])


def test_one_group_has_no_interval() -> None:
    assert interval(["a", "a"], lambda times: np.zeros(1)) is None
    assert interval([], lambda times: np.zeros(1)) is None
