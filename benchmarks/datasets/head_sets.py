"""Sets with head positions but no landmarks: BIWI and Pointing'04.

BIWI Kinect Head Pose Database: 24 recordings of 20 people who turn their heads (Fanelli et al., 2013, IJCV 101). Each
frame has the head's centre in millimetres and a rotation, head to camera, the identity for a face that looks straight
into it: our R. The labels are its Euler angles, those of FSA-Net's conversion (TYY_create_db_biwi.py). HopeNet's loader
(datasets.py) reads the same matrix as Rz(roll) Ry(yaw) Rx(-pitch), which differs as soon as two angles are large.
Rotation and centre are in the depth camera's frame; like the papers, this ignores the small rotation of the colour
camera against it. The centre is projected with the colour camera's calibration.

Pointing'04: 15 people who look at 93 marks on the walls, twice (Gourier, Hall, Crowley, 2004, ICPR Pointing). A photo's
name holds the mark: person01146-30+60.jpg is person 01, series 1, photo 46, tilt -30, pan +60 degrees. Tilt is
our pitch, below 0 looking down, and pan our yaw, with the same signs. The poses were not measured, and the label's roll
is 0, so errors of some degrees may be the labels'. The file beside a photo has the face's middle.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.face import Dataset, Face, photos_of
from hpe_edge.errors import SourceError
from hpe_edge.geometry import euler_from_rotation

_BIWI = "BIWI's archive holds hpdb/01 to hpdb/24, each with rgb.cal, frame_00003_rgb.png and frame_00003_pose.txt "
_BIWI += "and so on; name the folder hpdb"
_SAME_PERSON = {"15": "03", "18": "05", "21": "02", "22": "07"}  # recorded twice; other recordings are one person each
_LEAST_ORTHOGONAL = 1e-2

_POINTING = "Pointing'04's archive holds Person01/person01146-30+60.jpg with person01146-30+60.txt beside it, up to "
_POINTING += "Person15; name the folder that holds these fifteen"
_NAME = re.compile(r"person(?P<person>\d\d)[12]\d\d(?P<tilt>[+-]\d+)(?P<pan>[+-]\d+)\.jpg")


def _read_biwi(folder: Path) -> Iterator[Face]:
    for file in photos_of(folder, "[0-9][0-9]/rgb.cal", _BIWI):
        recording = file.parent
        calibration = _numbers_in(file, 25, "the colour camera's calibration")
        for photo in photos_of(recording, "frame_*_rgb.png", _BIWI):
            pose = photo.with_name(photo.name.replace("_rgb.png", "_pose.txt"))
            numbers = _numbers_in(pose, 12, "a rotation and the head's centre")
            rotation = numbers[:9].reshape(3, 3)
            if np.abs(rotation @ rotation.T - np.eye(3)).max() > _LEAST_ORTHOGONAL:
                raise SourceError(f"{pose} should begin with a rotation, three rows of three; it does not")
            person = _SAME_PERSON.get(recording.name, recording.name)
            angles_deg = np.asarray(euler_from_rotation(rotation), np.float64)
            yield Face(photo, person, angles_deg, center=project(numbers[9:12], calibration))


def project(point_mm: NDArray[np.float64], calibration: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project a point ``[3]`` of the depth camera's frame into the colour camera: x y in pixels.

    ``calibration`` is rgb.cal: the camera matrix, four coefficients of distortion that are 0, and the rotation and
    translation from the depth camera to this one.
    """
    matrix, rotation = calibration[:9].reshape(3, 3), calibration[13:22].reshape(3, 3)
    x, y, z = matrix @ (rotation @ point_mm + calibration[22:25])
    return np.array([x / z, y / z])


def _numbers_in(path: Path, count: int, what: str) -> NDArray[np.float64]:
    """Read the first ``count`` numbers of a text file."""
    try:
        found = np.array(path.read_text(encoding="ascii").split()[:count], np.float64)
    except (OSError, ValueError) as error:
        raise SourceError(f"cannot read {path}, which should hold {what}: {error}") from None
    if len(found) < count or not np.isfinite(found).all():
        raise SourceError(f"{path} should hold {what}, {count} numbers; it has {len(found)}")
    return found


def pose_in_name(name: str) -> tuple[str, NDArray[np.float64]]:
    """Return the person, and yaw, pitch, roll ``[3]`` in degrees; raises SourceError for another form of name."""
    found = _NAME.fullmatch(name)
    if found is None:
        raise SourceError(f"{name} is not named as Pointing'04's photos are; {_POINTING}")
    return found["person"], np.array([float(found["pan"]), float(found["tilt"]), 0.0])


def _read_pointing04(folder: Path) -> Iterator[Face]:
    for photo in photos_of(folder, "Person[0-9][0-9]/person*.jpg", _POINTING):
        person, angles_deg = pose_in_name(photo.name)
        yield Face(photo, person, angles_deg, center=_center(photo.with_suffix(".txt")))


def _center(path: Path) -> NDArray[np.float64]:
    """Read the middle of the face: the file has the photo's name, "Face", and in a line each x, y, width, height."""
    try:
        after = path.read_text(encoding="ascii").split("Face", 1)[1].split()
        return np.array([float(number) for number in after[:2]]).reshape(2)
    except (OSError, ValueError, IndexError) as error:
        raise SourceError(f"cannot read {path}, which should hold the face's position: {error}; {_POINTING}") from None


BIWI = Dataset("BIWI", "--biwi", "FOLDER", _BIWI, "person", _read_biwi)
POINTING04 = Dataset("Pointing'04", "--pointing04", "FOLDER", _POINTING, "person", _read_pointing04)
