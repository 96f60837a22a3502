"""Looks of a teacher: a pose read in a turned, mirrored, shifted picture comes back as that of the plain one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from drawn_faces import drawn_patches, poses, reader

from export.teaching import teachers
from export.teaching.teachers import LOOKS, cached_looks, look, open_teacher
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.geometry import geodesic_deg, rotation_from_zxy

FACES = 9  # the last chunk is not full


def test_turns_and_mirrors_are_undone() -> None:
    zxy = poses(FACES)
    looks = look(reader(), drawn_patches(zxy))
    assert looks.shape == (FACES, LOOKS, 3, 3) and looks.dtype == np.float32
    apart = geodesic_deg(looks, rotation_from_zxy(zxy)[:, None])
    assert apart.max() < 2.0, apart  # from half pixels; turns are 6 degrees and yaws 40
    assert np.abs(np.linalg.det(looks) - 1).max() < 1e-5


def test_the_looks_differ_and_some_are_mirrored() -> None:
    """A teacher that gives one pose: its looks differ by the turns alone, and every second one is mirrored."""
    looks = look(reader(lambda zxy: np.array([20.0, 0.0, 0.0])), drawn_patches(poses(FACES)))
    yaw = np.rad2deg(np.arctan2(-looks[..., 2, 0], looks[..., 2, 2]))
    np.testing.assert_allclose(yaw, np.tile([20, -20, 20, -20], (FACES, 1)), atol=1e-3)
    roll = np.rad2deg(np.arctan2(-looks[..., 0, 1], looks[..., 1, 1]))
    assert 3 < roll.std() < 10


def test_the_same_faces_give_the_same_looks() -> None:
    patches = drawn_patches(poses(3))
    np.testing.assert_array_equal(look(reader(), patches), look(reader(), patches))


def test_a_teacher_of_nan_is_refused() -> None:
    with pytest.raises(ModelError, match="NaN"):
        look(reader(lambda zxy: zxy * np.nan), drawn_patches(poses(2)))


def test_looks_are_kept_for_one_file_and_one_set_of_faces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    patches, teacher = drawn_patches(poses(2)), reader()
    first, known = cached_looks(teacher, patches, tmp_path)
    assert not known
    with monkeypatch.context() as patch:
        patch.setattr(teachers, "look", None)
        again, known = cached_looks(teacher, patches, tmp_path)
    assert known
    np.testing.assert_array_equal(first, again)
    assert not cached_looks(replace(teacher, sha256="1" * 64), patches, tmp_path)[1]
    assert not cached_looks(teacher, drawn_patches(poses(2, seed=1)), tmp_path)[1]
    upright = replace(teacher.spec, upright="second-pass")  # of the engine alone
    assert cached_looks(replace(teacher, spec=upright), patches, tmp_path)[1]
    wider = replace(teacher.spec, crop=replace(teacher.spec.crop, margins=(0.2,) * 4))
    assert not cached_looks(replace(teacher, spec=wider), patches, tmp_path)[1]


def test_a_missing_teacher_is_named(tmp_path: Path) -> None:
    for name in ("nothing.onnx", "nothing.pth"):
        with pytest.raises(ModelNotFoundError, match=name):
            open_teacher(tmp_path / name)


def test_a_checkpoint_of_no_family_says_that_onnx_files_teach_too(tmp_path: Path) -> None:
    torch.save({"layer.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ModelError, match="export onnx"):
        open_teacher(tmp_path / "other.pth")


def test_a_checkpoint_and_its_onnx_file_see_the_same(checkpoint: Path, exported, lightweight_state) -> None:  # type: ignore[no-untyped-def]
    patches = drawn_patches(poses(2))
    one, two = (look(open_teacher(path), patches) for path in (checkpoint, exported("teacher", lightweight_state)))
    assert geodesic_deg(one, two).max() < 0.05
