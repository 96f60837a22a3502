"""The suite ``cameras`` on a short video: right counts, and what a wrong answer, a lost frame or a leak look like."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media import write_video
from tiny_model import write_tiny_model

from benchmarks.__main__ import main
from benchmarks.harness.timing import QUICK, Result, WrongAnswerError
from benchmarks.suites import cameras
from hpe_edge import BackendError, PoseEngine, Poses, SourceError
from hpe_edge.batching.camera_stream import CameraStream
from hpe_edge.batching.schedule import Outcome
from hpe_edge.ops.request import Request


@pytest.fixture
def args(tmp_path: Path) -> cameras.Options:
    boxes = tmp_path / "boxes.csv"
    rows = [f"{frame},{x},10,{x + 40},60" for frame in range(6) for x in range(5, 5 + 20 * (frame % 3), 20)]
    boxes.write_text("frame,x1,y1,x2,y2\n" + "\n".join(rows))
    return cameras.Options(
        model=write_tiny_model(tmp_path / "tiny.onnx"),
        video=write_video(tmp_path / "v.mp4"),
        boxes=boxes,
        cameras=3,
        workers=2,
        max_delay_ms=2.0,
    )


def met(results: Sequence[Result]) -> dict[str, bool | None]:
    return {line.what: line.met for line in cameras.SUITE.budget(results)}


def test_everything_is_counted(args: cameras.Options) -> None:
    throughput, live = results = list(cameras.SUITE.run(args, QUICK))
    assert throughput.parameters["faces_each"] == 6 and throughput.parameters["frames_each"] == 6
    assert [row.name for row in throughput.rows] == [
        "batcher",
        "one at a time",
        "one at a time, all cores",
        "a thread per camera",
    ]
    by = live.figures
    for camera in (1, 2, 3):
        assert by[f"camera_{camera}_submitted"] == 30
        assert by[f"camera_{camera}_answered"] + by[f"camera_{camera}_dropped"] == 30  # type: ignore[operator]
        assert by[f"camera_{camera}_p50_ms"] <= by[f"camera_{camera}_p99_ms"]  # type: ignore[operator]
    assert [by[what] for what in ("lost", "out_of_order", "failed", "wrong")] == [0, 0, 0, 0]
    assert met(results)["results of the live run"] is True


def test_the_document(args: cameras.Options, tmp_path: Path) -> None:
    command = ["cameras", "--quick", "--cameras", "2", "--json", str(tmp_path / "result.json")]
    command += ["--model", str(args.model), "--video", str(args.video), "--boxes", str(args.boxes)]
    assert main(command) == 0
    document = json.loads((tmp_path / "result.json").read_text())
    assert document["suite"] == "cameras" and [result["name"] for result in document["results"]] == [
        "throughput",
        "live",
    ]
    assert len(document["budget"]) == 4


def rolled(outcome: Outcome) -> Poses:
    """Right numbers of the wrong angle."""
    assert outcome._poses is not None
    angles, sigma, rotation = (getattr(outcome._poses, name) for name in ("angles", "sigma", "rotation"))
    return Poses(np.roll(angles, 1, axis=1), sigma, rotation)


def test_another_answer_is_refused(args: cameras.Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outcome, "poses", property(rolled))
    with pytest.raises(WrongAnswerError, match="angles_deg"):
        next(cameras.SUITE.run(args, QUICK))


def test_boxes_of_another_video_are_refused(args: cameras.Options) -> None:
    args.boxes.write_text("frame,x1,y1,x2,y2\n1000,1,1,9,9\n")
    with pytest.raises(SourceError, match="no box"):
        next(cameras.SUITE.run(args, QUICK))


def lost_frames(outcomes: list[Outcome]) -> list[Outcome]:
    return outcomes[1:]


def in_another_order(outcomes: list[Outcome]) -> list[Outcome]:
    return outcomes[::-1]


@pytest.mark.parametrize(
    ("changed", "said"), [(lost_frames, "3 lost"), (in_another_order, "out of order"), (None, "wrong")]
)
def test_faults_of_the_live_run_are_counted(
    args: cameras.Options, monkeypatch: pytest.MonkeyPatch, changed: Any, said: str
) -> None:
    run = iter(cameras.SUITE.run(args, QUICK))
    throughput = next(run)
    if changed is None:
        monkeypatch.setattr(Outcome, "poses", property(rolled))
    else:
        own = CameraStream.__iter__
        monkeypatch.setattr(CameraStream, "__iter__", lambda self: iter(changed(list(own(self)))))
    lines = {line.what: line for line in cameras.SUITE.budget([throughput, next(run)])}
    line = lines["results of the live run"]
    assert line.met is False and said in line.found


def test_a_failing_engine_is_counted(args: cameras.Options, monkeypatch: pytest.MonkeyPatch) -> None:
    run = iter(cameras.SUITE.run(args, QUICK))
    throughput = next(run)
    many = PoseEngine.many

    def failing(self: PoseEngine, requests: Sequence[Request], **options: Any) -> list[Poses]:
        if threading.current_thread().name.startswith("batcher"):
            raise BackendError("no")
        return many(self, requests, **options)

    monkeypatch.setattr(PoseEngine, "many", failing)
    live = next(run)
    assert live.figures["failed"] == live.figures["wrong"] > 0  # type: ignore[operator]
    assert met([throughput, live])["results of the live run"] is False


def test_a_frame_more_or_less_in_a_short_run_is_no_starving(args: cameras.Options) -> None:
    throughput, live = cameras.SUITE.run(args, QUICK)
    for least, most, fair in ((4, 5, True), (4, 6, False), (18, 20, True), (17, 20, False)):
        figures = {**live.figures, "answered_least": least, "answered_most": most}
        found = met([throughput, replace(live, figures=figures)])
        assert found["the worst served camera beside the best"] is fair


def test_a_leak_and_a_starved_camera_are_seen(args: cameras.Options, monkeypatch: pytest.MonkeyPatch) -> None:
    run = iter(cameras.SUITE.run(args, QUICK))
    throughput = next(run)
    kept: list[np.ndarray] = []
    submit, streams = CameraStream.submit, list[CameraStream]()

    def keeping(self: CameraStream, frame: Any, boxes: Any, **options: Any) -> bool:
        kept.append(np.ones(2_000_000, np.uint8))
        if self not in streams:
            streams.append(self)
        if self is streams[0]:
            with self._work:
                self._queue.refuse()
            return False
        return submit(self, frame, boxes, **options)

    monkeypatch.setattr(CameraStream, "submit", keeping)
    found = met([throughput, next(run)])
    assert found["the worst served camera beside the best"] is False
    assert found["resident memory over 1 s"] in (False, None)
