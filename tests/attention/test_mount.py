"""CameraMount: the camera of a scene with positions and axes as an oracle, and what a driver's camera sees."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from staged_people import facing, seen

from hpe_edge import InputError
from hpe_edge.attention.meter import AttentionMeter
from hpe_edge.attention.mount import CameraMount
from hpe_edge.attention.neutral import relative_angles, relative_rotation

DOWN = np.array([0.0, 1.0, 0.0])


def camera_axes(yaw_deg: float, pitch_deg: float, roll_deg: float) -> NDArray[np.float64]:
    """Axes of a camera that points at a head in the origin, as rows, from where it stands.

    The person looks along -z; -x is to the person's right and -y is up.
    """
    yaw, pitch, roll = np.deg2rad([yaw_deg, pitch_deg, roll_deg])
    place = np.array([-np.sin(yaw) * np.cos(pitch), -np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])
    forward = -place
    right = np.cross(DOWN, forward)
    right /= np.linalg.norm(right)
    below = np.cross(forward, right)
    # Clockwise, seen from behind: the right side sinks.
    return np.stack([np.cos(roll) * right + np.sin(roll) * below, np.cos(roll) * below - np.sin(roll) * right, forward])


@given(st.floats(-180, 180), st.floats(-89, 89), st.floats(-180, 180))
def test_the_neutral_pose_is_a_head_in_the_cameras_axes(yaw: float, pitch: float, roll: float) -> None:
    neutral = CameraMount(yaw, pitch, roll).neutral.rotation
    np.testing.assert_allclose(neutral, camera_axes(yaw, pitch, roll), atol=1e-9)


def test_a_camera_to_the_drivers_right_sees_the_face_turned_to_the_pictures_right() -> None:
    pillar = CameraMount(yaw_deg=30)
    np.testing.assert_allclose(pillar.neutral.angles, [-30, 0, 0], atol=1e-9)
    into_the_camera = AttentionMeter(pillar)(0.0, seen(facing((0, 0))))
    np.testing.assert_allclose(into_the_camera.angles, [[30, 0, 0]], atol=1e-4)


def test_a_camera_that_looks_down_sees_faces_look_down() -> None:
    above = CameraMount(pitch_deg=20)
    np.testing.assert_allclose(above.neutral.angles, [0, -20, 0], atol=1e-9)
    ahead = AttentionMeter(above)(0.0, seen(facing((0, -20), (0, 0))))
    np.testing.assert_allclose(ahead.angles, [[0, 0, 0], [0, 20, 0]], atol=1e-4)


def test_a_camera_rolled_clockwise_sees_heads_tilt_the_other_way() -> None:
    np.testing.assert_allclose(CameraMount(roll_deg=10).neutral.angles, [0, 0, -10], atol=1e-9)


@given(
    st.tuples(st.floats(-60, 60), st.floats(-40, 40), st.floats(-20, 20)),
    st.tuples(st.floats(-80, 80), st.floats(-60, 60), st.floats(-90, 90)),
)
def test_turns_of_the_head_are_the_relative_angles_wherever_the_camera_is(
    mount: tuple[float, float, float], turn: tuple[float, float, float]
) -> None:
    neutral = camera_axes(*mount)
    seen_as = neutral @ facing(turn)[0]
    relative = relative_rotation(CameraMount(*mount).neutral.rotation[None], seen_as[None])
    np.testing.assert_allclose(relative_angles(relative), [turn], atol=1e-6)


@pytest.mark.parametrize(
    ("angles", "fragment"),
    [
        ((200, 0, 0), "yaw_deg"),
        ((0, 91, 0), "pitch_deg"),
        ((0, 0, np.nan), "roll_deg"),
        (("30", 0, 0), "yaw_deg"),
        ((True, 0, 0), "yaw_deg"),
    ],
)
def test_other_angles_are_refused(angles: tuple[float, float, float], fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        CameraMount(*angles)
