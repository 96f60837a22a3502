"""A double of rclpy and of the message packages, with the rules that examples/ros2_node.py relies on.

Messages have the fields of rosbags' definitions (of vision_msgs: written here, from its documentation) and check types
as rosidl's generated setters do: a message within a message must be of its class, a float a float, an int an int within
its range, a sequence a list of those. Fields that do not exist raise.
"""

from __future__ import annotations

import importlib.machinery
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

VISION = {
    "vision_msgs/msg/Point2D": "float64 x\nfloat64 y",
    "vision_msgs/msg/Pose2D": "vision_msgs/Point2D position\nfloat64 theta",
    "vision_msgs/msg/BoundingBox2D": "vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y",
    "vision_msgs/msg/ObjectHypothesis": "string class_id\nfloat64 score",
    "vision_msgs/msg/ObjectHypothesisWithPose": (
        "vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose"
    ),
    "vision_msgs/msg/Detection2D": (
        "std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n"
        "vision_msgs/BoundingBox2D bbox\nstring id"
    ),
    "vision_msgs/msg/Detection2DArray": "std_msgs/Header header\nvision_msgs/Detection2D[] detections",
}
_BASES = {"float64": float, "float32": float, "string": str, "bool": bool}


class Ros:
    """The doubles, and what the nodes published."""

    def __init__(self) -> None:
        typesys = pytest.importorskip("rosbags.typesys", reason="needs rosbags")
        store = typesys.get_typestore(typesys.Stores.ROS2_HUMBLE)
        for name, text in VISION.items():
            store.register(typesys.get_types_from_msg(text, name))
        self._fields = store.fielddefs
        self._classes: dict[str, type] = {}
        self.published: dict[str, list[Any]] = {}
        self.subscriptions: dict[str, Callable[[Any], None]] = {}
        self.errors: list[str] = []
        self.parameters: dict[str, Any] = {}

    def message(self, name: str) -> type:
        """The class of a message such as geometry_msgs/msg/Pose."""
        if name not in self._classes:
            self._classes[name] = _message_class(self, name, self._fields[name][1])
        return self._classes[name]

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the doubles in the place of the packages."""
        for package in ("builtin_interfaces", "geometry_msgs", "sensor_msgs", "std_msgs", "tf2_msgs", "vision_msgs"):
            outer, inner = _module(package), _module(f"{package}.msg")
            outer.msg = inner  # type: ignore[attr-defined]
            for name in self._fields:
                if name.startswith(f"{package}/msg/"):
                    setattr(inner, name.rpartition("/")[2], self.message(name))
            monkeypatch.setitem(sys.modules, package, outer)
            monkeypatch.setitem(sys.modules, f"{package}.msg", inner)
        rclpy, node, qos = _module("rclpy"), _module("rclpy.node"), _module("rclpy.qos")
        qos.qos_profile_sensor_data = object()  # type: ignore[attr-defined]
        node.Node = _node_class(self, qos.qos_profile_sensor_data)  # type: ignore[attr-defined]
        for name, module in (("rclpy", rclpy), ("rclpy.node", node), ("rclpy.qos", qos)):
            monkeypatch.setitem(sys.modules, name, module)


def _module(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    return module


def _message_class(ros: Ros, name: str, fields: Any) -> type:
    kinds = dict(fields)

    class Message:
        def __init__(self) -> None:
            for field, kind in kinds.items():
                object.__setattr__(self, field, _default(ros, kind))

        def __setattr__(self, field: str, value: Any) -> None:
            assert field in kinds, f"{name} has no field {field}"
            _check(ros, kinds[field], value)
            object.__setattr__(self, field, value)

    Message.__name__ = name
    return Message


def _default(ros: Ros, kind: Any) -> Any:
    which, about = int(kind[0]), kind[1]
    if which == 1:
        return {"string": "", "bool": False}.get(about[0], 0.0 if about[0].startswith("float") else 0)
    if which == 2:
        return ros.message(about)()
    return [_default(ros, about[0]) for _ in range(about[1])] if which == 3 else []


def _check(ros: Ros, kind: Any, value: Any) -> None:
    which, about = int(kind[0]), kind[1]
    if which == 1:
        assert isinstance(value, _BASES.get(about[0], int)), (about, value)
        assert about[0] not in ("int32", "uint32") or -(2**31) <= value < 2**32
    elif which == 2:
        assert isinstance(value, ros.message(about)), (about, value)
    else:
        assert not isinstance(value, str) and (which == 4 or len(value) == about[1])
        for each in value:
            _check(ros, about[0], each)


def _node_class(ros: Ros, sensor_qos: Any) -> type:
    class Publisher:
        def __init__(self, kind: type, topic: str) -> None:
            self._kind, self._found = kind, ros.published.setdefault(topic, [])

        def publish(self, message: Any) -> None:
            assert isinstance(message, self._kind)
            self._found.append(message)

    class Node:
        def __init__(self, name: str) -> None:
            self._made = name

        def declare_parameter(self, name: str, default: Any) -> Any:
            return types.SimpleNamespace(value=ros.parameters.get(name, default))

        def create_publisher(self, kind: type, topic: str, depth: int) -> Publisher:
            assert self._made and isinstance(depth, int)
            return Publisher(kind, topic)

        def create_subscription(self, kind: type, topic: str, callback: Callable[[Any], None], qos: Any) -> None:
            assert isinstance(kind, type) and qos is sensor_qos
            ros.subscriptions[topic] = callback

        def get_logger(self) -> Any:
            return types.SimpleNamespace(error=lambda text, once=False: ros.errors.append(text))

        def destroy_node(self) -> None:
            self._made = ""

    return Node
