"""The lesson: what is held out, what is kept between runs, and labels by teachers that read drawn faces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn_faces import face, head, poses, reader

from export.distillation import lesson
from export.distillation.lesson import Lesson, held_out_faces, make_folder, make_lesson
from export.teaching import teachers
from export.teaching.arrays import FACE, MIDDLE
from export.teaching.consensus import Consensus, Opinion
from export.teaching.material import Material, TeacherChoice
from hpe_edge.boxes.box_fit import BoxFit, MeasuredFit
from hpe_edge.errors import ModelError, OutputError
from hpe_edge.faces.detector import Detections
from hpe_edge.geometry import geodesic_deg, rotation_from_zxy

PICTURES, PER_PICTURE, SIDE_PX = 20, 2, 60
FACES = PICTURES * PER_PICTURE


@pytest.fixture
def said() -> list[str]:
    """Lines that were reported, with their stages."""
    return []


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Teachers by the names of their files, which need not be there."""
    found = {"a": reader(), "b": reader(name="b")}
    monkeypatch.setattr(lesson, "open_teacher", lambda path, report: found[path.name])
    return found  # type: ignore[return-value]


@pytest.fixture
def material(tmp_path: Path, known: dict[str, object]) -> Material:
    """Pictures with two drawn faces each, and their boxes."""
    photos, rows = tmp_path / "photos", ["file,x1,y1,x2,y2"]
    photos.mkdir()
    for number, zxy in enumerate(poses(FACES).reshape(PICTURES, PER_PICTURE, 3)):
        sides = [face(each, np.array([60.0, 60.0]), SIDE_PX, 120, 120) for each in zxy]
        cv2.imwrite(str(photos / f"{number:02}.png"), np.concatenate(sides, axis=1))
        rows += [f"{number:02}.png,{x - 30},30,{x + 30},90" for x in (60, 180)]
    (tmp_path / "boxes.csv").write_text("\n".join(rows))
    choices = (TeacherChoice(Path("a")), TeacherChoice(Path("b")))
    return Material(choices, (photos,), tmp_path / "boxes.csv", "landmarks", ())


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def made(material: Material, cache: Path, said: list[str]) -> Lesson:
    return make_lesson(material, cache, lambda stage, lines: said.extend(f"{stage}: {line}" for line in lines))


def test_labels_are_the_poses_and_held_out_faces_are_no_others(
    material: Material, cache: Path, said: list[str]
) -> None:
    found, truth = made(material, cache, said), rotation_from_zxy(poses(FACES))
    assert (len(found.pool.boxes), len(found.held_out.boxes)) == (FACES - 2, 2)  # one picture in 20
    rotations = np.concatenate([found.pool.labels.rotations, found.held_out.labels.rotations])
    apart = geodesic_deg(rotations[:, None], truth)
    assert apart.min(axis=1).max() < 3
    assert sorted(apart.argmin(axis=1).tolist()) == list(range(FACES))
    assert any(line.startswith("turning: no teacher") for line in said)


class Landmarks(torch.nn.Module):
    """Stands for a checkpoint of 3DDFA."""


@pytest.mark.parametrize("apart_deg", [0.0, 12.0])
def test_with_landmarks_faces_are_turned_where_the_teachers_agree(
    apart_deg: float,
    material: Material,
    cache: Path,
    said: list[str],
    known: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known["a"] = replace(reader(), net=Landmarks())
    known["b"] = reader(lambda zxy: zxy + np.array([0.0, apart_deg, 0.0]), name="b")
    monkeypatch.setattr(lesson, "ThreeDdfa", Landmarks)
    flat = np.stack([(head() @ each.T)[:, :2] for each in rotation_from_zxy(poses(FACES))])
    points = (FACE * flat + MIDDLE).astype(np.float32)
    monkeypatch.setattr(lesson, "landmarks_of", lambda net, patches: points)
    found = made(material, cache, said)
    turned = 2 * (FACES - 2) if apart_deg < 10 else 0
    # The teachers disagree on a few of the turned faces, which are left out.
    assert 0.9 * turned <= len(found.pool.boxes) - (FACES - 2) <= turned
    assert len(found.held_out.boxes) == 2
    assert found.pool.boxes.shape[1] == found.held_out.boxes.shape[1] == (2 if turned else 1)
    assert any(line.startswith("turning") for line in said) is not bool(turned)


def test_what_judges_is_what_the_lesson_holds_out(material: Material, cache: Path, said: list[str]) -> None:
    one, two = made(material, cache, said).held_out, held_out_faces(material, cache, lambda stage, lines: None)
    for name in ("pictures", "boxes"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    np.testing.assert_array_equal(one.labels.rotations, two.labels.rotations)


def test_the_second_time_nothing_is_computed(
    material: Material, cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(material, cache, said)
    assert not any("as cached" in line for line in said)
    monkeypatch.setattr(teachers, "look", None)
    monkeypatch.setattr(lesson, "read_patches", None)
    assert made(material, cache, said).digest == first.digest
    assert sum("as cached" in line for line in said) == 3  # the faces and two teachers


@pytest.mark.parametrize("part", ["rotations", "widths"])
def test_other_labels_are_another_lesson(
    part: str, material: Material, cache: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made(material, cache, said)
    assert made(material, cache, said).digest == first.digest
    agree = lesson.agree

    def agree_otherwise(opinions: Sequence[Opinion]) -> Consensus:
        found = agree(opinions)
        changed = getattr(found.labels, part).copy()
        changed[::5] *= 1.001
        return replace(found, labels=replace(found.labels, **{part: changed}))

    monkeypatch.setattr(lesson, "agree", agree_otherwise)
    assert made(material, cache, said).digest != first.digest


class Counted:
    """A detector that finds the two faces of each picture, and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, frame_bgr: np.ndarray) -> Detections:
        self.calls += 1
        # Enlarged twice, with a border of 36 pixels before that.
        middles = 2 * (np.array([[60.0, 60.0], [180.0, 60.0]]) + 36)
        boxes = np.concatenate([middles - SIDE_PX, middles + SIDE_PX], axis=1).astype(np.float32)
        return Detections(boxes, boxes, np.ones(2, np.float32))


def test_faces_belong_to_the_content_of_the_detectors_file(
    material: Material, cache: Path, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    detector = Counted()
    monkeypatch.setattr(lesson, "open_detector", lambda name: detector)
    one, two = tmp_path / "one.onnx", tmp_path / "two.onnx"
    one.write_bytes(b"weights")
    two.write_bytes(b"weights")
    found = replace(material, boxes=None, detectors=(str(one),))
    made(found, cache, said)
    assert detector.calls == PICTURES
    made(found, cache, said)
    made(replace(found, detectors=(str(two),)), cache, said)
    assert detector.calls == PICTURES
    one.write_bytes(b"others!")  # as long as before
    made(found, cache, said)
    assert detector.calls == 2 * PICTURES
    made(replace(found, detectors=("yunet",)), cache, said)
    made(replace(found, detectors=("yunet",)), cache, said)
    assert detector.calls == 3 * PICTURES


def test_faces_belong_to_the_content_of_the_fit(
    material: Material, cache: Path, said: list[str], tmp_path: Path
) -> None:
    fit = tmp_path / "fit.json"

    def sides(width: float) -> float:
        fit.write_text(MeasuredFit(BoxFit(width, height=1.0, down=0.0), 0, None, "by hand").to_json())
        boxes = made(replace(material, boxes_from=str(fit)), cache, said).pool.boxes
        return float(np.ptp(boxes[:, 0, ::2], axis=1).mean() / np.ptp(boxes[:, 0, 1::2], axis=1).mean())

    assert sides(1.0) == pytest.approx(1.0, abs=1e-3)
    assert sides(0.8) == pytest.approx(0.8, abs=1e-3)


def test_a_missing_picture_is_noticed(material: Material, cache: Path, said: list[str]) -> None:
    first = made(material, cache, said)
    (material.images[0] / "00.png").unlink()
    second = made(material, cache, said)
    assert len(second.pool.boxes) + len(second.held_out.boxes) == FACES - 2
    assert second.digest != first.digest


def test_a_picture_that_was_replaced_is_noticed(material: Material, cache: Path, said: list[str]) -> None:
    first = made(material, cache, said)
    (material.images[0] / "00.png").write_bytes((material.images[0] / "01.png").read_bytes())
    assert made(material, cache, said).digest != first.digest


def test_a_single_picture_teaches_and_judges(material: Material, cache: Path, said: list[str]) -> None:
    for path in sorted(material.images[0].iterdir())[1:]:
        path.unlink()
    found = made(material, cache, said)
    np.testing.assert_array_equal(found.pool.pictures, found.held_out.pictures)
    assert len(found.pool.boxes) == 2


def test_where_teachers_disagree_on_all_that_would_judge_it_says_so(
    material: Material, cache: Path, said: list[str], known: dict[str, object]
) -> None:
    known["b"] = reader(lambda zxy: zxy + np.array([0.0, 25.0, 0.0]), name="b")
    with pytest.raises(ModelError, match="--aligned-teacher"):
        made(material, cache, said)


def test_faces_of_a_picture_stay_together_and_a_twentieth_is_held_out() -> None:
    sources = np.sort(np.random.default_rng(0).integers(0, 400, 1200))
    kept, taught = lesson._split(sources)
    assert sorted([*kept, *taught]) == list(range(1200))
    assert not set(sources[kept]) & set(sources[taught])
    assert len(set(sources[kept])) == int(0.05 * len(set(sources)))


def test_more_than_the_limit_are_sampled_from_all_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = np.arange(20_000)
    every, taught = lesson._split(sources)
    assert len(every) == 1000
    monkeypatch.setattr(lesson, "_KEPT_MOST", 1000)
    np.testing.assert_array_equal(lesson._split(sources)[0], every)
    monkeypatch.setattr(lesson, "_KEPT_MOST", 100)
    some, same = lesson._split(sources)
    np.testing.assert_array_equal(same, taught)  # the others do not come back into the lesson
    assert len(some) == 100 == len(set(some)) and set(some) < set(every)
    assert (np.diff(some) > 0).all()
    quarters = np.histogram(some, bins=4, range=(0, 20_000))[0]
    assert quarters.min() > 12
    np.testing.assert_array_equal(lesson._split(sources)[0], some)


def test_folders_are_made_once(tmp_path: Path) -> None:
    make_folder(tmp_path / "new")
    make_folder(tmp_path / "new")
    assert (tmp_path / "new").is_dir()
    with pytest.raises(OutputError, match="nowhere"):
        make_folder(tmp_path / "nowhere" / "new")
