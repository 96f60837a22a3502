"""Turn of a crop: which turn each face gets, and its undoing, on arrays that were checked.

A crop that is turned by t shows the head in the pose R' = Rz(-t) R, because a turn of the picture about the line of
sight is a turn of the camera about its axis. So R = Rz(t) R', exactly, whatever t is: a wrong roll costs accuracy of
the network, and nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge.ops.native import native

SECOND_PASS_ROLL_DEG = native.SECOND_PASS_ROLL_DEG
"""A second pass pays for faces whose first answer is rolled further."""


def roll_from_keypoints(keypoints: NDArray[np.floating]) -> NDArray[np.float32]:
    """Compute the in-plane roll of faces, at any yaw and pitch.

    The line through the eyes is no measure of it: in a profile the eyes lie behind each other. The way from the middle
    of the eyes to the middle of the mouth is the head's downward axis, from wherever it is seen but straight from above
    or below. A share of the nose, which would allow for a mouth in front of the eyes, made the rolls of turned faces
    worse.

    Args:
        keypoints: ``[N, 5, 2]``, in the order of :class:`hpe_edge.Detections`.

    Returns:
        float32 ``[N]``, degrees in [-180, 180], above 0 for a face that is tilted clockwise in the image. NaN where an
        eye or a corner of the mouth is NaN, or where both middles lie on one spot.
    """
    rolls = np.empty(len(keypoints), np.float32)
    native.rolls_from_keypoints(np.ascontiguousarray(keypoints, np.float32), rolls)
    return rolls


def undo_turns(angles_deg: NDArray[np.float32], rotations: NDArray[np.float32], turns_deg: NDArray[np.float32]) -> None:
    """Transform estimates of turned crops to the picture, in place.

    Of the equivalent Euler triples the one with |pitch| up to 90 degrees is taken: in profile a turn of the picture
    changes pitch as much as roll, so the network's own angles do not tell which. Rows whose turn is 0 are not touched.

    Args:
        angles_deg: ``[N, 3]`` yaw, pitch, roll; like the others without gaps in memory.
        rotations: ``[N, 3, 3]``.
        turns_deg: ``[N]``, finite.
    """
    native.undo_turns(turns_deg, angles_deg, rotations)


def second_pass(
    turns_deg: NDArray[np.float32] | None, rotations: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Find the heads that still are rolled by more than :data:`SECOND_PASS_ROLL_DEG` in their crops.

    Args:
        turns_deg: ``[N]``, finite, of the crops; None: none is turned.
        rotations: ``[N, 3, 3]`` in the picture, without gaps in memory.

    Returns:
        Their numbers ``[M]`` and their in-plane rolls ``[M]`` in degrees. A head that is NaN is none of them.
    """
    rows, rolls = np.empty(len(rotations), np.int32), np.empty(len(rotations), np.float32)
    found = native.second_pass(turns_deg, rotations, rows, rolls)
    return rows[:found], rolls[:found]
