"""Key points and rolls on their way through the pipeline, the tracker and the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from media import write_video
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge import Detections, InputError, PoseEngine, Poses, track
from hpe_edge.cli.describe import describe
from hpe_edge.cli.main import main
from hpe_edge.faces.tracker import Tracker
from hpe_edge.pipeline.frame_step import Analysis
from hpe_edge.pipeline.stopwatch import Stopwatch
from hpe_edge.sources.frame import Frame

BOXES = np.float32([[10, 20, 40, 50], [55, 20, 85, 50]])
POINTS = np.random.default_rng(1).uniform(10, 50, (2, 5, 2)).astype(np.float32)


class RollingEngine:
    """Notes the faces that it gets, and says that they are rolled by ``rolls``."""

    def __init__(self) -> None:
        self.given: list[Detections] = []
        self.rolls = [30.0, -50.0]

    def __call__(self, frame: Any, faces: Detections, **more: Any) -> Poses:
        self.given.append(faces)
        poses = Poses.empty(len(faces), boxes=faces.boxes, ids=faces.ids)
        poses.angles[:], poses.sigma[:] = 0, 1
        poses.rotation[:] = [reference.rz(roll) for roll in self.rolls[: len(faces)]]
        return poses


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boxes.csv").write_text("frame,x1,y1,x2,y2\n" + "".join(f"{i},30,20,60,50\n" for i in range(12)))
    return write_video(tmp_path / "v.mp4")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx")


def frame_at(index: int) -> Frame:
    return Frame("fake", index, index / 10, np.zeros((64, 96, 3), np.uint8))


def test_key_points_go_along_and_rolls_fill_the_frames_between() -> None:
    engine, watch = RollingEngine(), Stopwatch()
    analysis = Analysis(engine, tracker=Tracker())
    found = Detections(BOXES, BOXES, np.ones(2, np.float32), POINTS)
    analysis(frame_at(0), found, watch)
    engine.rolls = [33.0, -54.0]
    analysis(frame_at(1), None, watch)
    analysis(frame_at(2), None, watch)
    analysis(frame_at(3), replace(found, boxes=BOXES[::-1], drawn=BOXES[::-1], keypoints=None), watch)
    np.testing.assert_array_equal(engine.given[0].keypoints, POINTS)
    assert np.isnan(engine.given[0].rolls).all()
    assert engine.given[1].keypoints is None
    np.testing.assert_allclose(engine.given[1].rolls, [30, -50], atol=1e-4)  # the last pose's
    np.testing.assert_allclose(engine.given[2].rolls, [33, -54], atol=1e-4)
    np.testing.assert_allclose(engine.given[3].rolls, [-54, 33], atol=1e-4)  # of these faces, in the new order


def test_pictures_are_not_tracked() -> None:
    engine = RollingEngine()
    found = Detections(BOXES, BOXES, np.ones(2, np.float32), POINTS)
    Analysis(engine)(frame_at(0), found, Stopwatch())
    assert engine.given == [found]


def test_the_tracker_keeps_the_roll_of_each_face() -> None:
    tracker = Tracker(confirm_s=0.0)
    three = np.float32([[0, 0, 30, 30], [100, 0, 130, 30], [200, 0, 230, 30]])
    tracker.update(0.0, three)
    tracker.carry(np.float32([10, 20, np.nan]))
    np.testing.assert_array_equal(tracker.predict(0.05).rolls, np.float32([10, 20, np.nan]))
    tracker.carry(np.float32([np.nan, 25, 30]))
    # The first face is hidden, a low-score box continues none, a new face comes.
    tracks = tracker.update(0.1, [three[2], [400, 0, 430, 30], three[1], [500, 0, 530, 30]], [0.9, 0.1, 0.9, 0.9])
    np.testing.assert_array_equal(tracks.rolls, np.float32([30, np.nan, 25, np.nan]))
    tracker.carry(np.float32([31, 99, 26, 40]))
    np.testing.assert_array_equal(np.sort(tracker.predict(0.1).rolls), [26, 31, 40])
    np.testing.assert_array_equal(tracker.update(0.2, three).rolls, np.float32([10, 26, 31]))
    with pytest.raises(InputError, match="one roll per row"):
        tracker.carry(np.float32([1]))


def test_a_step_back_forgets_the_rolls() -> None:
    tracker = Tracker()
    tracker.update(1.0, BOXES)
    tracker.carry(np.float32([10, 20]))
    assert len(tracker.predict(0.5)) == 0
    assert np.isnan(tracker.update(0.0, BOXES).rolls).all()


def test_track_takes_it_for_the_embedded_model(clip: Path, model: Path) -> None:
    with pytest.raises(InputError, match="upright="):
        track(str(clip), PoseEngine(model), upright=None)
    with track(str(clip), boxes="boxes.csv", upright="second-pass", frames=2) as results:
        assert [len(result.poses) for result in results] == [1, 1]


@pytest.mark.parametrize("how", [None, "model", "keypoints", "second-pass", "none"])
def test_run(clip: Path, tmp_path: Path, how: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    model = write_tiny_model(tmp_path / "upright.onnx", spec=replace(tiny_spec(), upright="second-pass"))
    options = [] if how is None else ["--upright", how]
    assert main(["run", str(clip), "--model", str(model), "--boxes", "boxes.csv", "--summary", "json", *options]) == 0
    said = capsys.readouterr()
    used = {None: "second-pass", "model": "second-pass"}.get(how, how)
    assert json.loads(said.out)["upright"] == used
    assert ("turned upright: second-pass" in said.err) == (used == "second-pass")
    assert ("boxes.csv has no key points" in said.err) == (used == "keypoints")


def test_info_says_it() -> None:
    assert "upright" not in describe(tiny_spec())
    assert "key points" in describe(replace(tiny_spec(), upright="keypoints"))
    assert "again" in describe(replace(tiny_spec(), upright="second-pass"))
