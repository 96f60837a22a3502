"""Lens distortion against OpenCV, and poses of distorted frames against those of the frames without distortion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hpe_edge import InputError, PoseEngine, samples
from hpe_edge.camera import Camera
from hpe_edge.cli.intrinsics import read_intrinsics
from hpe_edge.distortion import Distortion
from hpe_edge.drawing.projection import view_lines
from hpe_edge.ops.distorted import LARGEST_MISFIT, fit_distorted
from hpe_edge.ops.rectify import facing
from hpe_edge.sinks.head_position import head_position_m

LENSES = [
    (-0.3, 0.1, 0.0, 0.0),
    (-0.28, 0.07, 0.002, -0.001, -0.01),
    (0.1, -0.05, 0.003, 0.004, 0.02),
    (1.2, 0.4, 0.001, -0.002, 0.05, 1.5, 0.7, 0.1),
]
FISHEYES = [(-0.02, 0.003, -0.002, 0.0004), (0.1, 0.01, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)]
# One function of its own up to OpenCV 4.
undistort_points: Any = getattr(cv2, "undistortPointsIter", cv2.undistortPoints)
MATRIX = np.array([[300.0, 0, 239.5], [0, 310.0, 179.5], [0, 0, 1]])


def grid(reach: float) -> np.ndarray:
    steps = np.linspace(-reach, reach, 13)
    return np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)


@pytest.mark.parametrize("coefficients", LENSES)
def test_points_are_those_of_opencv(coefficients: tuple[float, ...]) -> None:
    lens, points = Distortion(coefficients), grid(0.6)
    rays = np.column_stack([points, np.ones(len(points))])
    expected = cv2.projectPoints(rays, np.zeros(3), np.zeros(3), np.eye(3), np.array(coefficients))[0][:, 0]
    np.testing.assert_allclose(lens.distort(points), expected, atol=1e-12)
    np.testing.assert_allclose(lens.undistort(expected), points, atol=1e-7)


@pytest.mark.parametrize("coefficients", FISHEYES)
def test_fisheye_points_are_those_of_opencv(coefficients: tuple[float, ...]) -> None:
    lens, points = Distortion(coefficients, fisheye=True), grid(3.0)
    expected = cv2.fisheye.distortPoints(points[:, None], np.eye(3), np.array(coefficients))[:, 0]
    np.testing.assert_allclose(lens.distort(points), expected, atol=1e-12)
    np.testing.assert_allclose(lens.undistort(expected), points, rtol=1e-6, atol=1e-9)


def test_where_a_lens_shows_nothing() -> None:
    lens = Distortion((-0.3, 0.0, 0.0, 0.0))  # r (1 - 0.3 r^2) has its largest value at r = 1.054: 0.7027
    np.testing.assert_allclose(lens.undistort(np.array([[0.7026, 0.0]])), [[1.054, 0]], atol=0.02)
    assert np.isnan(lens.undistort(np.array([[0.7028, 0.0], [0.0, 3.0]]))).all()
    assert np.isnan(lens.distort(np.array([[1.06, 0.0]]))).all()
    # r (1 - 0.5 r^2 + 0.1 r^4) falls between r = 1 and 1.41; what rises again beyond is no picture of a lens.
    folded = Distortion((-0.5, 0.1, 0.0, 0.0))
    assert np.isnan(folded.undistort(np.array([[0.65, 0.0], [0.9, 0.5], [0.0, 2.0]]))).all()
    assert np.isnan(folded.distort(np.array([[1.2, 0.0], [1.7, 0.0]]))).all()
    bent = Distortion((-0.8, 0.25, 0.0, 0.0), fisheye=True)  # falls between 0.78 and 1.14 rad
    assert np.isnan(bent.distort(np.tan(np.array([[1.4, 0.0]])))).all()
    # 90 degrees from the axis is no point of a flat picture.
    assert np.isnan(Distortion((0.0,) * 4, fisheye=True).undistort(np.array([[1.58, 0.0]]))).all()


@pytest.mark.parametrize("coefficients", LENSES)
def test_views_of_faces_are_those_of_opencv(coefficients: tuple[float, ...]) -> None:
    """undistortPoints turns points into a virtual camera's view, without distortion."""
    camera = Camera.from_opencv(MATRIX, coefficients)
    boxes = np.float32([[30, 40, 140, 160], [200, 120, 330, 290]])
    views = facing(camera, boxes)
    for box, seen, rotation in zip(boxes, views.seen, views.rotations, strict=True):
        x1, y1, x2, y2 = box
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        edges = np.array([[[x1, y]], [[x, y1]], [[x2, y]], [[x, y2]]], np.float64) - 0.5
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-12)
        there = undistort_points(edges, MATRIX, np.array(coefficients), R=rotation.T, P=MATRIX, criteria=criteria)
        there = there[:, 0] + 0.5
        np.testing.assert_allclose(seen, [*there.min(axis=0), *there.max(axis=0)], atol=1e-3)
    points = np.float32([[[60, 70], [100, 70]], [[240, 180], [290, 180]]])
    for given, found, rotation in zip(points, views.points(points), views.rotations, strict=True):
        edges = given[:, None].astype(np.float64) - 0.5
        there = undistort_points(edges, MATRIX, np.array(coefficients), R=rotation.T, P=MATRIX, criteria=criteria)
        there = there[:, 0] + 0.5
        np.testing.assert_allclose(found, there, atol=1e-3)


@pytest.mark.parametrize("quarters", [1, 2, 3])
@pytest.mark.parametrize("coefficients", LENSES)
def test_cameras_of_turned_and_mirrored_frames(coefficients: tuple[float, ...], quarters: int) -> None:
    """A point of the scene is seen at the turned place: turns of pixels and of rays agree."""
    width, height = 480, 360
    camera = Camera.from_opencv(MATRIX, coefficients)
    pixels = np.array([[100.0, 50], [300, 200], [470, 350]])
    turned, rays = pixels, camera.rays(pixels)
    for sides in ([width, height] * 2)[:quarters]:
        turned = np.stack([(height if sides == width else width) - turned[:, 1], turned[:, 0]], axis=1)
        rays = np.stack([-rays[:, 1], rays[:, 0], rays[:, 2]], axis=1)
    np.testing.assert_allclose(camera.turned(quarters, width, height).rays(turned), rays, atol=1e-9)
    mirrored = np.stack([width - pixels[:, 0], pixels[:, 1]], axis=1)
    np.testing.assert_allclose(camera.mirrored(width).rays(mirrored), camera.rays(pixels) * [-1, 1, 1], atol=1e-9)


def distorted(frame: np.ndarray, camera: Camera) -> np.ndarray:
    """The frame as the lens shows it, sampled by OpenCV's undistortPoints."""
    height, width = frame.shape[:2]
    assert camera.distortion is not None
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 1, 2).astype(np.float64)
    matrix = np.array([[camera.fx, 0, camera.cx - 0.5], [0, camera.fy, camera.cy - 0.5], [0, 0, 1]])
    numbers = np.array(camera.distortion.coefficients)
    if camera.distortion.fisheye:
        source = cv2.fisheye.undistortPoints(pixels, matrix, numbers, P=matrix)
    else:
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-12)
        source = undistort_points(pixels, matrix, numbers, R=None, P=matrix, criteria=criteria)
    at = source.reshape(height, width, 2).astype(np.float32)
    return cv2.remap(frame, at[..., 0], at[..., 1], cv2.INTER_LINEAR)


@pytest.mark.parametrize("fisheye", [False, True])
@pytest.mark.filterwarnings("ignore::hpe_edge.BoxesWarning")
def test_poses_of_distorted_frames(fisheye: bool) -> None:
    """A face off the axis: its pose is that of the straight picture, which it is not if distortion is left out."""
    photo = cv2.imread(str(Path(samples.__file__).parent / "astronaut.jpg"))
    frame = np.zeros((720, 1280, 3), np.uint8)
    face = cv2.resize(photo[40:240, 130:330], (240, 240))
    frame[60:300, 60:300] = face
    ideal = Camera(640.0, 640.0, 640.0, 360.0)
    numbers = (-0.05, 0.01, 0.0, 0.0) if fisheye else (-0.12, 0.02, 0.001, -0.001)
    camera = Camera(640.0, 640.0, 640.0, 360.0, Distortion(numbers, fisheye=fisheye))
    box = np.array([[60 + 51 * 1.2, 60 + 48 * 1.2, 60 + 139 * 1.2, 60 + 138 * 1.2]])
    x1, y1, x2, y2 = box[0]
    edges = np.array([[x1, (y1 + y2) / 2], [x2, (y1 + y2) / 2], [(x1 + x2) / 2, y1], [(x1 + x2) / 2, y2]])
    seen = camera.project(ideal.rays(edges))
    there = [[seen[0, 0], seen[2, 1], seen[1, 0], seen[3, 1]]]
    with PoseEngine(threads=1, upright=None) as engine:
        straight = engine(frame, box, camera=ideal)
        bent = distorted(frame, camera)
        right, wrong = engine(bent, there, camera=camera), engine(bent, there, camera=ideal)
    off = [np.abs(poses.angles - straight.angles).max() for poses in (right, wrong)]
    assert off[0] < 1.5 and off[0] < off[1] / 2, off


def test_a_homography_fits_a_weak_lens_exactly_and_a_strong_one_is_refused() -> None:
    camera = Camera.from_opencv(MATRIX, (1e-9, 0.0, 0.0, 0.0))
    flat = np.array([[[2.0, 0.1, 100], [0.05, 2.2, 80], [1e-4, 2e-4, 1]]])
    fitted, off = fit_distorted(camera.distorted, flat, 64)
    np.testing.assert_allclose(fitted / fitted[:, 2:, 2:], flat, rtol=1e-5)
    assert off[0] < 1e-6
    strong = Camera.from_opencv(MATRIX, (-0.3, 0.1, 0.0, 0.0))
    wide = np.array([[[7.0, 0, 10], [0, 5.5, 10], [0, 0, 1]]])
    assert fit_distorted(strong.distorted, wide, 64)[1][0] > LARGEST_MISFIT
    with PoseEngine(threads=1) as engine:
        frame = np.zeros((360, 480, 3), np.uint8)
        with pytest.raises(InputError, match="lens bends box 1"):
            engine(frame, [[200, 150, 260, 220], [40, 20, 440, 340]], camera=strong)
        nowhere = Camera.from_opencv(MATRIX, (-0.9, 0.0, 0.0, 0.0))
        with pytest.raises(InputError, match=r"box 0 .*distortion.*shows nothing"):
            engine(frame, [[2, 2, 60, 60]], camera=nowhere)


def test_drawings_and_positions_follow_the_lens() -> None:
    camera = Camera.from_opencv(MATRIX, LENSES[0])
    box = np.array([[20.0, 20.0, 60.0, 70.0]])
    lines = np.array([[[0.0, 0, 0], [0, 0, -0.001]]])
    ends, _ = view_lines(lines, box, np.eye(3)[None], camera)
    np.testing.assert_allclose(ends[0, 0, 0], [40, 45], atol=1e-6)  # the middle of the box, seen through the lens
    x, y, z = head_position_m(box[0].astype(np.float32), camera)
    np.testing.assert_allclose(np.array([x, y]) / z, camera.rays(np.array([40.0, 45.0]))[:2], atol=1e-6)


def written(path: Path, **entries: object) -> str:
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("camera_matrix", MATRIX)
    for name, value in entries.items():
        storage.write(name, value)
    storage.release()
    return str(path)


def test_intrinsics_with_distortion(tmp_path: Path) -> None:
    five = np.array([[-0.3, 0.1, 0.0, 0.0, 0.0]])
    lens = Distortion((-0.3, 0.1, 0.0, 0.0, 0.0))
    for name in ("distortion_coefficients", "dist_coeffs"):
        assert read_intrinsics(written(tmp_path / "a.yml", **{name: five}))(480, 360).distortion == lens
    four = np.array([[0.1], [0.02], [0.0], [0.0]])
    fisheye = Distortion((0.1, 0.02, 0.0, 0.0), fisheye=True)
    for entry in ({"fisheye_model": 1}, {"distortion_model": "equidistant"}):
        camera = read_intrinsics(written(tmp_path / "b.yml", distortion_coefficients=four, **entry))(480, 360)
        assert camera.distortion == fisheye
    assert read_intrinsics("300,300,239.5,179.5,-0.3,0.1,0,0,0")(480, 360).distortion == lens
    assert read_intrinsics(written(tmp_path / "c.yml", distortion_coefficients=five * 0))(480, 360).distortion is None
    scaled = written(tmp_path / "d.yml", image_width=480, image_height=360, distortion_coefficients=five)
    assert read_intrinsics(scaled)(960, 720).distortion == lens


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        ({"distortion_coefficients": np.array([[-0.3, 0.1, 0.0]])}, "k1, k2, p1, p2"),
        ({"distortion_coefficients": np.arange(14.0)[None]}, "thin prisms"),
        ({"distortion_coefficients": np.array([[np.nan, 0.1, 0.0, 0.0]])}, "finite"),
        ({"distortion_coefficients": np.ones((1, 5)), "fisheye_model": 1}, "k1, k2, k3, k4"),
        ({"distortion_coefficients": np.ones((1, 5)), "distortion_model": "double_sphere"}, "double_sphere"),
        ({"D": "none"}, "must be numbers"),
    ],
)
def test_distortion_that_is_refused(tmp_path: Path, entries: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=rf"a\.yml.*{says}"):
        read_intrinsics(written(tmp_path / "a.yml", **entries))
