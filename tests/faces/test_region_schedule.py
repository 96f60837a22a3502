"""The schedule of a video: whole frames, regions between, lost faces, cuts, and frames of another size."""

from __future__ import annotations

import numpy as np
import pytest

from hpe_edge.errors import InputError
from hpe_edge.faces.detector import Detections
from hpe_edge.faces.grids.region_schedule import EVERY, RegionSchedule

FRAME = np.zeros((400, 600, 3), np.uint8)


class Scene:
    """Square faces that both looks see if they are told to; counts the looks."""

    def __init__(self, *faces: tuple[float, float, float]) -> None:
        self.faces = [np.array(face, np.float32) for face in faces]  # x, y of the centre, side
        self.unseen_whole: set[int] = set()
        self.whole, self.regions = 0, 0

    def box(self, i: int) -> np.ndarray:
        x, y, side = self.faces[i]
        return np.array([x - side / 2, y - side / 2, x + side / 2, y + side / 2], np.float32)

    def found(self, which: list[int]) -> Detections:
        which = sorted(which, key=lambda i: self.box(i)[0])
        boxes = np.array([self.box(i) for i in which], np.float32).reshape(-1, 4)
        points = np.repeat((boxes[:, None, :2] + boxes[:, None, 2:]) / 2, 5, axis=1)
        return Detections(boxes, boxes, np.full(len(boxes), 0.9, np.float32), points)

    def search(self, frame: np.ndarray) -> Detections:
        self.whole += 1
        return self.found([i for i in range(len(self.faces)) if i not in self.unseen_whole])

    def find_in(self, frame: np.ndarray, regions: np.ndarray) -> Detections:
        self.regions += len(regions)
        seen = []
        for x1, y1, x2, y2 in regions:
            for i, (x, y, side) in enumerate(self.faces):
                if x1 < x < x2 and y1 < y < y2 and 0.2 < side / (x2 - x1) < 0.7 and i not in seen:
                    seen.append(i)
        return self.found(seen)

    def schedule(self) -> RegionSchedule:
        return RegionSchedule(self.search, self.find_in)


def test_whole_frames_at_an_interval_and_regions_between() -> None:
    scene = Scene((100, 100, 40), (300, 200, 60))
    track = scene.schedule()
    for _ in range(2 * EVERY):
        assert len(track(FRAME)) == 2
    assert scene.whole == 2 and scene.regions == 2 * 2 * (EVERY - 1)


def test_a_moving_face_is_followed_by_its_motion() -> None:
    scene = Scene((50, 100, 20))
    track = scene.schedule()
    for frame in range(4 * EVERY):  # in the end by 1.3 of its sides a frame, out of a region around its last place
        np.testing.assert_allclose(track(FRAME).boxes, [scene.box(0)])
        scene.faces[0][0] += min(9 * (frame + 1), 27)
    assert scene.whole == 4


def test_a_lost_face_is_searched_in_the_whole_frame_at_once() -> None:
    scene = Scene((100, 100, 40))
    track = scene.schedule()
    track(FRAME)
    scene.faces[0] = np.array([400, 300, 90], np.float32)  # a cut
    np.testing.assert_allclose(track(FRAME).boxes, [scene.box(0)])
    assert scene.whole == 2
    track(FRAME)
    assert scene.whole == 2


def test_a_face_that_only_its_region_shows_is_kept_with_its_points() -> None:
    scene = Scene((300, 200, 60), (100, 100, 20))
    track = scene.schedule()
    track(FRAME)
    scene.unseen_whole = {1}
    for _ in range(3 * EVERY):
        found = track(FRAME)
        np.testing.assert_allclose(found.boxes, [scene.box(1), scene.box(0)])  # from left to right
        assert found.keypoints is not None and found.keypoints[0, 0, 0] == 100


def test_a_face_that_both_looks_find_counts_once() -> None:
    scene = Scene((100, 100, 40))
    track = scene.schedule()
    for _ in range(EVERY):
        track(FRAME)
    scene.faces[0][0] += 30  # the centre of its region is no longer in its box
    assert len(track(FRAME)) == 1 and scene.regions == EVERY


def test_a_new_face_is_found_within_the_interval() -> None:
    scene = Scene((100, 100, 40))
    track = scene.schedule()
    track(FRAME)
    scene.faces.append(np.array([300, 200, 60], np.float32))
    counts = [len(track(FRAME)) for _ in range(EVERY)]
    assert counts == [1] * (EVERY - 1) + [2]


def test_empty_frames_are_searched_at_the_interval() -> None:
    scene = Scene()
    track = scene.schedule()
    assert [len(track(FRAME)) for _ in range(2 * EVERY)] == [0] * 2 * EVERY
    assert scene.whole == 2 and scene.regions == 0


def test_another_frame_size_begins_anew() -> None:
    scene = Scene((100, 100, 40))
    track = scene.schedule()
    track(FRAME)
    track(np.zeros((200, 300, 3), np.uint8))
    assert scene.whole == 2 and scene.regions == 0


def test_a_crowd_is_searched_in_whole_frames() -> None:
    scene = Scene(*((20 + 30 * i, 100, 20) for i in range(15)))
    track = scene.schedule()
    for _ in range(3):
        assert len(track(FRAME)) == 15
    assert scene.whole == 3 and scene.regions == 0


def test_frames_without_faces_are_checked_and_keep_the_kind_of_result() -> None:
    track = Scene().schedule()
    whole, between = track(FRAME), track(FRAME)
    assert whole.keypoints is not None and between.keypoints is not None and between.keypoints.shape == (0, 5, 2)
    with pytest.raises(InputError, match="float32"):
        track(FRAME.astype(np.float32))  # type: ignore[arg-type]


def test_boxes_that_the_caller_changes_move_no_region() -> None:
    scene = Scene((100, 100, 40))
    track = scene.schedule()
    track(FRAME).boxes[:] += 200
    assert len(track(FRAME)) == 1 and scene.whole == 1
