"""Rectification against OpenCV's projections of points in space, and the engine's rectified call by its parts."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto
from tiny_model import tiny_spec, tiny_weights, write_tiny_model

from hpe_edge import Camera, InputError, PoseEngine, Poses
from hpe_edge.geometry import difference_deg, geodesic_deg, rotation_from_euler
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.rectify import Views, look_at, view_rotation
from hpe_edge.spec import Crop, Input

CAMERA = Camera(700, 650, 330, 250)
K = np.array([[700, 0, 330], [0, 650, 250], [0, 0, 1.0]])
SIZE = 64
CROPS = {
    "square": Crop(margins=(0.1, 0.1, 0.1, 0.1), square="extend"),
    "shrunk": Crop(margins=(0.2, 0.3, 0.1, 0.0), square="shrink"),
    "as it is": Crop(margins=(0.0, 0.5, 0.0, -0.2), square="none"),
}
# Metres; eyes, nose, mouth and ears of a head, x to its right in the picture, y down, z away from the camera.
HEAD = np.array(
    [
        [-0.032, -0.03, -0.03],
        [0.032, -0.03, -0.03],
        [0.0, 0.0, -0.06],
        [-0.025, 0.04, -0.03],
        [0.025, 0.04, -0.03],
        [-0.07, 0.0, 0.06],
        [0.07, 0.0, 0.06],
        [0.0, -0.1, 0.0],
    ]
)


def project(points: np.ndarray) -> np.ndarray:
    """Projection of points of the camera's frame."""
    return cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, None)[0][:, 0]


def box_of(points: np.ndarray) -> np.ndarray:
    return np.float32([[*points.min(axis=0), *points.max(axis=0)]])


def through(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    return cv2.perspectiveTransform(points[None], homography)[0]


def degrees_between(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.rad2deg(np.arctan2(np.linalg.norm(np.cross(a, b)), a @ b)))


@given(x=st.floats(-50, 50), y=st.floats(-50, 50), length=st.floats(1e-3, 1e3))
def test_the_view_turns_the_shortest_way(x: float, y: float, length: float) -> None:
    ray = np.array([x, y, 1.0])
    rotation = view_rotation(ray * length)
    axis = np.cross([0, 0, 1.0], ray)
    across = np.linalg.norm(axis)
    rotvec = axis / across * np.arctan2(across, 1) if across else axis
    np.testing.assert_allclose(rotation, cv2.Rodrigues(rotvec)[0], atol=1e-9)
    np.testing.assert_allclose(rotation @ [0, 0, 1], ray / np.linalg.norm(ray), atol=1e-12)


def test_a_face_beside_the_axis_that_looks_along_it() -> None:
    """It stands on the right and shows the camera, which turned towards it, its own right side: yaw below 0."""
    views = look_at(CAMERA, np.float32([[780, 220, 840, 280]]), Crop(), SIZE)
    seen = Poses.empty(1)
    seen.rotation[...] = np.swapaxes(views.rotations, -1, -2)
    seen.angles[...] = [[-40, 0, 0]]
    assert seen.rotation[0][0] @ [0, 0, -1] > 0  # the nose points to the right of the view
    views.turn_back(seen.angles, seen.rotation)
    np.testing.assert_allclose(seen.rotation[0], np.eye(3), atol=1e-6)
    np.testing.assert_allclose(seen.angles[0], 0, atol=1e-3)


@pytest.mark.parametrize("crop", CROPS.values(), ids=CROPS)
@pytest.mark.parametrize("place", [(0, 0, 1.0), (0.5, 0.1, 1), (-0.4, -0.5, 1), (0.1, 0.6, 0.7), (-1.2, 0.2, 1)])
def test_a_pose_in_the_view_is_the_pose_in_the_frame_turned_back(place: tuple[float, ...], crop: Crop) -> None:
    """The points of a head, through the homography, are what a camera turned by R_view takes, and PnP agrees."""
    truth = rotation_from_euler([25, -10, 15])
    in_frame = project(HEAD @ truth.T + place)
    views = look_at(CAMERA, box_of(in_frame), crop, SIZE)
    rotation, homography = views.rotations[0], views.homographies[0]
    crop_camera = np.linalg.inv(rotation.T @ np.linalg.inv(K) @ homography)
    crop_camera /= crop_camera[2, 2]
    np.testing.assert_allclose(crop_camera[[0, 1, 2, 2], [1, 0, 0, 1]], 0, atol=1e-6)  # neither skew nor perspective
    in_crop = through(np.linalg.inv(homography), in_frame)
    found, rotvec, _ = cv2.solvePnP(HEAD, in_crop, crop_camera, None)
    assert found
    seen = Poses.empty(1)
    seen.rotation[...] = cv2.Rodrigues(rotvec)[0]
    seen.angles[...] = 0
    views.turn_back(seen.angles, seen.rotation)
    assert geodesic_deg(seen.rotation[0], truth) < 0.05
    np.testing.assert_allclose(seen.angles[0], [25, -10, 15], atol=0.05)


@pytest.mark.parametrize("name", CROPS)
def test_on_the_axis_the_window_is_the_plain_one(name: str) -> None:
    crop = CROPS[name]
    box = np.float32([[100, 60, 160, 180]])
    # The box of 60 x 120 pixels, with its margins and squared, by hand.
    x1, y1, x2, y2 = {
        "square": (58, 48, 202, 192),
        "shrunk": (88, 63, 166, 141),
        "as it is": (100, 0, 160, 156),
    }[name]
    views = look_at(Camera(500, 400, 130, 120), box, crop, SIZE)
    np.testing.assert_allclose(views.rotations[0], np.eye(3), atol=1e-9)
    np.testing.assert_allclose(
        views.homographies[0], [[(x2 - x1) / SIZE, 0, x1], [0, (y2 - y1) / SIZE, y1], [0, 0, 1]], atol=1e-5
    )


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
def test_on_the_axis_the_pixels_are_the_plain_crops(rng: np.random.Generator, resampling: str) -> None:
    frame = cv2.GaussianBlur(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8), (0, 0), 4)
    crop = Crop(margins=(0.1, 0.1, 0.1, 0.1), resampling=resampling, fill=(9, 9, 9))
    op = CropNormalize(crop, Input(size=SIZE, color="BGR", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1)))
    box = np.float32([[100, 60, 200, 180]])
    views = look_at(Camera(300, 300, 150, 120), box, crop, SIZE)
    rectified, plain = op.warp(frame, views.homographies), op(frame, box)
    # The plain crop repeats its outermost pixels, and its antialiasing is not sampled.
    np.testing.assert_allclose(rectified[..., 1:-1, 1:-1], plain[..., 1:-1, 1:-1], atol=1.5)
    np.testing.assert_allclose(rectified, plain, atol=4)
    assert np.abs(rectified - plain).mean() < 0.3


@pytest.mark.parametrize("radius", [0.02, 0.1, 0.2])
@pytest.mark.parametrize("direction", range(0, 360, 30))
@pytest.mark.parametrize("off_axis_deg", [5, 15, 25, 40])
def test_a_ball_looks_alike_wherever_it_is(off_axis_deg: float, direction: float, radius: float) -> None:
    """The outline of a ball one metre away is a circle from where the view looks, and an ellipse in the frame."""
    camera = Camera(600, 600, 320, 240)
    circle = np.deg2rad(np.arange(0, 360, 1.0))
    outline = np.stack([radius * np.cos(circle), radius * np.sin(circle), np.ones_like(circle)], axis=1)
    turn = np.deg2rad(off_axis_deg) * np.array([-np.sin(np.deg2rad(direction)), np.cos(np.deg2rad(direction)), 0])
    turned = outline @ cv2.Rodrigues(turn)[0].T
    crop = Crop(square="extend")
    straight, beside = (look_at(camera, box_of(camera.project(points)), crop, SIZE) for points in (outline, turned))
    towards = cv2.Rodrigues(turn)[0] @ [0, 0, 1]
    missed_deg = degrees_between(beside.rotations[0] @ [0, 0, 1], towards)
    assert missed_deg < 0.03 * np.rad2deg(radius)
    corners = np.array([[0.0, 0], [SIZE, 0], [SIZE, SIZE], [0, SIZE]])
    sides = []
    for views in (straight, beside):
        in_view = camera.rays(through(views.homographies[0], corners)) @ views.rotations[0]
        in_view /= in_view[:, 2:]
        sides.append(np.ptp(in_view, axis=0)[:2])
    assert sides[1] == pytest.approx(sides[0], rel=0.03)


@pytest.mark.parametrize(
    ("camera", "box"),
    [
        (Camera(10, 10, 0, 0), [50, 50, 90, 90]),  # 84 degrees off the axis, and the margin goes on
        (Camera(10, 10, 0, 0), [-90, -5, -50, 5]),
        (Camera(10, 10, 0, 0), [-1, -100000, 1, 0]),  # 90 degrees high
        (Camera(1e-300, 1e-300, 0, 0), [50, 50, 90, 90]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*encountered:RuntimeWarning")
def test_windows_beyond_the_horizon(camera: Camera, box: list[float]) -> None:
    crop = Crop(margins=(5.0, 5.0, 5.0, 5.0))
    with pytest.raises(InputError, match=r"box 0 .* 90 degrees"):
        look_at(camera, np.float32([box]), crop, SIZE)
    if camera.fx > 1:
        with pytest.raises(InputError, match="box 1 "):
            look_at(camera, np.float32([[-1, -1, 1, 1], box]), crop, SIZE)


@pytest.mark.parametrize("turn_deg", [-30.0, 30.0])
@pytest.mark.parametrize("yaw", [-175, -120, -95, -80, -60, 0, 60, 85, 95, 120, 175])
def test_a_yaw_beyond_90_degrees_is_not_folded(yaw: float, turn_deg: float) -> None:
    """Heads seen from behind: their pitch and roll stay small when the view is turned back."""
    for pitch, roll in ((0, 0), (8, -6), (-10, 5)):
        seen = Poses.empty(1)
        seen.angles[...] = [yaw, pitch, roll]
        seen.rotation[...] = reference.rotation(yaw, pitch, roll)
        rotation = reference.ry(turn_deg)
        Views(rotation[None], np.zeros((1, 3, 3))).turn_back(seen.angles, seen.rotation)
        assert geodesic_deg(seen.rotation[0], rotation @ reference.rotation(yaw, pitch, roll)) < 1e-3
        assert geodesic_deg(rotation_from_euler(seen.angles[0]), seen.rotation[0]) < 1e-3
        assert abs(difference_deg(seen.yaw[0], yaw + turn_deg)) < 15
        if abs(abs(yaw + turn_deg) - 90) > 20:  # nearer to it, a small turn moves pitch and roll far
            assert abs(seen.pitch[0]) < 40 and abs(seen.roll[0]) < 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("rectify") / "tiny.onnx")


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


BOXES = np.float32([[10, 10, 50, 60], [-20, 5, 40, 70], [60, 20, 90, 45]])
NEAR = Camera(80, 80, 50, 40)  # 64 degrees over the frame's 100 pixels


def expected(frame: np.ndarray, boxes: np.ndarray, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles and deviations as the network sees them, and the rotations in the camera's frame."""
    spec = tiny_spec()
    views = look_at(camera, boxes, spec.crop, spec.input.size)
    faces = CropNormalize(spec.crop, spec.input).warp(frame, views.homographies)
    weight, bias = tiny_weights()
    logits = faces.mean(axis=(2, 3), dtype=np.float64) @ weight + bias
    angles, sigma = np.moveaxis(
        [reference.decode_bins(logits[:, i * 66 : i * 66 + 66], -99, 3, False) for i in range(3)], 0, -1
    )
    return angles, sigma, np.stack([r @ reference.rotation(*a) for r, a in zip(views.rotations, angles, strict=True)])


@pytest.mark.parametrize("count", [0, 1, 3, 8, 9, 30])
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_the_engine_turns_back_what_the_network_says_of_the_views(
    tmp_path: Path, frame: np.ndarray, rng: np.random.Generator, batch: int | None, count: int
) -> None:
    engine = PoseEngine(write_tiny_model(tmp_path / "m.onnx", batch=batch))
    corners = rng.uniform(0, 50, (count, 2))
    boxes = np.column_stack([corners, corners + rng.uniform(5, 40, (count, 2))]).reshape(-1, 4).astype(np.float32)
    poses = engine(frame, boxes, camera=NEAR)
    assert len(poses) == count
    if count:
        angles, sigma, rotations = expected(frame, boxes, NEAR)
        assert geodesic_deg(poses.rotation, rotations).max() < 0.01
        assert geodesic_deg(rotation_from_euler(poses.angles), rotations).max() < 0.01
        np.testing.assert_allclose(poses.sigma, sigma, atol=1e-3)
        assert count < 8 or geodesic_deg(poses.rotation, rotation_from_euler(angles)).max() > 10


def test_no_camera_is_the_plain_call(model: Path, frame: np.ndarray) -> None:
    engine = PoseEngine(model)
    before = engine(frame, BOXES).angles
    engine(frame, BOXES, camera=NEAR)
    np.testing.assert_array_equal(engine(frame, BOXES, camera=None).angles, before)
    # Seen from afar, every face lies near the axis.
    far = engine(frame, BOXES, camera=Camera(1e7, 1e7, 50, 40))
    np.testing.assert_allclose(far.angles, before, atol=0.5)


def test_colors_of_the_frame(model: Path, frame: np.ndarray) -> None:
    engine = PoseEngine(model)
    gray = np.ascontiguousarray(frame[..., 1])
    repeated = np.repeat(gray[..., None], 3, axis=2)
    np.testing.assert_allclose(
        engine(gray, BOXES, color="GRAY8", camera=NEAR).angles, engine(repeated, BOXES, camera=NEAR).angles, atol=1e-3
    )


def test_bad_cameras_leave_the_engine_usable(model: Path, frame: np.ndarray) -> None:
    engine = PoseEngine(model)
    for boxes in (BOXES, []):
        with pytest.raises(InputError, match=r"camera must be a hpe_edge\.Camera, got tuple"):
            engine(frame, boxes, camera=(80, 80, 50, 40))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"box 1 .* 90 degrees"):
        engine(frame, [[0, 0, 2, 2], [-900000, 0, 90, 50]], camera=NEAR)
    with pytest.raises(InputError, match="the frame must be"):
        engine(None, BOXES, camera=NEAR)  # type: ignore[arg-type]
    assert np.isfinite(engine(frame, BOXES, camera=NEAR).angles).all()


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_nan_in_one_face_spoils_that_face_only(tmp_path: Path, frame: np.ndarray) -> None:
    # The logarithm of a black crop's mean is minus infinity, and NaN after the linear layer.
    path = write_tiny_model(tmp_path / "m.onnx", dtype=TensorProto.UINT8)
    network = onnx.load(str(path))
    network.graph.node[2].input[0] = "logged"
    network.graph.node.insert(2, onnx.helper.make_node("Log", ["pooled"], ["logged"]))
    onnx.save(network, str(path))
    frame[20:70, 20:70] = 0
    poses = PoseEngine(path)(frame, [[2, 2, 22, 22], [35, 35, 55, 55], [70, 2, 90, 22]], camera=NEAR)
    for values in (poses.angles, poses.rotation, poses.sigma, poses.quaternion):
        assert np.isnan(values[1]).all() and np.isfinite(values[[0, 2]]).all()


def test_many_threads_get_the_answers_of_one(model: Path, rng: np.random.Generator) -> None:
    frames = [np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8) for _ in range(4)]
    cameras = [Camera(60 + 20 * i, 80, 50, 40) for i in range(4)]
    engine = PoseEngine(model, threads=1)
    alone = [engine(f, BOXES, camera=c).angles for f, c in zip(frames, cameras, strict=True)]
    wrong: list[str] = []

    def work(i: int) -> None:
        for _ in range(30):
            if not np.array_equal(engine(frames[i], BOXES, camera=cameras[i]).angles, alone[i]):
                wrong.append(f"thread {i}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
