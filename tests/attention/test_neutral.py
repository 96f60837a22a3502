"""NeutralPose: relative angles, their file, and what is refused."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from staged_people import facing

from hpe_edge import InputError, OutputError, SourceError
from hpe_edge import geometry as g
from hpe_edge.attention.neutral import NeutralPose, relative_angles, relative_rotation

angle = st.floats(-180, 180)


@given(n=st.tuples(st.floats(-89, 89), angle, angle), yaw=st.floats(-170, 170))
def test_a_turn_about_the_neutral_heads_vertical_axis_is_its_yaw(n: tuple[float, float, float], yaw: float) -> None:
    neutral = reference.rotation(*n)
    turned = neutral @ reference.ry(yaw)
    relative = relative_rotation(NeutralPose.from_angles(n).rotation[None], turned[None])
    np.testing.assert_allclose(g.wrap_deg(relative_angles(relative) - [[yaw, 0, 0]]), 0, atol=1e-6)


def test_a_nod_is_its_pitch_and_a_tilt_its_roll() -> None:
    neutral = facing((40, -20, 5))
    turned = neutral @ facing((0, 15), (0, 0, -12))
    relative = relative_angles(relative_rotation(neutral, turned))
    np.testing.assert_allclose(relative, [[0, 15, 0], [0, 0, -12]], atol=1e-9)


@pytest.mark.parametrize("yaw", [-90.0, 90.0])
def test_at_the_gimbal_yaw_is_right_and_the_angles_give_the_rotation(yaw: float) -> None:
    relative = facing((yaw, 10, 20))
    angles = relative_angles(relative)
    assert abs(angles[0, 0] - yaw) < 1e-5
    assert g.geodesic_deg(g.rotation_from_euler(angles), relative).max() < 1e-6


def test_nan_stays_nan() -> None:
    lost = facing((0, 0))
    lost[0, 1, 1] = np.nan
    assert np.isnan(relative_angles(relative_rotation(facing((0, 0)), lost))).all()


def test_a_rounded_matrix_becomes_a_rotation() -> None:
    exact = reference.rotation(33, -12, 7)
    pose = NeutralPose(exact.round(3))
    np.testing.assert_allclose(pose.rotation @ pose.rotation.T, np.eye(3), atol=1e-12)
    assert g.geodesic_deg(pose.rotation, exact) < 0.1


@pytest.mark.parametrize(
    ("rotation", "fragment"),
    [
        (np.eye(3) * 1.1, "orthonormal"),
        (np.diag([1.0, 1.0, -1.0]), "orthonormal"),
        (np.eye(4), "shape"),
        (np.full((3, 3), np.nan), "finite"),
        ("person", "numbers"),
    ],
)
def test_what_is_no_rotation_is_refused(rotation: object, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        NeutralPose(rotation)  # type: ignore[arg-type]


@pytest.mark.parametrize("angles", [(1, 2), (1, 2, np.nan), "abc", ((1, 2, 3),)])
def test_what_are_no_angles_is_refused(angles: object) -> None:
    with pytest.raises(InputError, match="neutral pose"):
        NeutralPose.from_angles(angles)  # type: ignore[arg-type]


@pytest.mark.parametrize("quality", [{}, {"spread_deg": 3.25, "learned_s": 10.0}])
def test_a_saved_pose_is_read_back_exactly(tmp_path: Path, quality: dict[str, float]) -> None:
    pose = NeutralPose(reference.rotation(33, -12, 7), **quality)
    pose.save(tmp_path / "seat.json")
    again = NeutralPose.load(str(tmp_path / "seat.json"))
    np.testing.assert_allclose(again.rotation, pose.rotation, atol=1e-15)
    np.testing.assert_equal([again.spread_deg, again.learned_s], [pose.spread_deg, pose.learned_s])
    assert [path.name for path in tmp_path.iterdir()] == ["seat.json"]


def test_a_steady_pose_has_a_small_spread() -> None:
    assert NeutralPose(np.eye(3)).steady
    assert NeutralPose(np.eye(3), spread_deg=4, learned_s=10).steady
    assert not NeutralPose(np.eye(3), spread_deg=25, learned_s=10).steady


GOOD = {"format": 1, "rotation": np.eye(3).tolist(), "spread_deg": None, "learned_s": None}


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("{", "not JSON"),
        ("[]", "fields"),
        (json.dumps({"format": 1, "rotation": np.eye(3).tolist()}), "fields"),
        (json.dumps({**GOOD, "format": 2}), "format 2"),
        (json.dumps({**GOOD, "rotation": [[1, 0], [0, 1]]}), "shape"),
        (json.dumps({**GOOD, "rotation": None}), "not a neutral pose"),
        (json.dumps({**GOOD, "spread_deg": "wide"}), "not a neutral pose"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, fragment: str) -> None:
    path = tmp_path / "seat.json"
    path.write_text(text)
    with pytest.raises(SourceError, match=fragment):
        NeutralPose.load(path)


def test_a_missing_file_and_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.json"):
        NeutralPose.load(tmp_path / "nowhere.json")
    with pytest.raises(OutputError, match="nowhere"):
        NeutralPose(np.eye(3)).save(tmp_path / "nowhere" / "seat.json")


def test_the_text_form_has_the_angles() -> None:
    assert repr(NeutralPose.from_angles((10, 20, 30))) == "NeutralPose(yaw 10.0, pitch 20.0, roll 30.0)"
    assert "spread 3.0" in repr(NeutralPose(np.eye(3), spread_deg=3, learned_s=10))
    assert math.isnan(NeutralPose(np.eye(3)).learned_s)
