"""Turn of a crop: which turn each face gets, and its undoing.

A crop that is turned by t shows the head in the pose R' = Rz(-t) R, because a turn of the picture about the line of
sight is a turn of the camera about its axis. So R = Rz(t) R', exactly, whatever t is: a wrong roll costs accuracy of
the network, and nothing else.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.geometry import euler_full_yaw, rotation_from_euler

# A second pass pays for faces whose first answer is rolled further.
SECOND_PASS_ROLL_DEG = 15.0


def undo_turns(angles_deg: NDArray[np.float32], rotations: NDArray[np.float32], turns_deg: NDArray[np.float32]) -> None:
    """Transform estimates of turned crops to the picture, in place.

    Of the equivalent Euler triples the one with |pitch| up to 90 degrees is taken: in profile a turn of the picture
    changes pitch as much as roll, so the network's own angles do not tell which. Rows whose turn is 0 are not touched.

    Args:
        angles_deg: ``[N, 3]`` yaw, pitch, roll.
        rotations: ``[N, 3, 3]``.
        turns_deg: ``[N]``.
    """
    rows: NDArray[Any] = np.flatnonzero(turns_deg)
    if len(rows) == 0:
        return
    about_z = np.zeros((len(rows), 3))
    about_z[:, 2] = turns_deg[rows]
    turned = rotation_from_euler(about_z) @ rotations[rows]
    angles_deg[rows] = euler_full_yaw(turned)
    rotations[rows] = turned
