"""Sides of turned boxes."""

from __future__ import annotations

import numpy as np
import pytest

from hpe_edge.upright.turned_boxes import sides_in_turned_axes


@pytest.mark.parametrize(
    ("turn", "sides"), [(0, (40, 60)), (44, (40, 60)), (-46, (60, 40)), (90, (60, 40)), (180, (40, 60))]
)
def test_sides(turn: float, sides: tuple[float, float]) -> None:
    box = sides_in_turned_axes(np.float32([[10, 20, 50, 80]]), np.float32([turn]))[0]
    np.testing.assert_allclose([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2], [30, 50])
    np.testing.assert_allclose([box[2] - box[0], box[3] - box[1]], sides)
