"""Views of drawn faces: the pose that is read from the pixels is the label."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_faces import BLUE, RED, drawn_pool, place_of, poses, read

from export.distillation import views
from export.distillation.views import Pool, Views, upright_views
from export.teaching.arrays import BATCH, SIDE, Labels
from hpe_edge.geometry import geodesic_deg, rotation_from_zxy, zxy_from_rotation
from hpe_edge.spec import Crop, Input

CROP = Crop(margins=(0.125,) * 4)
RGB = Input(size=112, color="RGB", scale=1 / 255, mean=(0.5,) * 3, std=(0.25,) * 3)
BGR = replace(RGB, color="BGR")
FACES = 30


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """No disturbance, no other background."""
    monkeypatch.setattr(views, "disturbed", lambda image, rng: image)
    monkeypatch.setattr(views, "_BACKGROUND_SHARE", 0.0)


@pytest.fixture(scope="module")
def pool() -> Pool:
    found = drawn_pool(poses(FACES))
    widths = 1.0 + np.arange(FACES)[:, None] + np.array([0.0, 0.1, 0.2])  # tell which face it is
    return replace(found, labels=Labels(found.labels.rotations, widths))


def bgr(crop: np.ndarray, input: Input) -> np.ndarray:
    image = crop.transpose(1, 2, 0)
    return image if input.color == "BGR" else image[..., ::-1]


@pytest.mark.parametrize("input", [RGB, BGR], ids=["RGB", "BGR"])
@pytest.mark.usefixtures("plain")
def test_the_label_is_the_pose_of_the_picture(input: Input, pool: Pool) -> None:
    batch = Views(pool, CROP, input)(3)
    assert batch.crops.shape == (BATCH, 3, 112, 112) and batch.crops.dtype == np.uint8
    seen = rotation_from_zxy(np.stack([read(bgr(crop, input)) for crop in batch.crops]))
    apart = geodesic_deg(seen, batch.rotations)
    assert np.median(apart) < 1.5 and apart.max() < 5, apart.max()


@pytest.mark.usefixtures("plain")
def test_the_face_of_a_view_has_its_yaw_and_widths_and_half_are_mirrored(pool: Pool) -> None:
    batches = [Views(pool, CROP, RGB)(step) for step in range(4)]
    rotations, widths = (np.concatenate([getattr(each, name) for each in batches]) for name in ("rotations", "widths"))
    faces = np.rint(widths[:, 0] - 1).astype(int)
    np.testing.assert_allclose(widths, pool.labels.widths[faces], atol=1e-4)
    yaw, pitch, _ = zxy_from_rotation(rotations).T
    wanted = zxy_from_rotation(pool.labels.rotations[faces])
    np.testing.assert_allclose(np.abs(yaw), np.abs(wanted[:, 0]), atol=1e-3)
    np.testing.assert_allclose(pitch, wanted[:, 1], atol=1e-3)
    mirrored = np.sign(yaw) != np.sign(wanted[:, 0])
    assert mirrored.mean() == pytest.approx(0.5, abs=0.1)
    assert len(set(faces.tolist())) > 0.9 * FACES


@pytest.mark.usefixtures("plain")
def test_most_views_stand_upright_and_some_at_any_angle() -> None:
    shown = Views(drawn_pool(poses(10, roll=60.0)), CROP, RGB)
    roll = np.abs(np.concatenate([zxy_from_rotation(shown(step).rotations)[:, 2] for step in range(12)]))
    # 79 % normal of 8 degrees, 16 % even to 60, 5 % even to 180
    for limit, share in ((16, 0.79 * 0.954 + 0.16 * 16 / 60 + 0.05 * 16 / 180), (60, 0.95 + 0.05 / 3)):
        assert (roll < limit).mean() == pytest.approx(share, abs=0.05)
    assert roll.max() > 120


@pytest.mark.usefixtures("plain")
def test_boxes_vary_about_the_crop(pool: Pool) -> None:
    shown = Views(pool, CROP, RGB)
    crops = np.concatenate([shown(step).crops for step in range(6)])
    eyes, chin = (np.stack([place_of(bgr(each, RGB), color) for each in crops]) for color in (RED, BLUE))
    scale = np.log(np.linalg.norm(eyes - chin, axis=1) / (0.5 * 112 / 1.25))
    middle = (eyes + chin) / 2 / 112 * 1.25  # in box sides
    # 6 % vary three times as much, so variances are 1.48 times those of the others.
    assert scale.mean() == pytest.approx(0, abs=0.02) and scale.std() == pytest.approx(1.48**0.5 * 0.088, abs=0.018)
    assert middle.mean() == pytest.approx(0.625, abs=0.01)
    assert middle.std(axis=0) == pytest.approx(1.48**0.5 * 0.044, abs=0.01)
    assert np.abs(scale).max() > 2.5 * 0.09


@pytest.mark.usefixtures("plain")
def test_every_box_of_a_face_is_taken(pool: Pool) -> None:
    """The second boxes are twice as large, so half of the faces look half as large."""
    about = (pool.boxes[..., :2] + pool.boxes[..., 2:]) / 2
    larger = np.concatenate([about - 96, about + 96], axis=-1).astype(np.float32)
    shown = Views(replace(pool, boxes=np.concatenate([pool.boxes, larger], axis=1)), CROP, RGB)
    crops = np.concatenate([shown(step).crops for step in range(3)])
    sizes = [np.linalg.norm(place_of(bgr(each, RGB), RED) - place_of(bgr(each, RGB), BLUE)) for each in crops]
    assert (np.array(sizes) < 32).mean() == pytest.approx(0.5, abs=0.12)


def test_rare_poses_and_weights_count() -> None:
    """90 nearly frontal faces and 10 that are turned: 90^0.3 and 10^0.3 share; a weight of 0 is never drawn."""
    zxy = np.zeros((100, 3))
    zxy[:, 0] = np.where(np.arange(100) < 10, 60.0, 5.0)
    base = drawn_pool(zxy[:1])
    labels = Labels(rotation_from_zxy(zxy), np.full((100, 3), 2.0))
    pictures, boxes = base.pictures.repeat(100, axis=0), base.boxes.repeat(100, axis=0)
    shown = Views(Pool(pictures, boxes, labels, np.ones(100)), CROP, RGB)
    yaw = np.abs(np.concatenate([zxy_from_rotation(shown(step).rotations)[:, 0] for step in range(8)]))
    assert (yaw > 30).mean() == pytest.approx(10**0.3 / (10**0.3 + 90**0.3), abs=0.06)
    none = Views(Pool(pictures, boxes, labels, (np.arange(100) >= 10).astype(float)), CROP, RGB)
    assert np.abs(zxy_from_rotation(none(0).rotations)[:, 0]).max() < 30


def test_another_background_leaves_the_face(monkeypatch: pytest.MonkeyPatch) -> None:
    """Faces of one level each: the middle of a view is its own, the corners are any."""
    monkeypatch.setattr(views, "disturbed", lambda image, rng: image)
    monkeypatch.setattr(views, "_BACKGROUND_SHARE", 1.0)
    base, levels = drawn_pool(np.zeros((1, 3))), np.array([40, 90, 140, 190], np.uint8)
    pictures = np.broadcast_to(levels[:, None, None, None], (4, SIDE, SIDE, 3))
    labels = Labels(np.eye(3)[None].repeat(4, axis=0), 2.0 + np.arange(4.0)[:, None] * np.ones(3))
    batch = Views(Pool(pictures, base.boxes.repeat(4, axis=0), labels, np.ones(4)), CROP, RGB)(0)
    own = levels[np.rint(batch.widths[:, 0] - 2).astype(int)]
    np.testing.assert_array_equal(batch.crops[:, :, 56, 56], np.repeat(own[:, None], 3, axis=1))
    corners = batch.crops[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners != own[:, None]).any(axis=1).mean() > 0.4


def test_a_step_is_always_the_same_and_views_are_disturbed(pool: Pool) -> None:
    shown = Views(pool, CROP, RGB)
    one, again, other = shown(7), Views(pool, CROP, RGB)(7), shown(8)
    for name in ("crops", "rotations", "widths"):
        np.testing.assert_array_equal(getattr(one, name), getattr(again, name))
        assert not np.array_equal(getattr(one, name), getattr(other, name))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(views, "disturbed", lambda image, rng: image)
        assert not np.array_equal(one.crops, shown(7).crops)


@pytest.mark.parametrize("input", [RGB, BGR], ids=["RGB", "BGR"])
def test_upright_views_have_no_roll_and_the_first_box(input: Input) -> None:
    zxy = poses(12, roll=30.0)
    pool = drawn_pool(zxy)
    wrong = np.zeros_like(pool.boxes)
    faces = np.array([3, 0, 11, 5])
    batch = upright_views(replace(pool, boxes=np.concatenate([pool.boxes, wrong], axis=1)), CROP, input, faces)
    wanted = rotation_from_zxy(zxy[faces] * (1, 1, 0))
    assert geodesic_deg(batch.rotations, wanted).max() < 0.01
    seen = np.stack([read(bgr(crop, input)) for crop in batch.crops])
    assert geodesic_deg(rotation_from_zxy(seen), wanted).max() < 3
    places = np.stack([place_of(bgr(crop, input), RED) for crop in batch.crops])
    np.testing.assert_allclose(places, np.tile([56, 56 - 0.25 * 112 / 1.25], (4, 1)), atol=0.3)
