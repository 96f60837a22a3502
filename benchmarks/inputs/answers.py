"""Results of crop and decode as named arrays, and how far implementations of the same formulas may differ."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.timing import Answer
from benchmarks.inputs.scene import STD
from hpe_edge.poses import Poses

SAME_FORMULA = 2e-3 / 255 / min(STD)  # our instruction sets sum in different orders

# A float32 expectation over 198 degrees rounds at about 1e-5; half a bin's offset would be 1.5.
ANGLES = {"angles_deg": 1e-3}
POSES = {**ANGLES, "sigma_deg": 2e-3, "rotation": 2e-5}


def read_poses(poses: Poses) -> Answer:
    """Return poses as named arrays."""
    return named_poses((poses.angles, poses.sigma, poses.rotation))


def named_poses(found: Any) -> Answer:
    """Name angles, deviations and rotations."""
    return dict(zip(POSES, found, strict=True))
