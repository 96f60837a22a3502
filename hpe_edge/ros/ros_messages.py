"""ROS 2 messages of a frame's faces, as plain dicts.

Poses are in the camera's optical frame (REP 103: x to the right, y down, z away from the camera). A head's own frame
has the same axes where the face looks straight into the camera: x to the person's left, y to the chin, z from the nose
into the head. Orientations are hpe_edge's rotations from the head to the camera.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpe_edge.camera import Camera
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.poses import NO_ID, Poses
from hpe_edge.sinks.head_position import known_position_m

FRAME_ID = "camera_optical_frame"

FACE, DOUBTFUL = "face", "doubtful face"  # class_id

_UNKNOWN_M2 = 1e6  # variance of an unknown position
_POSITION_SHARE = 0.1  # standard deviation of a position, as a share of the distance: faces differ in height

Message = dict[str, Any]


class FaceMessages(NamedTuple):
    """Messages of a frame.

    Attributes:
        poses: geometry_msgs/PoseArray of the faces whose pose is not doubtful.
        faces: vision_msgs/Detection2DArray of all faces, with pose and covariance where the pose is not NaN.
        transforms: tf2_msgs/TFMessage of the faces in ``poses``; None without a camera, for want of positions.
    """

    poses: Message
    faces: Message
    transforms: Message | None


def face_messages(poses: Poses, stamp_ns: int, camera: Camera | None = None, frame_id: str = FRAME_ID) -> FaceMessages:
    """Return the messages of a frame.

    Args:
        poses: of its faces.
        stamp_ns: time of the frame.
        camera: whose rectified poses these are. Positions are then estimated for an adult's face; without a camera they
            are 0 and the orientation is relative to the line of sight.
        frame_id: of the camera.
    """
    header = {"stamp": time_message(stamp_ns), "frame_id": frame_id}
    placed: list[Message] = []
    found: list[Message] = []
    transforms: list[Message] = []
    faces = zip(
        poses.ids.tolist(),
        poses.boxes,
        poses.scores.tolist(),
        poses.quaternion.tolist(),
        _orientation_covariances(poses).tolist(),
        poses.doubtful.tolist(),
        strict=True,
    )
    for face, (track, box, score, quaternion, turns, doubtful) in enumerate(faces):
        name = f"face_{face}" if track == NO_ID else f"head_{track}"
        results: list[Message] = []
        if not math.isnan(quaternion[0]):
            known = known_position_m(poses, face, camera)
            position = known or (0.0, 0.0, 0.0)
            pose = _pose(position, quaternion)
            variance = _UNKNOWN_M2 if known is None else (_POSITION_SHARE * math.hypot(*position)) ** 2
            kind = {"class_id": DOUBTFUL if doubtful else FACE, "score": score}
            results.append({"hypothesis": kind, "pose": {"pose": pose, "covariance": _covariance(variance, turns)}})
            if not doubtful:
                placed.append(pose)
                transforms.append(_transform(header, name, pose))
        found.append({"header": header, "results": results, "bbox": _bounding_box(box), "id": name})
    return FaceMessages(
        {"header": header, "poses": placed},
        {"header": header, "detections": found},
        None if camera is None else {"transforms": transforms},
    )


def time_message(stamp_ns: int) -> Message:
    """Return a builtin_interfaces/Time; 0 becomes 1 ns, as ROS takes the time 0 for an unknown one."""
    seconds, nanoseconds = divmod(max(stamp_ns, 1), 1_000_000_000)
    return {"sec": seconds, "nanosec": nanoseconds}


def _pose(position: tuple[float, float, float], quaternion: list[float]) -> Message:
    w, x, y, z = quaternion
    return {"position": dict(zip("xyz", position, strict=True)), "orientation": {"x": x, "y": y, "z": z, "w": w}}


def _transform(header: Message, name: str, pose: Message) -> Message:
    moved = {"translation": pose["position"], "rotation": pose["orientation"]}
    return {"header": header, "child_frame_id": name, "transform": moved}


def _bounding_box(box: NDArray[np.float32]) -> Message:
    x1, y1, x2, y2 = box.tolist()
    centre = {"position": {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2}, "theta": 0.0}
    return {"center": centre, "size_x": x2 - x1, "size_y": y2 - y1}


def _orientation_covariances(poses: Poses) -> NDArray[np.float64]:
    """Covariance ``[N, 3, 3]`` of rotations about the fixed axes x, y, z, rad²; 0 where sigma is NaN.

    A small change of R = Rx(-pitch) Ry(yaw) Rz(roll) is a turn about Rx(-pitch) y by yaw's change, about -x by pitch's
    and about Rx(-pitch) Ry(yaw) z by roll's.
    """
    angles, sigma = np.asarray(poses.angles, np.float64), np.deg2rad(np.asarray(poses.sigma, np.float64))
    nod, both = (rotation_from_euler(angles * kept) for kept in ([0, 1, 0], [1, 1, 0]))
    about_x = np.broadcast_to([-1.0, 0.0, 0.0], angles.shape)
    spread = np.stack([nod[:, :, 1], about_x, both[:, :, 2]], axis=2) * sigma[:, None]
    covariance: NDArray[np.float64] = np.nan_to_num(spread @ spread.transpose(0, 2, 1))
    return covariance


def _covariance(position_m2: float, turns: list[list[float]]) -> list[float]:
    """Covariance of position and orientation, row-major ``[36]``."""
    place = [[position_m2 * (i == k) for k in range(3)] for i in range(3)]
    none = [0.0] * 3
    return [each for row in (*(own + none for own in place), *(none + own for own in turns)) for each in row]
