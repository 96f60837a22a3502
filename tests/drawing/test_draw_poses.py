"""Drawing: shapes agree with HopeNet's formula and the definition of R, and nothing breaks at the frame's edges."""

from __future__ import annotations

from typing import Any, get_args

import cv2
import numpy as np
import pytest
import reference as oracle
from hypothesis import given
from hypothesis import strategies as st

from hpe_edge.camera import Camera
from hpe_edge.drawing.draw_poses import axis_ends, draw_poses, identity_color
from hpe_edge.drawing.style import Style
from hpe_edge.errors import InputError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.poses import Poses

RED, GREEN, BLUE = 2, 1, 0  # BGR
STYLES: tuple[Style, ...] = get_args(Style)
CAMERA = Camera(300.0, 300.0, 200.0, 200.0)
GREY = 128


def draw_at(frame: np.ndarray, boxes: np.ndarray, poses: Poses, **options: Any) -> None:
    draw_poses(frame, poses, boxes=boxes, **options)


def poses_of(*angles_deg: tuple[float, float, float], sigma: float = np.nan) -> Poses:
    angles = np.float32(angles_deg).reshape(-1, 3)
    return Poses(angles, np.full_like(angles, sigma), rotation_from_euler(angles).astype(np.float32))


def hopenet_axes(yaw_deg: float, pitch_deg: float, roll_deg: float, size: float) -> np.ndarray:
    """HopeNet's drawing formula, ends of the axes x, y and z relative to their start."""
    pitch, yaw, roll = np.deg2rad(pitch_deg), -np.deg2rad(yaw_deg), np.deg2rad(roll_deg)
    cos, sin = np.cos, np.sin
    x = (cos(yaw) * cos(roll), cos(pitch) * sin(roll) + cos(roll) * sin(pitch) * sin(yaw))
    y = (-cos(yaw) * sin(roll), cos(pitch) * cos(roll) - sin(pitch) * sin(yaw) * sin(roll))
    z = (sin(yaw), -cos(yaw) * sin(pitch))
    return size * np.array([x, y, z])


def color_center(frame: np.ndarray, channel: int) -> np.ndarray:
    """Mean x y of the pixels in which the channel outshines the others."""
    rows, columns = np.nonzero(outshines(frame, channel))
    assert len(rows), "nothing was drawn in that colour"
    return np.array([columns.mean(), rows.mean()])


def outshines(frame: np.ndarray, channel: int) -> np.ndarray:
    levels = frame.astype(int)
    mask: np.ndarray = levels[..., channel] > np.delete(levels, channel, axis=-1).max(axis=-1) + 60
    return mask


@given(yaw=st.floats(-99, 99), pitch=st.floats(-99, 99), roll=st.floats(-180, 180))
def test_axes_are_hopenets(yaw: float, pitch: float, roll: float) -> None:
    ends = axis_ends(rotation_from_euler([yaw, pitch, roll]), 100.0)
    np.testing.assert_allclose(ends, hopenet_axes(yaw, pitch, roll, 100.0), atol=1e-9)


@pytest.mark.parametrize(
    ("angles", "channel", "towards"),
    [
        ((40, 0, 0), BLUE, (-1, 0)),  # turned to the left of the image: so points the nose
        ((-40, 0, 0), BLUE, (1, 0)),
        ((0, 40, 0), BLUE, (0, -1)),  # looks up
        ((0, -40, 0), BLUE, (0, 1)),
        ((0, 0, 0), RED, (1, 0)),
        ((0, 0, 0), GREEN, (0, 1)),
        ((0, 0, 45), RED, (1, 1)),  # tilted clockwise
    ],
)
def test_drawn_axes_point_where_the_head_does(
    angles: tuple[float, float, float], channel: int, towards: tuple[int, int]
) -> None:
    frame = np.full((400, 400, 3), 128, np.uint8)
    draw_at(frame, np.float32([[150, 150, 250, 250]]), poses_of(angles))
    way = color_center(frame, channel) - 200
    assert np.linalg.norm(way) > 10
    assert np.dot(way, towards) / np.linalg.norm(way) / np.linalg.norm(towards) > 0.99


@pytest.mark.parametrize("camera", [None, CAMERA], ids=["far away", "camera"])
@pytest.mark.parametrize("style", ["arrow", "cube"])
@pytest.mark.parametrize(
    ("angles", "towards"),
    [
        ((35, 0, 0), (-1, 0)),
        ((-35, 0, 0), (1, 0)),
        ((0, 35, 0), (0, -1)),
        ((0, -35, 0), (0, 1)),
        ((30, 30, 0), (-1, -1)),
        ((150, 0, 0), (-1, 0)),
        ((-130, 0, 0), (1, 0)),
    ],
)
def test_arrow_and_front_of_the_cube_lie_where_the_nose_points(
    style: Style, angles: tuple[float, float, float], towards: tuple[int, int], camera: Camera | None
) -> None:
    frame = np.full((400, 400, 3), GREY, np.uint8)
    draw_at(frame, np.float32([[150, 150, 250, 250]]), poses_of(angles), style=style, camera=camera)
    if style == "arrow":
        way = color_center(frame, BLUE) - 200
    else:
        rows, columns = np.nonzero(bluish(frame))
        way = np.array([columns.mean(), rows.mean()]) - 200
    assert np.linalg.norm(way) > 10
    assert np.dot(way, towards) / np.linalg.norm(way) / np.linalg.norm(towards) > 0.97


def bluish(frame: np.ndarray) -> np.ndarray:
    """Mask of the grey frame below the blue tint."""
    blue, green, red = np.moveaxis(frame.astype(int), 2, 0)
    return (blue > GREY + 20) & (blue < GREY + 40) & (np.abs(green - 118) < 5) & (np.abs(red - 103) < 5)


@pytest.mark.parametrize(
    "angles", [(20, 20, 25), (20, 20, -25), (40, 20, 0), (-30, -25, 15), (160, 20, 5), (60, 20, 100)]
)
def test_edges_of_the_cube(angles: tuple[float, float, float]) -> None:
    """A quarter along an edge, where others seldom cross it: red along x, green along y, blue along z."""
    frame = np.full((600, 600, 3), GREY, np.uint8)
    draw_at(frame, np.float32([[100, 200, 500, 400]]), poses_of(angles), style="cube")
    yaw, pitch, roll = angles
    rotation = oracle.rx(-pitch) @ oracle.ry(yaw) @ oracle.rz(roll)
    found = []
    for axis, channel in ((0, RED), (1, GREEN), (2, BLUE)):
        for one, other in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
            for along in (-0.5, 0.5):
                point = 0.425 * np.insert(np.array([one, other], float), axis, along)
                x, y = (300 + 400 * (rotation @ point)[:2]).astype(int)
                found.append(outshines(frame[y, x], channel))
    assert sum(found) >= 20  # of 24; some are covered by others


@pytest.mark.parametrize("roll", [30, -30, 80])
def test_cube_tilts_clockwise_for_roll_above_0(roll: float) -> None:
    tilted, upright = (np.full((400, 400, 3), GREY, np.uint8) for _ in range(2))
    for frame, angle in ((tilted, roll), (upright, 0)):
        draw_at(frame, np.float32([[150, 150, 250, 250]]), poses_of((0, 0, angle)), style="cube")
    clockwise = cv2.getRotationMatrix2D((199.5, 199.5), -roll, 1)  # OpenCV's positive angle is anticlockwise
    wanted = cv2.warpAffine(upright, clockwise, (400, 400))
    for channel in (RED, GREEN):
        where = outshines(wanted, channel)
        assert outshines(tilted, channel)[where].mean() > 0.9


def test_arrow_gets_shorter_the_more_it_points_at_the_camera() -> None:
    lengths = []
    for yaw in (0, 20, 45, 90, 120):
        frame = np.full((400, 400, 3), GREY, np.uint8)
        draw_at(frame, np.float32([[250, 150, 350, 250]]), poses_of((yaw, 0, 0)), style="arrow")
        lengths.append(300 - np.nonzero((frame[200] != GREY).any(axis=1))[0][0])
    assert lengths[0] < 8
    np.testing.assert_allclose(lengths[1:], 130 * np.sin(np.deg2rad([20, 45, 90, 120])), atol=6)


def test_arrow_of_a_face_that_looks_into_the_camera_is_a_dot_wherever_it_is() -> None:
    """At the frame's right edge, as far from the axis as the focal length is long: 45 degrees."""
    box, poses = np.float32([[480, 180, 520, 220]]), poses_of((45, 0, 0))
    extents = []
    for camera in (CAMERA, None):
        frame = np.full((400, 600, 3), GREY, np.uint8)
        draw_at(frame, box, poses, style="arrow", camera=camera)
        columns = np.nonzero((frame[200] != GREY).any(axis=1))[0]
        extents.append(500 - columns[0])
    assert extents[0] < 8
    assert extents[1] > 30


@pytest.mark.parametrize("style", STYLES)
def test_identities_have_their_colors(style: Style) -> None:
    frame = np.full((720, 1280, 3), GREY, np.uint8)
    boxes = np.float32([[300, 300, 400, 400], [600, 300, 700, 400]])
    draw_at(frame, boxes, poses_of((20, 0, 0), (20, 0, 0)), style=style, ids=np.array([-1, 9]))
    mine, none = (frame[300, left : left + 20].astype(int) for left in (600, 300))
    np.testing.assert_array_equal(np.median(mine, axis=0), identity_color(9))
    np.testing.assert_array_equal(np.median(none, axis=0), [255, 255, 255])
    tags = (frame[:290] == identity_color(9)).all(axis=2)
    assert tags[:, 550:750].any() and not tags[:, :450].any()


def test_colors_of_identities_differ() -> None:
    """By 25 units of CIE Lab at least, ten times what an eye just sees side by side, from each other and from white."""
    colors = [identity_color(k) for k in range(8)]
    lab = cv2.cvtColor(np.float32([[*colors, (255, 255, 255)]]) / 255, cv2.COLOR_BGR2Lab)[0]
    apart = np.linalg.norm(lab[:, None] - lab, axis=2)[np.triu_indices(9, 1)]
    assert apart.min() > 25
    assert identity_color(8) == colors[0] and identity_color(-1) is None


@pytest.mark.parametrize("style", STYLES)
def test_nearer_faces_cover_others_whatever_their_order(style: Style) -> None:
    boxes, ids = np.float32([[300, 300, 460, 460], [340, 330, 440, 430], [250, 280, 380, 400]]), np.array([1, 2, 3])
    poses = poses_of((10, 5, 0), (-30, 0, 20), (20, -30, 0))
    wanted = np.zeros((720, 1280, 3), np.uint8)
    draw_at(wanted, boxes, poses, style=style, ids=ids)
    for order in ([2, 1, 0], [1, 2, 0]):
        frame = np.zeros_like(wanted)
        draw_at(frame, boxes[order], poses_of(*poses.angles[order]), style=style, ids=ids[order])
        np.testing.assert_array_equal(frame, wanted)
    largest = np.zeros_like(wanted)
    draw_at(largest, boxes[:1], poses_of(poses.angles[0]), style=style, ids=ids[:1])
    opaque = (largest[300:460, 300:460] == identity_color(1)).all(axis=2)
    assert opaque.any() and (wanted[300:460, 300:460][opaque] == identity_color(1)).all()


def test_sigma_is_said_where_it_is_known_and_there_is_room() -> None:
    def drawn(height: int, sigma: float) -> np.ndarray:
        frame = np.full((height, 600, 3), GREY, np.uint8)
        draw_at(frame, np.float32([[250, 150, 330, 230]]), poses_of((5, 5, 5), sigma=sigma))
        return (frame[:140] != GREY).any(axis=2).sum()

    assert drawn(600, sigma=7.0) > 1.4 * drawn(600, sigma=np.nan)
    assert drawn(240, sigma=7.0) == drawn(240, sigma=np.nan)


@pytest.mark.parametrize(
    ("size_wh", "capital"), [((320, 240), 7), ((640, 480), 7), ((1920, 1080), 14), ((3840, 2160), 28)]
)
def test_labels_are_readable(size_wh: tuple[int, int], capital: int) -> None:
    """Of a face that takes up a tenth of the frame's height, and of one whose box is larger than the frame."""
    width, height = size_wh
    for half in (0.05, 0.6):
        frame = np.full((height, width, 3), GREY, np.uint8)
        box = [width / 2 - half * height, (0.5 - half) * height, width / 2 + half * height, (0.5 + half) * height]
        draw_at(frame, np.float32([box]), poses_of((80, 80, 80)), ids=[3])
        rows, _ = np.nonzero((frame > 200).all(axis=2))  # nothing else is white
        assert np.ptp(rows) + 1 >= capital


def test_nan_pose_is_skipped_with_its_box_and_its_neighbour_is_drawn() -> None:
    alone, both = np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200, 3), np.uint8)
    box, other = [20, 20, 80, 80], [100, 100, 160, 170]
    draw_at(alone, np.float32([box]), poses_of((10, 0, 0)))
    draw_at(both, np.float32([box, other]), poses_of((10, 0, 0), (np.nan, 0, 0)))
    assert alone.any()
    np.testing.assert_array_equal(both, alone)


@pytest.mark.parametrize(
    "box",
    [(-50, -50, 30, 30), (300, 220, 400, 300), (-1e6, -1e6, 1e6, 1e6), (-900, -900, -800, -800), (5, 5, 5.5, 5.5)],
)
@pytest.mark.parametrize("shape", [(240, 320, 3), (1, 1, 3), (2160, 3840, 3)])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.filterwarnings("error")
def test_boxes_may_leave_the_frame(box: tuple[float, ...], shape: tuple[int, int, int], style: Style) -> None:
    for camera in (None, CAMERA, Camera(1e-6, 1e-6, 0, 0), Camera(1e15, 1e15, 1e15, 0)):
        draw_at(np.zeros(shape, np.uint8), np.float32([box]), poses_of((30, 20, 10)), style=style, camera=camera)


@pytest.mark.parametrize("box", [(50, 20, 20, 80), (20, 50, 80, 50), (20, 20, np.nan, 80)])
def test_boxes_without_area_are_skipped(box: tuple[float, ...]) -> None:
    frame = np.zeros((100, 100, 3), np.uint8)
    draw_at(frame, np.float32([box]), poses_of((0, 0, 0)))
    assert not frame.any()


def test_lines_grow_with_the_face() -> None:
    small, large = np.zeros((240, 320, 3), np.uint8), np.zeros((2160, 3840, 3), np.uint8)
    draw_at(small, np.float32([[140, 100, 180, 140]]), poses_of((0, 0, 0)))
    draw_at(large, np.float32([[1000, 600, 2000, 1600]]), poses_of((0, 0, 0)))
    assert 1 <= red_height(small, column=175) <= 3
    assert 15 <= red_height(large, column=1950) <= 30


def red_height(frame: np.ndarray, column: int) -> int:
    """Pixels of the red x axis in a column; the box is white, so red alone is not enough."""
    return int(np.count_nonzero((frame[:, column, RED] > 200) & (frame[:, column, BLUE] < 100)))


def test_no_faces_leave_the_frame_alone() -> None:
    frame = np.zeros((20, 20, 3), np.uint8)
    draw_at(frame, np.zeros((0, 4), np.float32), poses_of())
    assert not frame.any()


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (np.zeros((10, 10), np.uint8), "uint8 array [H, W, 3]"),
        (np.zeros((10, 10, 3), np.float32), "float32 (10, 10, 3)"),
        (np.zeros((10, 20, 3), np.uint8)[:, ::2], "ascontiguousarray"),
    ],
)
def test_unfit_frames_are_refused(frame: np.ndarray, message: str) -> None:
    with pytest.raises(InputError) as error:
        draw_at(frame, np.float32([[1, 1, 5, 5]]), poses_of((0, 0, 0)))
    assert message in str(error.value)


def test_boxes_and_poses_must_agree() -> None:
    with pytest.raises(InputError, match="one pose per box, got 2 boxes and 1 poses"):
        draw_at(np.zeros((9, 9, 3), np.uint8), np.zeros((2, 4), np.float32), poses_of((0, 0, 0)))


def test_style_and_ids_must_be_right() -> None:
    frame, boxes, poses = np.zeros((9, 9, 3), np.uint8), np.float32([[1, 1, 5, 5]]), poses_of((0, 0, 0))
    with pytest.raises(InputError, match="axes, cube, arrow, got 'cone'"):
        draw_at(frame, boxes, poses, style="cone")
    with pytest.raises(InputError, match=r"ids of shape \(2,\)"):
        draw_at(frame, boxes, poses, ids=[1, 2])


def test_landmarks_are_dots_hidden_ones_black() -> None:
    plain = poses_of((0, 0, 0))
    points = np.float32([[[60.5, 60.5], [340.5, 60.5], [60.5, 340.5], [np.nan, 1]]])
    visibility = np.float32([[0.9, np.nan, 0.1, 1]])
    poses = Poses(*plain.arrays, boxes=np.float32([[50, 50, 350, 350]]), landmarks=points, visibility=visibility)
    frame = np.full((400, 400, 3), GREY, np.uint8)
    draw_poses(frame, poses, ids=[2])
    assert [tuple(frame[y, x]) for x, y in ((60, 60), (340, 60), (60, 340))] == [identity_color(2)] * 2 + [(0, 0, 0)]
    moved = np.full((400, 400, 3), GREY, np.uint8)
    draw_poses(moved, poses, ids=[2], landmarks=points + 50)
    assert tuple(moved[110, 110]) == identity_color(2) and tuple(moved[60, 60]) == (GREY,) * 3
    with pytest.raises(InputError, match=r"\(1, 4, 2\) landmarks"):
        draw_poses(frame, poses, landmarks=points[:, :3])
