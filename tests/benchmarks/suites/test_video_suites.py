"""The suites ``video`` and ``endurance`` on a short video: same answers, right counts, and how a leak looks."""

from __future__ import annotations

from pathlib import Path

import pytest
from media import write_video
from tiny_model import write_tiny_model

from benchmarks.harness.timing import QUICK, WrongAnswerError
from benchmarks.suites.video import ENDURANCE, VIDEO, EnduranceOptions, Looped, VideoOptions
from hpe_edge.pipeline.frame_step import Analysis


@pytest.fixture
def args(tmp_path: Path) -> EnduranceOptions:
    video = write_video(tmp_path / "v.mp4", frames=12, width=320, height=240)
    return EnduranceOptions(model=write_tiny_model(tmp_path / "tiny.onnx"), video=video)


def test_a_looped_video_goes_on(args: EnduranceOptions) -> None:
    frames = list(Looped(args.video, 30))
    assert [frame.index for frame in frames] == list(range(30))
    assert (frames[13].image == frames[1].image).all() and not (frames[13].image == frames[2].image).all()
    assert frames[29].time_s == pytest.approx(2.9)


def test_endurance_counts_everything(args: EnduranceOptions) -> None:
    (result,) = ENDURANCE.run(args, QUICK)
    assert result.figures["frames"] == 400 and result.figures["faces"] == result.figures["json_lines"] == 800
    assert result.figures["threads_left"] == 0 and result.figures["files_left"] in (0, None)


def test_endurance_sees_a_leak(args: EnduranceOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    call = Analysis.__call__

    def keeping(self: Analysis, frame: object, found: object, watch: object) -> object:
        result = call(self, frame, found, watch)  # type: ignore[arg-type]
        kept.append(result.frame.image.copy())
        return result

    monkeypatch.setattr(Analysis, "__call__", keeping)
    results = list(ENDURANCE.run(args, QUICK))
    assert ENDURANCE.budget(results)[0].met is False


@pytest.fixture
def detector(data: Path) -> Path:
    return data / "detectors" / "yunet_n_320_320.onnx"


def test_both_ways_answer_alike(args: EnduranceOptions, data: Path, detector: Path) -> None:
    options = VideoOptions(model=args.model, video=data / "video" / "classroom.mp4", detector=detector)
    timed, stages = VIDEO.run(options, QUICK)
    assert timed.row("loop").differences["angles_deg"].largest <= 1e-2
    assert {"read_p50_ms", "detect_p99_ms", "infer_total_s", "pose_accounted_percent"} <= set(stages.figures)


def test_another_answer_is_noticed(
    args: EnduranceOptions, data: Path, detector: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = Analysis.__call__

    def shifted(self: Analysis, frame: object, found: object, watch: object) -> object:
        result = call(self, frame, found, watch)  # type: ignore[arg-type]
        result.poses.angles[:] += 0.1
        return result

    monkeypatch.setattr(Analysis, "__call__", shifted)
    options = VideoOptions(model=args.model, video=data / "video" / "classroom.mp4", detector=detector)
    with pytest.raises(WrongAnswerError, match="angles_deg"):
        next(VIDEO.run(options, QUICK))
