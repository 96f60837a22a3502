"""Faces as callers give them: arrays, our detections, those of supervision."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from hpe_edge import BoxFit, Detections, InputError
from hpe_edge.faces.given_faces import given_faces

BOXES = [[10.0, 20, 60, 90], [100, 40, 160, 120]]
FIT = BoxFit(width=0.8, height=0.5, down=0.1)


def test_plain_boxes_are_taken_as_they_are() -> None:
    faces = given_faces(BOXES, None)
    np.testing.assert_array_equal(faces.boxes, np.float32(BOXES))
    assert faces.scores is None and faces.ids is None
    assert len(given_faces([], None).boxes) == 0


def test_boxes_of_a_detector_are_converted() -> None:
    faces = given_faces(BOXES, FIT)
    np.testing.assert_allclose(faces.boxes[0], [35 - 20, 62 - 17.5, 35 + 20, 62 + 17.5], rtol=1e-6)
    np.testing.assert_array_equal(faces.elsewhere, np.float32(BOXES))


def test_detections_of_ours_are_ready() -> None:
    given = Detections.from_boxes(BOXES, [0.5, 0.6], boxes_from=FIT)
    faces = given_faces(given, None)
    assert faces.elsewhere is None and faces.scores is given.scores
    np.testing.assert_array_equal(faces.boxes, given.boxes)
    with pytest.raises(InputError, match="converted already"):
        given_faces(given, FIT)


def test_supervision_brings_scores_and_identities() -> None:
    given = SimpleNamespace(
        xyxy=np.array(BOXES), confidence=np.array([0.5, 0.25]), tracker_id=np.array([7, None], object)
    )
    faces = given_faces(given, FIT)
    np.testing.assert_array_equal(faces.scores, np.float32([0.5, 0.25]))
    assert faces.ids is not None and faces.ids.tolist() == [7, -1] and faces.ids.dtype == np.int64
    bare = given_faces(SimpleNamespace(xyxy=np.array(BOXES), confidence=None, tracker_id=None), None)
    assert bare.scores is None and bare.ids is None


@pytest.mark.parametrize("scores", [[0.5], np.zeros((2, 2))])
def test_scores_that_do_not_fit_are_refused(scores: object) -> None:
    with pytest.raises(InputError, match="score"):
        Detections.from_boxes(BOXES, scores)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="confidence"):
        given_faces(SimpleNamespace(xyxy=np.array(BOXES), confidence=scores, tracker_id=None), None)
