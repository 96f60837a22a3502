"""examples/ros2_node.py against a double of rclpy."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fake_ros import Ros

import hpe_edge
from hpe_edge.samples import PHOTO

EXAMPLE = Path(__file__).resolve().parents[2] / "examples/ros2_node.py"


@pytest.fixture
def ros(monkeypatch: pytest.MonkeyPatch) -> Ros:
    made = Ros()
    made.install(monkeypatch)
    return made


@pytest.fixture
def node(ros: Ros) -> Any:
    return runpy.run_path(str(EXAMPLE))["HeadPoseNode"]()


def image(ros: Ros, picture: np.ndarray, encoding: str, padding: int = 0) -> Any:
    message = ros.message("sensor_msgs/msg/Image")()
    message.header.stamp.sec, message.header.stamp.nanosec, message.header.frame_id = 5, 7, "left_optical"
    rows = picture.reshape(len(picture), -1)
    message.height, message.width, message.step = len(picture), picture.shape[1], rows.shape[1] + padding
    message.encoding = encoding
    message.data = list(np.pad(rows, ((0, 0), (0, padding))).tobytes())
    object.__setattr__(message, "data", bytes(message.data))  # an array of bytes
    return message


@pytest.mark.parametrize(("encoding", "padding"), [("bgr8", 0), ("rgb8", 5), ("mono8", 3)])
def test_poses_are_published_in_the_images_frame(ros: Ros, node: Any, encoding: str, padding: int) -> None:
    picture = cv2.imread(str(PHOTO))
    given = {"bgr8": picture, "rgb8": picture[:, :, ::-1], "mono8": cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)}[encoding]
    ros.subscriptions["image"](image(ros, np.ascontiguousarray(given), encoding, padding))
    (poses,), (faces,) = ros.published["~/poses"], ros.published["~/faces"]
    assert (poses.header.frame_id, poses.header.stamp.sec, poses.header.stamp.nanosec) == ("left_optical", 5, 7)
    shown = np.repeat(given[:, :, None], 3, axis=2) if encoding == "mono8" else picture
    with hpe_edge.PoseEngine() as engine:
        expected = engine(np.ascontiguousarray(shown))
    assert len(faces.detections) == len(expected) > 0
    q = poses.poses[0].orientation
    first = np.flatnonzero(~expected.doubtful)[0]
    np.testing.assert_allclose([q.w, q.x, q.y, q.z], expected.quaternion[first], atol=1e-5)
    assert ros.published["/tf"] == [] and poses.poses[0].position.z == 0


def test_transforms_come_with_the_camera(ros: Ros, node: Any) -> None:
    info = ros.message("sensor_msgs/msg/CameraInfo")()
    info.p = [float(each) for each in (600, 0, 255.5, 0, 0, 600, 255.5, 0, 0, 0, 1, 0)]
    ros.subscriptions["camera_info"](info)
    ros.subscriptions["image"](image(ros, cv2.imread(str(PHOTO)), "bgr8"))
    (tf,) = ros.published["/tf"]
    camera = hpe_edge.Camera(600, 600, 256, 256)
    with hpe_edge.PoseEngine() as engine:
        expected = engine(cv2.imread(str(PHOTO)), camera=camera)
    first = np.flatnonzero(~expected.doubtful)[0]
    moved = tf.transforms[0].transform
    seen = camera.project(np.array([[moved.translation.x, moved.translation.y, moved.translation.z]]))[0]
    np.testing.assert_allclose(seen, (expected.boxes[first, :2] + expected.boxes[first, 2:]) / 2, atol=0.01)
    q = moved.rotation
    np.testing.assert_allclose([q.w, q.x, q.y, q.z], expected.quaternion[first], atol=1e-5)
    assert tf.transforms[0].header.frame_id == "left_optical"


def test_an_uncalibrated_camera_is_none(ros: Ros, node: Any) -> None:
    ros.subscriptions["camera_info"](ros.message("sensor_msgs/msg/CameraInfo")())
    ros.subscriptions["image"](image(ros, cv2.imread(str(PHOTO)), "bgr8"))
    assert ros.published["/tf"] == [] and len(ros.published["~/poses"]) == 1


def test_other_encodings_are_reported(ros: Ros, node: Any) -> None:
    ros.subscriptions["image"](image(ros, np.zeros((4, 4, 2), np.uint8), "yuv422"))
    assert ros.published["~/poses"] == [] and "yuv422" in ros.errors[0]
