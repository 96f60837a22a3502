"""300W-LP and AFLW2000-3D: photos with a fitted 3D face each, in MATLAB files (Zhu et al., 2016, arXiv:1511.07212).

AFLW2000-3D are 2000 photos of AFLW. The box is that of pt3d_68, the 68 landmarks with the hidden ones where the fitted
face has them. pt2d has 21 points, of which hidden ones stand at -1: a box of those reaches to the picture's corner.
300W-LP are photos of 300W turned to larger yaws, and their mirror images. Networks are trained on it, so an error on it
is one on training data. All views of one face are one group. The box is that of pt2d, here 68 landmarks.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.face import Dataset, Face, photos_of, tight_box
from hpe_edge.errors import BackendError, SourceError

FOLDERS = ("AFW", "HELEN", "IBUG", "LFPW")
_AFLW2000 = "AFLW2000-3D's archive holds AFLW2000/image00002.jpg with image00002.mat beside it; name that folder"
_W300_LP = "300W-LP's archive holds 300W_LP/AFW/AFW_134212_1_0.jpg with its .mat beside it, HELEN, IBUG, LFPW and for "
_W300_LP += "each one with _Flip, such as AFW_Flip; name the folder that holds these eight"


def landmarks(photo: Path) -> NDArray[np.float64]:
    """Read the 68 points ``[68, 2]`` of AFLW2000-3D's file beside a photo, seen from the front."""
    return read_mat(photo, "pt3d_68")[1]


def read_mat(photo: Path, points: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read the file beside a photo: yaw, pitch, roll ``[3]`` in degrees, and ``[K, 2]`` points in pixels.

    Pose_Para holds pitch, yaw and roll in radians, in the convention that the project has taken from it.

    Raises:
        SourceError: no such file, or it lacks these.
        BackendError: SciPy is missing.
    """
    path = photo.with_suffix(".mat")
    try:
        load = import_module("scipy.io").loadmat
    except ImportError:
        raise BackendError(
            f"{path.name} is a MATLAB file, which SciPy reads; run `pip install 'hpe-edge[benchmarks]'`"
        ) from None
    try:
        held = load(path, variable_names=("Pose_Para", points))
    # On damaged files SciPy raises whatever its parser runs into.
    except Exception as error:
        raise SourceError(f"cannot read {path}, which should hold the labels of the photo beside it: {error}") from None
    try:
        pitch, yaw, roll = np.rad2deg(np.asarray(held["Pose_Para"], np.float64).ravel()[:3])
        found = np.asarray(held[points], np.float64)[:2].T
    except (KeyError, ValueError):
        raise SourceError(f"{path} should hold Pose_Para and {points}; it is damaged or of another set") from None
    return np.array([yaw, pitch, roll]), found


def _read_aflw2000(folder: Path) -> Iterator[Face]:
    for photo in photos_of(folder, "image*.jpg", _AFLW2000):
        angles_deg, points = read_mat(photo, "pt3d_68")
        yield Face(photo, photo.stem, angles_deg, tight_box(points))


def _read_w300_lp(folder: Path) -> Iterator[Face]:
    for name in [f"{name}{suffix}" for name in FOLDERS for suffix in ("", "_Flip")]:
        for photo in photos_of(folder / name, "*.jpg", _W300_LP):
            angles_deg, points = read_mat(photo, "pt2d")
            # The last number counts the turned views; mirror images are named as what they mirror.
            yield Face(photo, photo.stem.rpartition("_")[0], angles_deg, tight_box(points))


AFLW2000 = Dataset("AFLW2000-3D", "--aflw2000", "FOLDER", _AFLW2000, "photo", _read_aflw2000)
W300_LP = Dataset("300W-LP", "--300w-lp", "FOLDER", _W300_LP, "original face", _read_w300_lp)
