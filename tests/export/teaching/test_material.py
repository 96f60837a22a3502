"""Options of teachers and faces, and what is refused."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from export.teaching.material import TeacherChoice, add_material_options, checked_material
from hpe_edge.errors import InputError
from hpe_edge.faces.detector import DEFAULT_DETECTOR


def parsed(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_material_options(parser)
    return parser.parse_args([*options, "--images", "photos"])


@pytest.mark.parametrize(
    ("text", "weights"),
    [
        ("a.onnx", (1, 1, 1)),
        ("a.onnx=2", (2, 2, 2)),
        ("a.onnx=1.3,0.5,0", (1.3, 0.5, 0)),
    ],
)
def test_a_teacher_and_its_weights(text: str, weights: tuple[float, ...]) -> None:
    assert parsed("--teacher", text).teachers == [TeacherChoice(Path("a.onnx"), weights)]


@pytest.mark.parametrize(
    ("text", "name", "weight"),
    [
        ("runs/lr=0.1/a.pth", "runs/lr=0.1/a.pth", 1),
        ("runs/lr=0.1/a.pth=2", "runs/lr=0.1/a.pth", 2),
        ("a=x.pth", "a=x.pth", 1),
        ("lr=3=1", "lr=3", 1),
    ],
)
def test_a_name_may_contain_an_equals_sign(text: str, name: str, weight: float) -> None:
    assert parsed("--teacher", text).teachers == [TeacherChoice(Path(name), (weight,) * 3)]


def test_teachers_stay_in_order_and_aligned_ones_are_known() -> None:
    found = parsed("--aligned-teacher", "b.onnx=1,2,3", "--teacher", "a.pth").teachers
    assert found == [TeacherChoice(Path("b.onnx"), (1, 2, 3), True), TeacherChoice(Path("a.pth"))]


@pytest.mark.parametrize("text", ["a=1,2", "a=1,2,3,4", "a=-1", "a=nan", "a=inf", "a=0", "a=0,0,0"])
def test_wrong_weights(text: str) -> None:
    with pytest.raises(argparse.ArgumentError, match="MODEL=W1,W2,W3"):
        parsed("--teacher", text)


def checked(**changed: Any) -> Any:
    given: dict[str, Any] = {
        "teachers": "a.onnx",
        "images": "photos",
        "boxes": None,
        "boxes_from": "landmarks",
        "detectors": (),
    }
    return checked_material(**{**given, **changed})


def test_single_names_and_lists_are_taken() -> None:
    one = checked()
    assert one == checked(teachers=[TeacherChoice(Path("a.onnx"))], images=[Path("photos")])
    assert one.detectors == (DEFAULT_DETECTOR,)
    several = checked(teachers=["a.onnx", Path("b.pth")], images=["x", "y"], detectors=["yunet", Path("d.onnx")])
    assert [choice.path.name for choice in several.teachers] == ["a.onnx", "b.pth"]
    assert several.detectors == ("yunet", "d.onnx")
    assert ("--teacher", Path("b.pth")) in several.inputs and ("--images", Path("y")) in several.inputs


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"teachers": []}, "at least one teacher"),
        ({"images": []}, "one folder of images"),
        ({"teachers": [TeacherChoice(Path("a"), aligned=True)]}, "must not be aligned"),
        ({"teachers": [TeacherChoice(Path("a"), (1, -1, 1))]}, "not below 0"),
        ({"teachers": [TeacherChoice(Path("a"), (1, 1, 0)), TeacherChoice(Path("b"), (1, 0, 0))]}, "in profile"),
        ({"boxes_from": "nothing known", "boxes": "b.csv"}, "nothing known"),
        ({"boxes_from": "yunet"}, "--boxes, which is missing"),
        ({"boxes": "b.csv", "detectors": ["yunet"]}, "replaces --detector"),
        ({"boxes": "b.csv", "images": ["x", "y"]}, "of one --images"),
    ],
)
def test_what_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(**changed)
