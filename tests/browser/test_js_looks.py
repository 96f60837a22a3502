"""The detector's other looks in JavaScript against Python's: close, small and lying faces."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from js_calls import Js, rgba
from test_detector_looks import PHOTO, placed
from test_js_detector import check

from hpe_edge import Detector, open_detector
from hpe_edge.faces.grids.anchor_free import GridDetector
from hpe_edge.faces.grids.looks import Look, parts_of_faces
from hpe_edge.models import FACE_DETECTOR
from hpe_edge.samples import FOLDER


@pytest.fixture(scope="module")
def detector() -> Detector:
    return open_detector("face-detector", threads=1)


@pytest.fixture
def finding(js: Js) -> Js:
    js("loadDetector", file=FACE_DETECTOR.read_bytes())
    return js


def looks_of(detector: Detector, frame: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> list[Look]:
    seen: list[Look] = []
    found = GridDetector._found
    with monkeypatch.context() as patch:
        patch.setattr(
            GridDetector, "_found", lambda self, picture, look: (seen.append(look), found(self, picture, look))[1]
        )
        detector(frame)
    return seen


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("name", ["astronaut.jpg", "grace_hopper.jpg"])
def test_faces_that_lie(finding: Js, detector: Detector, name: str, quarters: int) -> None:
    frame = np.ascontiguousarray(np.rot90(cv2.imread(str(FOLDER / name)), quarters))
    check(finding("find", frame=rgba(frame)), detector(frame))


@pytest.mark.parametrize("size", [(640, 480), (1000, 1000)])
@pytest.mark.parametrize("part", [0.5, 0.9, 1.05])
def test_close_faces(finding: Js, detector: Detector, size: tuple[int, int], part: float) -> None:
    frame, _ = placed(part * size[1] / 124, *size)
    check(finding("find", frame=rgba(frame)), detector(frame))


def test_small_faces(finding: Js, detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, _ = placed(20 / 88, 1280, 640)
    frame[:] = np.where(frame == 0, 90, frame)
    check(finding("find", frame=rgba(frame)), detector(frame))
    assert any(look.size[0] > 640 for look in looks_of(detector, frame, monkeypatch))


def test_frames_without_a_face(finding: Js, detector: Detector) -> None:
    for width, height in ((37, 21), (200, 320), (900, 700)):
        frame = np.repeat(np.linspace(0, 255, width).astype(np.uint8)[None, :, None], height, axis=0).repeat(3, axis=2)
        assert len(detector(frame)) == 0
        assert finding("find", frame=rgba(frame)) == []


def test_many_small_faces(finding: Js, detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = cv2.imread(str(FOLDER / "astronaut.jpg"))[40:240, 120:320]  # its face is 88 pixels high
    small = cv2.resize(photo, None, fx=6 / 88, fy=6 / 88, interpolation=cv2.INTER_AREA)
    frame = np.full((700, 900, 3), 90, np.uint8)
    for row in range(4):
        for column in range(5):
            y, x = 60 + 150 * row + 7 * column, 70 + 160 * column + 5 * row
            frame[y : y + len(small), x : x + small.shape[1]] = small
    assert len(detector(frame)) > 4
    check(finding("find", frame=rgba(frame)), detector(frame))
    assert any(look.size[0] > 640 for look in looks_of(detector, frame, monkeypatch))


def test_the_other_looks_matter(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the pictures above asks for the look that it is for."""
    assert len(looks_of(detector, PHOTO, monkeypatch)) == 2
    lying = looks_of(detector, np.ascontiguousarray(np.rot90(PHOTO)), monkeypatch)
    assert [look.quarters for look in lying] == [0, 0, 1, 2, 3]
    parts: list[int] = []
    monkeypatch.setattr(
        "hpe_edge.faces.grids.anchor_free.parts_of_faces",
        lambda *given: (parts.append(np.count_nonzero(parts_of_faces(*given))), parts_of_faces(*given))[1],
    )
    for part in (0.5, 0.9, 1.05):
        detector(placed(part * 480 / 124, 640, 480)[0])
    assert sum(parts) > 0
