"""BIWI Kinect Head Pose Database: 24 recordings of 20 people who turn their heads (Fanelli et al., 2013, IJCV 101).

Each frame has the head's centre in millimetres and a rotation, head to camera, the identity for a face that looks
straight into it: our R. The labels are its Euler angles, which are those of FSA-Net's conversion
(TYY_create_db_biwi.py) written differently: it transposes the matrix and takes them from there. HopeNet's loader
(datasets.py) reads the same matrix as Rz(roll) Ry(yaw) Rx(-pitch), which differs from R's order as soon as two angles
are large; its figures belong to those labels.

Rotation and centre are of the depth camera. The papers leave the rotation so, though the colour camera is turned a
little against it; so does this. The centre is projected with the colour camera's calibration.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.face import Dataset, Face, numbers_in
from hpe_edge import SourceError
from hpe_edge.geometry import euler_from_rotation

_EXPECTED = "BIWI's archive holds hpdb/01 to hpdb/24, each with rgb.cal, frame_00003_rgb.png and frame_00003_pose.txt "
_EXPECTED += "and so on; name the folder hpdb"

# Four people were recorded twice; every other recording is of a person of its own.
_SAME_PERSON = {"15": "03", "18": "05", "21": "02", "22": "07"}

_LEAST_ORTHOGONAL = 1e-2


def _read(folder: Path) -> Iterator[Face]:
    recordings = sorted(path.parent for path in folder.glob("[0-9][0-9]/rgb.cal"))
    if not recordings:
        raise SourceError(f"there is no recording in {folder}; {_EXPECTED}")
    for recording in recordings:
        calibration = numbers_in(recording / "rgb.cal", 25, "the colour camera's calibration")
        photos = sorted(recording.glob("frame_*_rgb.png"))
        if not photos:
            raise SourceError(f"there is no frame_*_rgb.png in {recording}; {_EXPECTED}")
        for photo in photos:
            pose = photo.with_name(photo.name.replace("_rgb.png", "_pose.txt"))
            numbers = numbers_in(pose, 12, "a rotation and the head's centre")
            rotation = numbers[:9].reshape(3, 3)
            if np.abs(rotation @ rotation.T - np.eye(3)).max() > _LEAST_ORTHOGONAL:
                raise SourceError(f"{pose} should begin with a rotation, three rows of three; it does not")
            yield Face(
                photo,
                _SAME_PERSON.get(recording.name, recording.name),
                np.asarray(euler_from_rotation(rotation), np.float64),
                center=project(numbers[9:12], calibration),
            )


def project(point_mm: NDArray[np.float64], calibration: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where the colour camera sees a point of the depth camera's frame: x y in pixels.

    Args:
        point_mm: ``[3]``.
        calibration: rgb.cal: the camera matrix, four coefficients of distortion that are 0, and the rotation and
            translation from the depth camera to this one.
    """
    matrix, rotation = calibration[:9].reshape(3, 3), calibration[13:22].reshape(3, 3)
    x, y, z = matrix @ (rotation @ point_mm + calibration[22:25])
    return np.array([x / z, y / z])


BIWI = Dataset("BIWI", "--biwi", "FOLDER", _EXPECTED, "person", _read)
