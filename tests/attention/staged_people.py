"""People who look around, with known neutral poses, seen in noisy estimates at uneven times."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hpe_edge import Poses
from hpe_edge import geometry as g

Float64Array = NDArray[np.float64]


def seen(rotations: Float64Array, ids: list[int] | None = None, doubtful: list[bool] | None = None) -> Poses:
    """Poses ``[N, 3, 3]``; by default of identities 0, 1, ..., none doubtful."""
    count = len(rotations)
    angles = g.euler_from_rotation(rotations).astype(np.float32).reshape(count, 3)
    sigma = np.where(np.array([False] * count if doubtful is None else doubtful), 60, 5).astype(np.float32)
    return Poses(
        angles,
        np.repeat(sigma[:, None], 3, axis=1),
        np.array(rotations, np.float32).reshape(count, 3, 3),
        ids=np.array(range(count) if ids is None else ids, np.int64).reshape(count),
        max_sigma=30,
    )


def facing(*angles: tuple[float, float] | tuple[float, float, float]) -> Float64Array:
    """Rotations of faces with these angles; roll is 0 if not given."""
    return g.rotation_from_euler([(*one, 0.0)[:3] for one in angles]).astype(np.float64)


def times(rng: np.random.Generator, duration_s: float, fps: float, dropped: float = 0.1) -> Float64Array:
    """Times of frames with jitter and drops; the first and the last are kept."""
    even = np.arange(0, duration_s + 1 / fps, 1 / fps)
    uneven = np.sort(even + rng.uniform(-0.3, 0.3, len(even)) / fps)
    kept = rng.random(len(even)) >= dropped
    kept[[0, -1]] = True
    return uneven[kept]


def neutral_poses(rng: np.random.Generator, count: int) -> Float64Array:
    """Neutral poses of random mounts up to 60 degrees of yaw and 40 of pitch."""
    return g.rotation_from_euler(rng.uniform([-60, -40, -20], [60, 40, 20], (count, 3))).astype(np.float64)


def looking_around(
    rng: np.random.Generator,
    at_s: Float64Array,
    neutral: Float64Array,
    *,
    glances: float = 0.4,
    side: tuple[float, float, float] = (35.0, 0.0, 0.0),
    noise_deg: float = 2.0,
    turning_s: float = 0.3,
) -> Float64Array:
    """Rotations ``[T, 3, 3]`` of a person who spends a share of the time on glances to one side.

    Glances and looks ahead take turns and last 1 to 4 seconds; a turn of the head takes ``turning_s``.
    """
    start_s, duration_s = at_s[0], at_s[-1] - at_s[0]
    count = max(2, round(duration_s / 4))
    lengths = rng.uniform(0.5, 1.5, (count, 2))
    lengths *= np.array([1 - glances, glances]) * duration_s / lengths.sum(axis=0)
    borders = start_s + np.concatenate([[0], np.cumsum(lengths.ravel())])
    turned = np.zeros(len(at_s))
    for begin_s, end_s in zip(borders[1::2], borders[2::2], strict=True):
        turned += np.clip((at_s - begin_s) / turning_s + 0.5, 0, 1) - np.clip((at_s - end_s) / turning_s + 0.5, 0, 1)
    noise = g.rotation_from_rotvec(np.deg2rad(noise_deg) * rng.standard_normal((len(at_s), 3)))
    rotations: Float64Array = neutral @ g.rotation_from_euler(turned[:, None] * np.array(side)) @ noise
    return rotations
