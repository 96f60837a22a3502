"""The MATLAB files of 300W-LP and AFLW2000-3D."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpe_edge import BackendError, SourceError


def read_mat(path: Path, points: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Yaw, pitch, roll ``[3]`` in degrees, and the points ``[K, 2]`` in pixels that the file calls ``points``.

    Pose_Para holds pitch, yaw and roll in radians, in the convention that the project has taken from it.

    Raises:
        SourceError: no such file, or it lacks these.
        BackendError: SciPy is missing.
    """
    try:
        load = import_module("scipy.io").loadmat
    except ImportError:
        raise BackendError(
            f"{path.name} is a MATLAB file, which SciPy reads; run `pip install 'hpe-edge[benchmarks]'`"
        ) from None
    try:
        held = load(path, variable_names=("Pose_Para", points))
    # SciPy answers damaged files with whatever its parser stumbles over.
    except Exception as error:
        raise SourceError(f"cannot read {path}, which should hold the labels of the photo beside it: {error}") from None
    try:
        pitch, yaw, roll = np.rad2deg(np.asarray(held["Pose_Para"], np.float64).ravel()[:3])
        found = np.asarray(held[points], np.float64)[:2].T
    except (KeyError, ValueError):
        raise SourceError(f"{path} should hold Pose_Para and {points}; it is damaged or of another set") from None
    return np.array([yaw, pitch, roll]), found


def photos_of(folder: Path, pattern: str, expected: str) -> list[Path]:
    """The photos of a folder, sorted.

    Raises:
        SourceError: there are none; ``expected`` says what should lie there.
    """
    found = sorted(folder.glob(pattern))
    if not found:
        raise SourceError(f"there is no {pattern} in {folder}; {expected}")
    return found
