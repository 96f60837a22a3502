"""Definitions of the ROS 2 messages that hpe_edge writes, by their names such as ``geometry_msgs/Pose``.

They are those of common_interfaces and geometry2 in Humble and newer, and of vision_msgs 4.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

_RULE = "=" * 80

DEFINITIONS = {
    "builtin_interfaces/Time": "int32 sec\nuint32 nanosec\n",
    "std_msgs/Header": "builtin_interfaces/Time stamp\nstring frame_id\n",
    "geometry_msgs/Point": "float64 x\nfloat64 y\nfloat64 z\n",
    "geometry_msgs/Vector3": "float64 x\nfloat64 y\nfloat64 z\n",
    "geometry_msgs/Quaternion": "float64 x\nfloat64 y\nfloat64 z\nfloat64 w\n",
    "geometry_msgs/Pose": "geometry_msgs/Point position\ngeometry_msgs/Quaternion orientation\n",
    "geometry_msgs/PoseArray": "std_msgs/Header header\ngeometry_msgs/Pose[] poses\n",
    "geometry_msgs/PoseWithCovariance": "geometry_msgs/Pose pose\nfloat64[36] covariance\n",
    "geometry_msgs/Transform": "geometry_msgs/Vector3 translation\ngeometry_msgs/Quaternion rotation\n",
    "geometry_msgs/TransformStamped": (
        "std_msgs/Header header\nstring child_frame_id\ngeometry_msgs/Transform transform\n"
    ),
    "tf2_msgs/TFMessage": "geometry_msgs/TransformStamped[] transforms\n",
    "vision_msgs/Point2D": "float64 x\nfloat64 y\n",
    "vision_msgs/Pose2D": "vision_msgs/Point2D position\nfloat64 theta\n",
    "vision_msgs/BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n",
    "vision_msgs/ObjectHypothesis": "string class_id\nfloat64 score\n",
    "vision_msgs/ObjectHypothesisWithPose": (
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n"
    ),
    "vision_msgs/Detection2D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox2D bbox\nstring id\n"
    ),
    "vision_msgs/Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections\n",
}


class Field(NamedTuple):
    """Field of a message: ``length`` is None for one value, 0 for a sequence, else that of an array."""

    name: str
    kind: str
    length: int | None


@cache
def fields_of(kind: str) -> tuple[Field, ...]:
    """Return the fields of a message in their order."""
    found = []
    for line in DEFINITIONS[kind].splitlines():
        typed, name = line.split()
        base, bracket, count = typed.removesuffix("]").partition("[")
        found.append(Field(name, base, int(count or 0) if bracket else None))
    return tuple(found)


def full_definition(kind: str) -> str:
    """Return a message's definition followed by those it needs, as an MCAP schema of encoding ``ros2msg`` holds it."""
    needed: dict[str, None] = {}

    def collect(name: str) -> None:
        for field in fields_of(name):
            if field.kind in DEFINITIONS and field.kind not in needed:
                needed[field.kind] = None
                collect(field.kind)

    collect(kind)
    return DEFINITIONS[kind] + "".join(f"{_RULE}\nMSG: {name}\n{DEFINITIONS[name]}" for name in needed)
