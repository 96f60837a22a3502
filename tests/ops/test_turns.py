"""Turns and their undoing."""

from __future__ import annotations

import numpy as np
import pytest
import reference

from hpe_edge.geometry import difference_deg, euler_full_yaw, geodesic_deg, rotation_from_euler, wrap_deg
from hpe_edge.ops.turns import second_pass, undo_turns


def test_turns_are_undone_exactly(rng: np.random.Generator) -> None:
    angles = rng.uniform([-75, -50, -50], [75, 50, 50], (200, 3)).astype(np.float32)
    rotations = rotation_from_euler(angles).astype(np.float32)
    turns = rng.uniform(-180, 180, 200).astype(np.float32)
    turns[::5] = 0
    want = np.stack([reference.rz(t) @ reference.rotation(*a) for t, a in zip(turns, angles, strict=True)])
    kept = angles.copy(), rotations.copy()
    undo_turns(angles, rotations, turns)
    assert geodesic_deg(rotations, want).max() < 1e-3
    assert geodesic_deg(rotation_from_euler(angles), want).max() < 1e-3
    for now, before in zip((angles, rotations), kept, strict=True):
        np.testing.assert_array_equal(now[::5], before[::5])


def test_a_small_turn_moves_the_roll() -> None:
    angles = np.float32([[5, -4, 3], [120, 2, 1]])
    rotations = rotation_from_euler(angles).astype(np.float32)
    undo_turns(angles, rotations, np.float32([10, 0]))
    np.testing.assert_allclose(angles, [[5, -4, 13], [120, 2, 1]], atol=1.5)


def test_pitch_stays_within_a_right_angle_in_profile(rng: np.random.Generator) -> None:
    """There the turn is no change of the roll: the triple near to the network's may be the other one."""
    want = np.float32([[71, -59, -83], *rng.uniform([-130, -85, -100], [130, 85, 100], (300, 3))])
    turns = np.float32([-70, *rng.uniform(-100, 100, 300)])
    shown = np.stack([reference.rz(-t) @ reference.rotation(*a) for t, a in zip(turns, want, strict=True)])
    angles, rotations = euler_full_yaw(shown).astype(np.float32), shown.astype(np.float32)
    undo_turns(angles, rotations, turns)
    np.testing.assert_allclose(angles[0], want[0], atol=0.01)
    assert np.abs(wrap_deg(angles - want))[np.abs(np.abs(want[:, 0]) - 90) > 1].max() < 0.05


def test_nan_stays_in_its_row() -> None:
    angles, rotations = np.float32([[np.nan] * 3, [1, 2, 3]]), np.float32([np.full((3, 3), np.nan), np.eye(3)])
    undo_turns(angles, rotations, np.float32([20, 20]))
    assert np.isnan(angles[0]).all() and np.isnan(rotations[0]).all() and np.isfinite(angles[1]).all()


@pytest.mark.parametrize("turned", [False, True])
def test_the_second_pass_takes_the_heads_that_are_rolled_in_their_crops(rng: np.random.Generator, turned: bool) -> None:
    rolls = rng.uniform(-180, 180, 300).astype(np.float32)
    rotations = np.float32([reference.rz(roll) @ reference.rx(20) for roll in rolls])
    rotations[3] = np.nan
    turns = np.where(np.arange(300) % 3, wrap_deg(rolls + rng.uniform(-40, 40, 300)), 0).astype(np.float32)
    rows, found = second_pass(turns if turned else None, rotations)
    left = np.abs(difference_deg(rolls, turns if turned else 0))
    left[3] = 0
    assert rows.tolist() == np.flatnonzero(left > 15).tolist() and 100 < len(rows) < 290
    np.testing.assert_allclose(found, rolls[rows], atol=1e-3)
