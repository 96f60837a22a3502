"""Drawing: the axes agree with HopeNet's formula, and nothing breaks at the frame's edges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpe_edge.draw import axis_ends, draw_poses
from hpe_edge.errors import InputError
from hpe_edge.geometry import rotation_from_euler
from hpe_edge.poses import Poses

RED, GREEN, BLUE = 2, 1, 0  # BGR


def poses_of(*angles_deg: tuple[float, float, float]) -> Poses:
    angles = np.float32(angles_deg).reshape(-1, 3)
    return Poses(angles, np.full_like(angles, np.nan), rotation_from_euler(angles).astype(np.float32))


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
    levels = frame.astype(int)
    others = np.delete(levels, channel, axis=2).max(axis=2)
    rows, columns = np.nonzero(levels[..., channel] > others + 60)
    assert len(rows), "nothing was drawn in that colour"
    return np.array([columns.mean(), rows.mean()])


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
    draw_poses(frame, np.float32([[150, 150, 250, 250]]), poses_of(angles))
    way = color_center(frame, channel) - 200
    assert np.linalg.norm(way) > 10
    assert np.dot(way, towards) / np.linalg.norm(way) / np.linalg.norm(towards) > 0.99


def test_nan_pose_is_skipped_with_its_box_and_its_neighbour_is_drawn() -> None:
    alone, both = np.zeros((200, 200, 3), np.uint8), np.zeros((200, 200, 3), np.uint8)
    box, other = [20, 20, 80, 80], [100, 100, 160, 170]
    draw_poses(alone, np.float32([box]), poses_of((10, 0, 0)))
    draw_poses(both, np.float32([box, other]), poses_of((10, 0, 0), (np.nan, 0, 0)))
    assert alone.any()
    np.testing.assert_array_equal(both, alone)


@pytest.mark.parametrize(
    "box",
    [(-50, -50, 30, 30), (300, 220, 400, 300), (-1e6, -1e6, 1e6, 1e6), (-900, -900, -800, -800), (5, 5, 5.5, 5.5)],
)
@pytest.mark.parametrize("shape", [(240, 320, 3), (1, 1, 3), (2160, 3840, 3)])
def test_boxes_may_leave_the_frame(box: tuple[float, ...], shape: tuple[int, int, int]) -> None:
    draw_poses(np.zeros(shape, np.uint8), np.float32([box]), poses_of((30, 20, 10)))


def test_lines_grow_with_the_face() -> None:
    small, large = np.zeros((240, 320, 3), np.uint8), np.zeros((2160, 3840, 3), np.uint8)
    draw_poses(small, np.float32([[140, 100, 180, 140]]), poses_of((0, 0, 0)))
    draw_poses(large, np.float32([[1000, 600, 2000, 1600]]), poses_of((0, 0, 0)))
    assert 1 <= red_height(small, column=175) <= 3
    assert 15 <= red_height(large, column=1950) <= 30


def red_height(frame: np.ndarray, column: int) -> int:
    """Pixels of the red x axis in a column; the box is white, so red alone is not enough."""
    return int(np.count_nonzero((frame[:, column, RED] > 200) & (frame[:, column, BLUE] < 100)))


def test_no_faces_leave_the_frame_alone() -> None:
    frame = np.zeros((20, 20, 3), np.uint8)
    draw_poses(frame, np.zeros((0, 4), np.float32), poses_of())
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
        draw_poses(frame, np.float32([[1, 1, 5, 5]]), poses_of((0, 0, 0)))
    assert message in str(error.value)


def test_boxes_and_poses_must_agree() -> None:
    with pytest.raises(InputError, match="one pose per box, got 2 boxes and 1 poses"):
        draw_poses(np.zeros((9, 9, 3), np.uint8), np.zeros((2, 4), np.float32), poses_of((0, 0, 0)))
