"""Key points of a face, and the in-plane roll of a head."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpe_edge.errors import InputError


def roll_of(down: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the roll ``[N]`` in degrees of heads whose downward axis is seen as ``[N, 2]``; NaN where it is 0 long."""
    # In double precision, whose last bit alone depends on NumPy's build: a turn's last bit can move a crop's levels.
    x, y = down[..., 0].astype(np.float64), down[..., 1].astype(np.float64)
    roll = np.rad2deg(np.arctan2(-x, y))
    return np.where((x == 0) & (y == 0), np.nan, roll).astype(np.float32)


def roll_of_rotation(rotation: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return the in-plane roll ``[N]`` of heads, ``[N, 3, 3]``, in degrees; NaN for one that looks straight up or down.

    It is that of the head's downward axis in the image. Up to the profile it nearly equals the Euler angle roll; there
    that angle is not unique, and this one is.
    """
    return roll_of(rotation[..., :2, 1])


def check_keypoints(keypoints: ArrayLike, count: int) -> NDArray[np.float32]:
    """Check key points; return float32 ``[N, 5, 2]``.

    Args:
        keypoints: see :meth:`hpe_edge.PoseEngine.__call__`.
        count: the number of faces.

    Raises:
        InputError: not ``[N, 5, 2]`` numbers, or an infinite one.
    """
    try:
        array = np.asarray(keypoints, np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"keypoints must be [N, 5, 2] numbers x y in pixels ({error})") from None
    if array.size == 0 and count == 0:
        return array.reshape(0, 5, 2)
    if array.shape != (count, 5, 2):
        raise InputError(
            f"keypoints must be [N, 5, 2], eyes, nose and corners of the mouth of each box, got shape {array.shape} "
            f"for {count} boxes"
        )
    infinite = np.isinf(array).any(axis=(1, 2))
    if infinite.any():
        raise InputError(f"key points of face {int(np.argmax(infinite))} are infinite; NaN stands for unknown ones")
    return array
