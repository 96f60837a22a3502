"""ROS 2 messages of poses: axes, covariances, and the bytes, read by rosbags, whose definitions are its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import reference as oracle

from hpe_edge import Camera
from hpe_edge.geometry import rotation_from_euler, rotvec_from_rotation
from hpe_edge.poses import Poses
from hpe_edge.ros.cdr import encode
from hpe_edge.ros.ros_definitions import DEFINITIONS, full_definition
from hpe_edge.ros.ros_messages import FRAME_ID, face_messages

CAMERA = Camera(800, 800, 320, 240)
STAMP_NS = 12_345_678_901


def poses_of(angles: Any, sigma: Any = np.nan, boxes: Any = None, ids: Any = None, **changes: Any) -> Poses:
    angles = np.float32(angles).reshape(-1, 3)
    count = len(angles)
    given = np.tile(np.float32([[300, 200, 400, 300]]), (count, 1)) if boxes is None else np.float32(boxes)
    numbers = np.arange(count) if ids is None else np.array(ids)
    return Poses(
        angles,
        np.broadcast_to(np.float32(sigma), (count, 3)).copy(),
        rotation_from_euler(angles).astype(np.float32),
        boxes=given,
        scores=np.full(count, 0.5, np.float32),
        ids=numbers.astype(np.int64),
        **changes,
    )


def matrix(orientation: dict[str, float]) -> np.ndarray:
    """By the formula for unit quaternions."""
    x, y, z, w = (orientation[name] for name in "xyzw")
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def test_orientations_are_the_rotations_from_the_head_to_the_camera() -> None:
    for angles in ((0, 0, 0), (30, 0, 0), (0, 20, 0), (0, 0, -40), (-120, 25, 10)):
        (pose,) = face_messages(poses_of(angles), STAMP_NS).poses["poses"]
        np.testing.assert_allclose(matrix(pose["orientation"]), oracle.rotation(*angles), atol=1e-6)
        assert pose["position"] == {"x": 0, "y": 0, "z": 0}
    (pose,) = face_messages(poses_of((30, 0, 0)), STAMP_NS).poses["poses"]
    nose = matrix(pose["orientation"]) @ [0, 0, -1]  # towards the camera, to the left of the picture
    assert nose[2] < 0 and nose[0] < 0


def test_positions_need_a_camera() -> None:
    """A box in the middle of the picture is on the axis, as far as 12.5 cm are 100 pixels high."""
    boxes = [[280, 190, 360, 290], [0, 0, 100, 100]]
    assert face_messages(poses_of([[0, 0, 0]] * 2, boxes=boxes), STAMP_NS).transforms is None
    made = face_messages(poses_of([[0, 0, 0]] * 2, boxes=boxes), STAMP_NS, CAMERA)
    centre, corner = (each["position"] for each in made.poses["poses"])
    assert (centre["x"], centre["y"]) == (0, 0) and centre["z"] == pytest.approx(800 * 0.125 / 100)
    assert corner["x"] < 0 and corner["y"] < 0 and corner["z"] == pytest.approx(1)
    seen = CAMERA.project(np.array([[corner["x"], corner["y"], corner["z"]]]))[0]
    np.testing.assert_allclose(seen, [50, 50], atol=1e-4)
    assert made.transforms is not None
    first = made.transforms["transforms"][0]
    assert (first["header"]["frame_id"], first["child_frame_id"]) == (FRAME_ID, "head_0")
    assert first["transform"]["translation"] == centre


def test_covariance_is_that_of_small_turns_about_the_fixed_axes() -> None:
    angles, sigma = np.array([25.0, -15.0, 40.0]), np.array([2.0, 3.0, 1.0])
    made = face_messages(poses_of(angles, sigma), STAMP_NS, CAMERA).faces["detections"][0]["results"][0]["pose"]
    covariance = np.reshape(made["covariance"], (6, 6))
    rng = np.random.default_rng(0)
    drawn = rotation_from_euler(angles + rng.normal(0, 1, (40_000, 3)) * sigma)
    turns = rotvec_from_rotation(drawn @ oracle.rotation(*angles).T)
    expected = np.cov(turns.T)
    np.testing.assert_allclose(covariance[3:, 3:], expected, atol=0.03 * np.abs(expected).max())
    distance = np.linalg.norm([made["pose"]["position"][name] for name in "xyz"])
    np.testing.assert_allclose(np.sqrt(np.diag(covariance)[:3]), 0.1 * distance, rtol=1e-6)
    unknown = face_messages(poses_of(angles), STAMP_NS).faces["detections"][0]["results"][0]["pose"]["covariance"]
    assert np.reshape(unknown, (6, 6))[0, 0] == 1e6 and not np.any(np.reshape(unknown, (6, 6))[3:, 3:])


def test_doubtful_and_lost_poses() -> None:
    poses = poses_of([[10, 0, 0], [20, 0, 0], [np.nan] * 3], [[1] * 3, [9] * 3, [np.nan] * 3], max_sigma=5.0)
    made = face_messages(poses, STAMP_NS, CAMERA)
    assert len(made.poses["poses"]) == 1 and made.transforms is not None and len(made.transforms["transforms"]) == 1
    kinds = [[each["hypothesis"]["class_id"] for each in face["results"]] for face in made.faces["detections"]]
    assert kinds == [["face"], ["doubtful face"], []]


def test_identities_and_boxes() -> None:
    boxes = [[10, 20, 40, 80], [0, 0, 10, 10]]
    made = face_messages(poses_of([[0, 0, 0]] * 2, boxes=boxes, ids=[7, -1]), STAMP_NS).faces["detections"]
    assert [each["id"] for each in made] == ["head_7", "face_1"]
    assert made[0]["bbox"] == {"center": {"position": {"x": 25, "y": 50}, "theta": 0}, "size_x": 30, "size_y": 60}


@pytest.mark.parametrize("distro", ["ROS2_HUMBLE", "ROS2_JAZZY"])
def test_definitions_and_bytes_are_those_of_ros(distro: str) -> None:
    """rosbags has the definitions of each release; vision_msgs is not among them and is read from our schema."""
    typesys = pytest.importorskip("rosbags.typesys", reason="needs rosbags")
    store = typesys.get_typestore(getattr(typesys.Stores, distro))
    own = {name.replace("/", "/msg/") for name in DEFINITIONS if not name.startswith("vision_msgs")}
    for name in own:
        parsed = typesys.get_types_from_msg(DEFINITIONS[name.replace("/msg/", "/")], name)
        assert parsed[name] == store.fielddefs[name]
    for kind in ("vision_msgs/Detection2DArray",):
        store.register(typesys.get_types_from_msg(full_definition(kind), kind.replace("/", "/msg/")))
    made = face_messages(poses_of([[10, 20, 30], [40, 5, 6]], 2.0, ids=[3, 4]), STAMP_NS, CAMERA)
    kinds = ("geometry_msgs/PoseArray", "vision_msgs/Detection2DArray", "tf2_msgs/TFMessage")
    for kind, plain in zip(kinds, made, strict=True):
        name, data = kind.replace("/", "/msg/"), encode(kind, plain)
        message = store.deserialize_cdr(data, name)
        assert bytes(store.serialize_cdr(message, name)) == data
        assert same(message, plain), kind


def same(message: Any, plain: Any) -> bool:
    """A message of rosbags has the fields of a plain one."""
    if isinstance(plain, dict):
        return all(same(getattr(message, name), each) for name, each in plain.items())
    if isinstance(plain, list):
        return len(message) == len(plain) and all(map(same, message, plain))
    return bool(message == plain)


def test_an_array_of_another_length_is_refused() -> None:
    pose = face_messages(poses_of((1, 2, 3)), 1).poses["poses"][0]
    with pytest.raises(ValueError, match="has 36 values, got 2"):
        encode("geometry_msgs/PoseWithCovariance", {"pose": pose, "covariance": [1.0, 2.0]})


def test_the_time_0_is_not_written() -> None:
    header = face_messages(poses_of((1, 2, 3)), 0).poses["header"]
    assert header["stamp"] == {"sec": 0, "nanosec": 1}
    assert face_messages(poses_of((1, 2, 3)), STAMP_NS).poses["header"]["stamp"] == {"sec": 12, "nanosec": 345_678_901}
