"""Measures of models whose behaviour is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from drawn_faces import SPEC, drawn_pool, poses, reader

from export.distillation.disturbances import DISTURBANCES
from export.distillation.views import Pool
from export.judging.measures import AGREEMENT, ANGLES, BOXES, MIRROR, measure
from export.teaching.teachers import Teacher
from hpe_edge.geometry import euler_from_rotation, geodesic_deg, rotation_from_zxy

FACES = 11  # the last chunk is not full


@pytest.fixture(scope="module")
def faces() -> Pool:
    return drawn_pool(poses(FACES, roll=4.0))


def seer(see: Callable[[np.ndarray], list[float]], color: str = "RGB") -> Teacher:
    """A model that gives yaw, pitch and roll (zxy) of a crop ``[3, S, S]``."""

    def run(crops: np.ndarray) -> list[np.ndarray]:
        return [euler_from_rotation(rotation_from_zxy(np.array([see(each) for each in crops]))).astype(np.float32)]

    return Teacher("seer", "0" * 64, replace(SPEC, input=replace(SPEC.input, color=color)), lambda: run)


def test_a_model_that_reads_the_pose_is_right_and_consistent(faces: Pool) -> None:
    found = measure(reader(), faces)
    assert geodesic_deg(found.rotations, faces.labels.rotations).max() < 2
    for name in (AGREEMENT, MIRROR, "other boxes", "turned by 15 degrees", "turned by 40 degrees"):
        assert found.distances[name].shape == (FACES,)
        assert found.distances[name].max() < 2.5, name


def test_a_constant_pose_is_as_far_as_the_changes_are(faces: Pool) -> None:
    found = measure(seer(lambda crop: [20.0, 0.0, 0.0]), faces).distances
    constant = rotation_from_zxy(np.array([20.0, 0.0, 0.0]))
    np.testing.assert_allclose(found[AGREEMENT], geodesic_deg(constant, faces.labels.rotations), atol=1e-3)
    for name, apart in ((MIRROR, 40.0), ("turned by 15 degrees", 15.0), ("turned by 40 degrees", 40.0)):
        np.testing.assert_allclose(found[name], apart, atol=1e-2, err_msg=name)
    for name in (*BOXES, *DISTURBANCES):
        np.testing.assert_allclose(found[name], 0, atol=1e-6)


def test_faces_are_turned_to_both_sides() -> None:
    """A model that is blind to turns counter-clockwise errs on one side only."""
    blind = reader(lambda zxy: np.array([zxy[0], zxy[1], max(zxy[2], 0.0)]))
    found = measure(blind, drawn_pool(poses(FACES, roll=0.0))).distances
    np.testing.assert_allclose(found["turned by 15 degrees"], 7.5, atol=1)
    np.testing.assert_allclose(found["turned by 40 degrees"], 20, atol=1)


def test_an_offset_of_yaw_is_seen_in_agreement_and_in_the_mirror(faces: Pool) -> None:
    found = measure(reader(lambda zxy: zxy + np.array([10.0, 0.0, 0.0])), faces).distances
    np.testing.assert_allclose(found[AGREEMENT], 10, atol=2)
    np.testing.assert_allclose(found[ANGLES], 10 / 3, atol=1.5)
    np.testing.assert_allclose(found[MIRROR], 20, atol=3)


def test_light_and_blur_and_boxes_reach_the_model(faces: Pool) -> None:
    """Yaw follows the light, in degrees per level."""
    white = replace(faces, pictures=np.full_like(faces.pictures, 100))
    found = measure(seer(lambda crop: [0.5 * float(crop.mean()), 0.0, 0.0]), white).distances
    np.testing.assert_allclose(found["30 % of the light"], 0.7 * 50, atol=1)
    np.testing.assert_allclose(found[MIRROR], 100, atol=1)
    for name in ("other boxes", "blur of 4 % of the side", "JPEG, quality 20"):
        np.testing.assert_allclose(found[name], 0, atol=2)


def test_the_boxes_differ_in_size_and_place(faces: Pool) -> None:
    """Yaw is a share of the crop: left of a step from black to white at the face's middle."""
    picture = np.zeros_like(faces.pictures[:1])
    picture[:, :, picture.shape[2] // 2 :] = 255
    step = replace(faces, pictures=picture.repeat(FACES, axis=0))
    found = measure(seer(lambda crop: [100 * float((crop < 128).mean()), 0.0, 0.0]), step).distances
    # Only the box that moves to the right sees another share: 0.06 of its side, one of four, or 0.25, one of five.
    np.testing.assert_allclose(found["other boxes"], 100 * 0.06 / 1.25 / 4, atol=0.5)
    np.testing.assert_allclose(found["boxes far off"], 100 * 0.25 / 1.25 / 5, atol=0.5)


def test_colours_come_in_the_models_order(faces: Pool) -> None:
    blue = np.zeros_like(faces.pictures)
    blue[..., 0] = 200
    for color, channel in (("RGB", 2), ("BGR", 0)):
        model = seer(lambda crop, channel=channel: [float(crop[channel].mean()) / 10, 0.0, 0.0], color)  # type: ignore[misc]
        yaw = np.rad2deg(np.arcsin(measure(model, replace(faces, pictures=blue)).rotations[:, 0, 2]))
        np.testing.assert_allclose(yaw, 20, atol=0.1)
