"""NeutralLearner: staged people with known neutral poses, glances, noise, jitter and drops."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from staged_people import facing, looking_around, neutral_poses, times

from hpe_edge import InputError
from hpe_edge import geometry as g
from hpe_edge.attention import learner as learner_module
from hpe_edge.attention.learner import NeutralLearner
from hpe_edge.attention.neutral import NeutralPose

Float64Array = NDArray[np.float64]
WANTED_DEG = 0.5


def learn(
    learner: NeutralLearner, at_s: Float64Array, rotations: Float64Array, usable: NDArray[np.bool_] | None = None
) -> list[list[float]]:
    """Poses ``[N, T, 3, 3]`` of identities 0 to N - 1 through the learner; returns the progress at each time."""
    ids = np.arange(len(rotations))
    every = np.ones((len(rotations), len(at_s)), np.bool_) if usable is None else usable
    return [
        learner.observe(float(t), rotations[:, k].astype(np.float32), ids, every[:, k])[1] for k, t in enumerate(at_s)
    ]


def errors_deg(learner: NeutralLearner, neutrals: Float64Array) -> Float64Array:
    learned = [learner.pose(i) for i in range(len(neutrals))]
    assert all(learned)
    return np.array([g.geodesic_deg(pose.rotation, n) for pose, n in zip(learned, neutrals, strict=True) if pose])


@pytest.mark.parametrize("fps", [10, 30])
@pytest.mark.parametrize("side", [(35.0, 0.0, 0.0), (-30.0, 10.0, 0.0), (0.0, -25.0, 0.0)])
def test_glances_do_not_move_the_neutral_pose_of_any_mount(
    rng: np.random.Generator, side: tuple[float, float, float], fps: float
) -> None:
    # 650 poses ahead; even their mean is off by 0.14 degrees (root mean square).
    learn_s = 1200 / fps
    at_s = times(rng, 1.05 * learn_s, fps)
    neutrals = neutral_poses(rng, 20)
    learner = NeutralLearner(learn_s)
    learn(learner, at_s, np.array([looking_around(rng, at_s, n, side=side) for n in neutrals]))
    assert errors_deg(learner, neutrals).max() < WANTED_DEG


@pytest.mark.parametrize("side", [(-20.0, 5.0, 0.0), (0.0, -15.0, 0.0), (12.0, 0.0, 0.0)])
def test_short_glances_move_it_by_less_than_a_degree(
    rng: np.random.Generator, side: tuple[float, float, float]
) -> None:
    """Poses on the way of the turn lie near the neutral pose on one side."""
    at_s = times(rng, 35, 25)
    neutrals = neutral_poses(rng, 20)
    learner = NeutralLearner(30)
    learn(learner, at_s, np.array([looking_around(rng, at_s, n, side=side) for n in neutrals]))
    assert errors_deg(learner, neutrals).max() < 1.0


def test_twenty_seconds_are_enough_for_most_people(rng: np.random.Generator) -> None:
    at_s = times(rng, 21, 25)
    neutrals = neutral_poses(rng, 60)
    learner = NeutralLearner(20)
    learn(learner, at_s, np.array([looking_around(rng, at_s, n) for n in neutrals]))
    assert np.percentile(errors_deg(learner, neutrals), 95) < WANTED_DEG


def test_without_glances_it_is_nearly_as_exact_as_the_mean(rng: np.random.Generator) -> None:
    at_s = np.arange(0, 20.05, 0.05)
    neutrals = neutral_poses(rng, 40)
    rotations = np.array([looking_around(rng, at_s, n, glances=0.0) for n in neutrals])
    learner = NeutralLearner(20)
    learn(learner, at_s, rotations)
    left, _, right = np.linalg.svd(rotations.sum(axis=1))
    of_mean, ours = g.geodesic_deg(left @ right, neutrals), errors_deg(learner, neutrals)
    assert np.sqrt(np.mean(ours**2)) < 1.25 * np.sqrt(np.mean(of_mean**2))


def test_time_counts_not_frames(rng: np.random.Generator) -> None:
    """Six seconds ahead at 6 frames a second, four to the side at 60."""
    neutral = facing((20, -10))[0]
    ahead, aside = np.arange(0, 6, 1 / 6), np.arange(6, 10.01, 1 / 60)
    rotations = np.concatenate(
        [looking_around(rng, ahead, neutral, glances=0), looking_around(rng, aside, neutral @ facing((35, 0))[0])]
    )
    learner = NeutralLearner(10)
    learn(learner, np.concatenate([ahead, aside]), rotations[None])
    pose = learner.pose(0)
    assert pose is not None and g.geodesic_deg(pose.rotation, neutral) < 2


def test_progress_and_the_pose_come_on_time() -> None:
    learner = NeutralLearner(2.0)
    at_s = np.arange(0, 3, 0.1)
    progress = learn(learner, at_s, np.tile(facing((5, 5)), (1, len(at_s), 1, 1)))
    np.testing.assert_allclose([p[0] for p in progress], np.minimum(at_s / 2, 1), atol=1e-9)
    again = NeutralLearner(2.0)
    for k, t in enumerate(at_s):
        found, _ = again.observe(float(t), facing((5, 5)), np.array([0]), np.array([True]))
        assert (found[0] is not None) == (k >= 20)


def test_doubtful_poses_are_left_out(rng: np.random.Generator) -> None:
    neutrals = neutral_poses(rng, 5)
    at_s = np.arange(0, 61, 0.1)
    rotations = np.array([looking_around(rng, at_s, n, glances=0) for n in neutrals])
    false = rng.random((5, len(at_s))) < 0.7
    rotations[false] = facing((0, 80))[0]
    learner = NeutralLearner(10)
    learn(learner, at_s, rotations, ~false)
    # A tenth of the time is seen; 100 poses remain.
    assert errors_deg(learner, neutrals).max() < 1.0


def test_absence_does_not_count() -> None:
    learner = NeutralLearner(10)
    here, there = facing((0, 0)), facing((30, 0))
    at_s = np.concatenate([np.arange(0, 3, 0.1), np.arange(30, 40, 0.1)])
    rotations = np.concatenate([np.tile(there, (30, 1, 1)), np.tile(here, (100, 1, 1))])
    progress = learn(learner, at_s, rotations[None])
    assert progress[30][0] < 0.35 and progress[100][0] == 1
    pose = learner.pose(0)
    assert pose is not None and g.geodesic_deg(pose.rotation, here[0]) < 1e-3


def test_at_a_low_frame_rate_learning_takes_longer() -> None:
    learner = NeutralLearner(10)
    progress = learn(learner, np.arange(0.0, 60.0, 1.0), np.tile(facing((0, 0)), (1, 60, 1, 1)))
    assert progress[10][0] < 0.25 and progress[50][0] == 1


def test_a_mount_is_learned_from_all_who_sit_there(rng: np.random.Generator) -> None:
    neutral = neutral_poses(rng, 1)[0]
    learner = NeutralLearner(30, per="mount")
    at_s = times(rng, 31, 25)
    rotations = looking_around(rng, at_s, neutral)
    for k, t in enumerate(at_s):
        found, progress = learner.observe(float(t), rotations[[k]], np.array([k // 100 - 1]), np.array([True]))
    assert found[0] is learner.pose() and progress == [1.0]
    assert g.geodesic_deg(learner.pose().rotation, neutral) < WANTED_DEG  # type: ignore[union-attr]


def test_people_at_once_in_front_of_a_mount_share_the_time() -> None:
    learner = NeutralLearner(2.0, per="mount")
    for t in np.arange(0, 2.05, 0.1):
        found, progress = learner.observe(float(t), facing((9, 0), (9, 0), (40, 0)), np.arange(3) - 1, np.ones(3, bool))
        np.testing.assert_allclose(progress, min(t / 2, 1), atol=1e-9)
    assert found[0] is not None
    np.testing.assert_allclose(found[0].angles, [9, 0, 0], atol=1e-4)


def test_faces_without_an_identity_are_not_learned_per_person() -> None:
    learner = NeutralLearner(1.0)
    for t in np.arange(0, 3, 0.1):
        found, progress = learner.observe(float(t), facing((0, 0), (0, 0)), np.array([-1, 4]), np.ones(2, bool))
    assert found[0] is None and progress[0] == 0 and found[1] is not None


def test_a_head_that_is_never_still_is_reported(rng: np.random.Generator) -> None:
    at_s = np.arange(0, 21, 0.05)
    rotations = np.stack(
        [
            g.rotation_from_euler(np.stack([40 * np.sin(at_s), 30 * np.sin(1.7 * at_s), 0 * at_s], axis=1)),
            looking_around(rng, at_s, np.eye(3)),
        ]
    ).astype(np.float64)
    learner = NeutralLearner(20)
    learn(learner, at_s, rotations)
    restless, calm = learner.pose(0), learner.pose(1)
    assert isinstance(restless, NeutralPose) and not restless.steady and restless.spread_deg > 15
    assert isinstance(calm, NeutralPose) and calm.steady and calm.spread_deg < 8
    assert len(learner.notes) == 1 and "track 0" in learner.notes[0]


def test_memory_is_bounded(rng: np.random.Generator) -> None:
    """A long learning keeps its accuracy in the poses that it keeps."""
    at_s = np.arange(0, 501, 0.05)
    neutral = neutral_poses(rng, 1)
    learner = NeutralLearner(500)
    rotations = np.array([looking_around(rng, at_s, neutral[0])])
    for k, t in enumerate(at_s):
        learner.observe(float(t), rotations[:, k], np.array([0]), np.array([True]))
        study = learner._studies[0]
        assert len(study._weights) == len(study._quaternions) <= learner_module._MOST_POSES
        assert study.pose is not None or abs(sum(study._weights) - study.seconds) <= 0.2
    assert errors_deg(learner, neutral).max() < WANTED_DEG


def test_who_is_gone_for_long_is_forgotten() -> None:
    learner = NeutralLearner(0.2)
    for k in range(1000):
        learner.observe(k * 1.0, facing((0, 0)), np.array([k]), np.array([True]))
    assert len(learner._studies) <= 62
    assert learner.pose(0) is None


def test_reset_learns_anew() -> None:
    learner = NeutralLearner(1.0)
    at_s = np.arange(0, 1.05, 0.1)
    learn(learner, at_s, np.tile(facing((10, 0)), (1, 11, 1, 1)))
    assert learner.pose(0) is not None
    learner.reset()
    assert learner.pose(0) is None


def test_wrong_use_is_refused() -> None:
    with pytest.raises(InputError, match="learn_s"):
        NeutralLearner(0)
    with pytest.raises(InputError, match="person or mount"):
        NeutralLearner(per="seat")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="per mount"):
        NeutralLearner(per="mount").pose(3)
    with pytest.raises(InputError, match="per person"):
        NeutralLearner().pose()
