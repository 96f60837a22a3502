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
from hpe_edge.sinks.head_position import head_position_m

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
    doubtful = poses.doubtful.tolist()
    lost = np.isnan(np.asarray(poses.rotation)).any(axis=(1, 2)).tolist()
    for face, (track, box) in enumerate(zip(poses.ids.tolist(), poses.boxes, strict=True)):
        name = f"face_{face}" if track == NO_ID else f"head_{track}"
        results: list[Message] = []
        if not lost[face]:
            position = (0.0, 0.0, 0.0) if camera is None else head_position_m(box, camera)
            pose = _pose(position, poses.quaternion[face])
            covariance = _covariance(poses.angles[face], poses.sigma[face], None if camera is None else position)
            kind = {"class_id": DOUBTFUL if doubtful[face] else FACE, "score": float(poses.scores[face])}
            results.append({"hypothesis": kind, "pose": {"pose": pose, "covariance": covariance}})
            if not doubtful[face]:
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


def _pose(position: tuple[float, float, float], quaternion: NDArray[np.floating]) -> Message:
    w, x, y, z = map(float, quaternion)
    return {"position": dict(zip("xyz", position, strict=True)), "orientation": {"x": x, "y": y, "z": z, "w": w}}


def _transform(header: Message, name: str, pose: Message) -> Message:
    moved = {"translation": pose["position"], "rotation": pose["orientation"]}
    return {"header": header, "child_frame_id": name, "transform": moved}


def _bounding_box(box: NDArray[np.float32]) -> Message:
    x1, y1, x2, y2 = box.tolist()
    centre = {"position": {"x": (x1 + x2) / 2, "y": (y1 + y2) / 2}, "theta": 0.0}
    return {"center": centre, "size_x": x2 - x1, "size_y": y2 - y1}


def _covariance(
    angles_deg: NDArray[np.floating], sigma_deg: NDArray[np.floating], position: tuple[float, float, float] | None
) -> list[float]:
    """Covariance of position and of rotation about the fixed axes x, y, z, row-major ``[36]``; 0 where sigma is NaN.

    A small change of R = Rx(-pitch) Ry(yaw) Rz(roll) is a turn about Rx(-pitch) y by yaw's change, about -x by pitch's
    and about Rx(-pitch) Ry(yaw) z by roll's.
    """
    covariance = np.zeros((6, 6))
    variance = _UNKNOWN_M2 if position is None else (_POSITION_SHARE * math.dist(position, (0, 0, 0))) ** 2
    covariance[:3, :3] = variance * np.eye(3)
    if not np.isnan(sigma_deg).any():
        yaw, pitch, _ = np.asarray(angles_deg, np.float64)
        nod = rotation_from_euler([0.0, pitch, 0.0])
        axes = np.stack([nod[:, 1], [-1.0, 0.0, 0.0], rotation_from_euler([yaw, pitch, 0.0])[:, 2]], axis=1)
        spread = axes * np.deg2rad(np.asarray(sigma_deg, np.float64))
        covariance[3:, 3:] = spread @ spread.T
    return [float(each) for each in covariance.ravel()]
