"""assignment against every possible choice, and against SciPy where it is installed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from hpe_edge.faces.assignment import assign


def best_total(similarity: NDArray[np.float64]) -> float:
    gains = np.maximum(similarity, 0)
    if len(gains) > len(gains.T):
        gains = gains.T
    rows = np.arange(len(gains))
    return max(float(gains[rows, list(to)].sum()) for to in itertools.permutations(range(gains.shape[1]), len(gains)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1), (3, 3), (3, 5), (5, 3), (6, 6)])
@pytest.mark.parametrize("digits", [0, 1, 9])
def test_no_other_choice_is_better(rng: np.random.Generator, shape: tuple[int, int], digits: int) -> None:
    for _ in range(20):
        similarity = np.round(rng.uniform(-1, 1, shape), digits)  # few digits make ties
        rows, columns = assign(similarity)
        assert len(set(rows)) == len(rows) and len(set(columns)) == len(columns)
        assert (np.diff(rows) > 0).all() and (similarity[rows, columns] > 0).all()
        assert similarity[rows, columns].sum() == pytest.approx(best_total(similarity))


def test_a_crowd_against_scipy(rng: np.random.Generator) -> None:
    optimize = pytest.importorskip("scipy.optimize", reason="compares with SciPy where it is installed")
    for shape in ((60, 60), (40, 70), (70, 40)):
        similarity = rng.uniform(-2, 1, shape)
        rows, columns = optimize.linear_sum_assignment(np.maximum(similarity, 0), maximize=True)
        wanted = np.maximum(similarity, 0)[rows, columns].sum()
        assert similarity[assign(similarity)].sum() == pytest.approx(wanted)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
def test_nobody(shape: tuple[int, int]) -> None:
    rows, columns = assign(np.zeros(shape))
    assert len(rows) == len(columns) == 0
