"""Linear assignment of detections to tracks: the pairs with the largest total similarity."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64Array = NDArray[np.float64]
IndexArray = NDArray[np.intp]


def assign(similarity: Float64Array) -> tuple[IndexArray, IndexArray]:
    """Choose pairs, each row and column at most once, with the largest sum of similarities.

    Args:
        similarity: ``[R, C]``; 0 or less for pairs that must not be chosen.

    Returns:
        Rows and columns of the chosen pairs, in the order of the rows.
    """
    possible = similarity > 0
    # Common case: faces are apart, and no pairs compete.
    if (possible.sum(axis=0) <= 1).all() and (possible.sum(axis=1) <= 1).all():
        rows, columns = np.nonzero(possible)
        return rows, columns
    cost = -np.maximum(similarity, 0)
    if len(cost) > len(cost.T):
        columns, rows = np.arange(cost.shape[1]), _cheapest(cost.T)
        order = np.argsort(rows)
        rows, columns = rows[order], columns[order]
    else:
        rows, columns = np.arange(len(cost)), _cheapest(cost)
    chosen = possible[rows, columns]
    return rows[chosen], columns[chosen]


def _cheapest(cost: Float64Array) -> IndexArray:
    """Return a distinct column for each row, ``[R]``, of cost ``[R, C]`` with R <= C, that minimise the sum.

    Shortest augmenting paths: rows are added one by one, each along the shortest path to a free column.
    Source: Jonker and Volgenant, 1987; Crouse, 2016, for the rectangular form.
    """
    count, width = cost.shape
    row_price, column_price = np.zeros(count), np.zeros(width)
    column_of, row_of = np.full(count, -1), np.full(width, -1)
    for start in range(count):
        shortest, before = np.full(width, np.inf), np.full(width, -1)
        settled = np.zeros(width, np.bool_)
        row, length = start, 0.0
        while True:
            through = length + cost[row] - row_price[row] - column_price
            shorter = ~settled & (through < shortest)
            shortest[shorter], before[shorter] = through[shorter], row
            column = int(np.argmin(np.where(settled, np.inf, shortest)))
            length = float(shortest[column])
            if row_of[column] < 0:
                break
            settled[column] = True
            row = int(row_of[column])
        spare = length - shortest[settled]
        row_price[start] += length
        row_price[row_of[settled]] += spare
        column_price[settled] -= spare
        row = -1
        while row != start:
            row = int(before[column])
            row_of[column] = row
            column, column_of[row] = int(column_of[row]), column
    return column_of
