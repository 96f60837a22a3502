"""AttentionMeter: relative poses in every kind of neutral pose, learning, pictures and resets."""

from __future__ import annotations

import numpy as np
import pytest
import reference
from staged_people import facing, looking_around, neutral_poses, seen, times

from hpe_edge import InputError
from hpe_edge import geometry as g
from hpe_edge.attention.learner import NeutralLearner
from hpe_edge.attention.meter import AttentionMeter
from hpe_edge.attention.mount import CameraMount
from hpe_edge.attention.neutral import NeutralPose
from hpe_edge.attention.zone import Zone

ROAD = Zone("road", [(-15, -10), (15, -10), (15, 10), (-15, 10)])


@pytest.mark.parametrize(
    "neutral",
    [
        reference.rotation(-30, 0, 0),
        reference.rotation(-30, 0, 0).tolist(),
        (-30, 0, 0),
        np.array([-30, 0, 0]),
        NeutralPose.from_angles((-30, 0, 0)),
        CameraMount(yaw_deg=30),
    ],
    ids=["rotation", "nested list", "angles", "array of angles", "pose", "mount"],
)
def test_a_neutral_pose_may_be_given_in_many_ways(neutral: object) -> None:
    meter = AttentionMeter(neutral, [ROAD])  # type: ignore[arg-type]
    attention = meter(0.0, seen(facing((-30, 0), (-20, 0), (0, 0))))
    np.testing.assert_allclose(attention.angles[:, 0], [0, 10, 30], atol=1e-4)
    assert attention.zones == ("road", "road", None)
    assert attention.angles.dtype == attention.rotation.dtype == attention.progress.dtype == np.float32
    np.testing.assert_array_equal(attention.progress, 1)
    assert np.isnan(attention.spread_deg).all()
    np.testing.assert_allclose(meter.neutral().angles, [-30, 0, 0], atol=1e-9)  # type: ignore[union-attr]


def test_without_a_neutral_pose_the_camera_is_straight_ahead() -> None:
    poses = seen(facing((12, -7, 3), (100, 5, 2)))
    np.testing.assert_allclose(AttentionMeter()(0.0, poses).angles, [[12, -7, 3], [100, 5, 2]], atol=1e-4)


def test_no_faces() -> None:
    attention = AttentionMeter((10, 0, 0), [ROAD])(0.0, seen(np.zeros((0, 3, 3))))
    assert attention.angles.shape == (0, 3) and attention.rotation.shape == (0, 3, 3)
    assert attention.zones == () and attention.events == () and attention.progress.shape == (0,)


def test_a_nan_pose_stays_nan_and_harms_no_other() -> None:
    rotations = facing((5, 0), (0, 0))
    rotations[1] = np.nan
    attention = AttentionMeter(None, [ROAD])(0.0, seen(rotations))
    assert np.isnan(attention.angles[1]).all() and np.isnan(attention.rotation[1]).all()
    np.testing.assert_allclose(attention.angles[0], [5, 0, 0], atol=1e-4)
    assert attention.zones == ("road", None)


@pytest.mark.parametrize("per", ["person", "mount"])
def test_while_learning_nothing_is_known(per: str) -> None:
    meter = AttentionMeter(NeutralLearner(1.0, per=per), [ROAD], after_s=0.5)  # type: ignore[arg-type]
    for t in np.arange(0, 1, 0.1):
        attention = meter(float(t), seen(facing((50, 20))))
        assert np.isnan(attention.angles).all() and attention.zones == (None,) and attention.events == ()
        np.testing.assert_allclose(attention.progress, t, atol=1e-6)
    for t in np.arange(1.0, 3, 0.1):
        attention = meter(float(t), seen(facing((50, 20))))
        np.testing.assert_allclose(attention.angles, 0, atol=1e-3)
        assert attention.zones == ("road",) and attention.progress.tolist() == [1.0]
        assert attention.spread_deg < 0.01 and attention.events == ()


def test_learned_angles_are_those_of_the_persons_turns(rng: np.random.Generator) -> None:
    """Two people, each before a camera of their own angle; afterwards they turn by known angles."""
    neutrals = neutral_poses(rng, 2)
    meter = AttentionMeter(NeutralLearner(30))
    at_s = times(rng, 31, 25)
    ways = np.array([looking_around(rng, at_s, n) for n in neutrals])
    for k, t in enumerate(at_s):
        meter(float(t), seen(ways[:, k], [8, 5]))
    turns = facing((20, 0), (0, -30))
    attention = meter(float(at_s[-1]) + 0.1, seen(neutrals @ turns, [8, 5]))
    assert g.geodesic_deg(attention.rotation, turns).max() < 0.5
    swapped = meter(float(at_s[-1]) + 0.2, seen((neutrals @ turns)[::-1], [5, 8]))
    np.testing.assert_array_equal(swapped.angles, attention.angles[::-1])


def test_a_learned_mount_can_be_used_next_time(rng: np.random.Generator, tmp_path: object) -> None:
    neutral = neutral_poses(rng, 1)
    meter = AttentionMeter(NeutralLearner(5, per="mount"))
    for t in np.arange(0, 6, 0.1):
        meter(float(t), seen(neutral))
    learned = meter.neutral()
    assert learned is not None
    path = tmp_path / "seat.json"  # type: ignore[operator]
    learned.save(path)
    again = AttentionMeter(NeutralPose.load(path))(0.0, seen(neutral @ facing((25, 0))))
    np.testing.assert_allclose(again.angles, [[25, 0, 0]], atol=1e-3)


def test_doubtful_poses_are_not_learned_from() -> None:
    meter = AttentionMeter(NeutralLearner(1.0))
    for t in np.arange(0, 5, 0.1):
        attention = meter(float(t), seen(facing((0, 0)), doubtful=[True]))
    assert attention.progress.tolist() == [0.0]


def test_pictures_have_zones_without_memory_and_no_events() -> None:
    meter = AttentionMeter(None, [ROAD], after_s=0)
    for yaw, zone in ((0.0, "road"), (16.0, None), (14.0, "road"), (60.0, None)):
        attention = meter(np.nan, seen(facing((yaw, 0.0)), [-1]))
        assert attention.zones == (zone,) and attention.events == ()
    assert meter(np.nan, seen(facing((0, 0)), [-1], [True])).zones == (None,)


def test_poses_cannot_be_learned_from_pictures() -> None:
    with pytest.raises(InputError, match="pictures"):
        AttentionMeter(NeutralLearner())(np.nan, seen(facing((0, 0))))


def test_a_step_back_in_time_starts_anew() -> None:
    """A looped file gives the same results each time."""
    meter = AttentionMeter(NeutralLearner(1.0), [ROAD], after_s=0.5, back_s=0.2)

    def once() -> list[object]:
        results: list[object] = []
        for t in np.arange(0, 4, 0.1).round(6):
            attention = meter(float(t), seen(facing((40.0 if 2 <= t < 3 else 0.0, 0.0))))
            results.append((attention.zones, attention.events, attention.angles.round(3).tolist()))
        return results

    first = once()
    assert any(events for _, events, _ in first)  # type: ignore[misc]
    assert repr(once()) == repr(first)


def test_reset_forgets_all() -> None:
    meter = AttentionMeter(NeutralLearner(1.0), [ROAD])
    for t in np.arange(0, 2, 0.1):
        meter(float(t), seen(facing((10, 0))))
    assert meter.neutral(0) is not None
    meter.reset()
    assert meter.neutral(0) is None
    assert np.isnan(meter(2.0, seen(facing((10, 0)))).angles).all()


def test_restless_people_are_noted() -> None:
    meter = AttentionMeter(NeutralLearner(5.0))
    for t in np.arange(0, 6, 0.05):
        attention = meter(float(t), seen(facing((50 * np.sin(t), 40 * np.sin(1.7 * t)))))
    assert len(meter.notes) == 1 and "track 0" in meter.notes[0]
    assert attention.spread_deg[0] > 12
    assert AttentionMeter().notes == ()


@pytest.mark.parametrize(
    ("neutral", "fragment"),
    [("person", "numbers"), (np.eye(4), "shape"), ((1, 2, np.inf), "finite"), (5, "shape"), (np.zeros((3, 3)), "rota")],
)
def test_other_neutral_poses_are_refused(neutral: object, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        AttentionMeter(neutral)  # type: ignore[arg-type]


def test_wrong_frames_are_refused() -> None:
    meter = AttentionMeter()
    with pytest.raises(InputError, match="finite"):
        meter(np.inf, seen(facing((0, 0))))
    with pytest.raises(InputError, match="unique"):
        meter(0.0, seen(facing((0, 0), (1, 1)), [2, 2]))
