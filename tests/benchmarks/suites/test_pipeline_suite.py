"""The suite ``pipeline``: the plain pipelines against OpenCV-free oracles, every case, and its refusals."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media import write_video
from tiny_model import tiny_spec, tiny_weights, write_tiny_model

import benchmarks.suites.pipeline
from benchmarks.__main__ import main
from benchmarks.baselines.plain_pipelines import PlainPipeline, cut, in_whole_pixels, window
from benchmarks.hardware.roofline import Peaks
from benchmarks.harness.load import CallStages
from benchmarks.harness.timing import Result, Row, Spread
from benchmarks.inputs.scene import bundled_scene, video_scene
from benchmarks.suites.pipeline import SUITE
from hpe_edge import Crop, InputError, PoseEngine, SourceError
from hpe_edge.models import DEFAULT
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.request import Request
from hpe_edge.spec import AngleHead, AnglesDecode


def known_peaks(threads: Sequence[int], *, quick: bool) -> Peaks:
    figures = {"triad_gbytes_per_s": 10.0}
    kinds = ("fp32", "bf16", "fp16", "int8")
    return Peaks({n: {**figures, **{f"numpy_{kind}_gflops": 100.0 * n for kind in kinds}} for n in {*threads, 2}})


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmarks.suites.pipeline, "measure_peaks", known_peaks)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx", size=32)


def run(tmp_path: Path, *options: str) -> tuple[int, list[dict[str, Any]]]:
    out = tmp_path / "out"
    out.mkdir()
    code = main(["pipeline", "--quick", "--json", str(out / "result.json"), *options])
    if code:
        assert list(out.iterdir()) == []
        return code, []
    return code, json.loads((out / "result.json").read_text())["results"]


def test_the_plain_pipeline_by_hand(model: Path) -> None:
    """A face of one colour: its mean is known, and so are the logits."""
    frame = np.full((120, 100, 3), (30, 120, 210), np.uint8)
    (angles,) = PlainPipeline(model, 1)(frame, np.array([[40, 40, 72, 72]], np.float32))
    weight, bias = tiny_weights()
    spec = tiny_spec(32)
    pixel = (np.array([210, 120, 30]) / 255 - np.array(spec.input.mean)) / np.array(spec.input.std)
    logits = (pixel @ weight.astype(np.float64) + bias).reshape(3, 66)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(angles, softmax @ (np.arange(66) * 3.0 - 99.0), atol=1e-2)


def test_windows_by_hand() -> None:
    box = np.array([10, 20, 50, 40], np.float32)
    assert window(box, Crop(square="none")) == (10, 20, 50, 40)
    assert window(box, Crop(margins=(0.5, 0, 0.25, 1.0), square="none")) == (-10, 20, 60, 60)
    assert window(box, Crop(square="extend")) == (10, 10, 50, 50)
    assert window(box, Crop(square="shrink")) == (20, 20, 40, 40)


@pytest.mark.parametrize("square", ["extend", "shrink", "none"])
@pytest.mark.parametrize("margins", [(0.0,) * 4, (0.125,) * 4, (0.3, 0.1, 0.2, 0.05)])
def test_boxes_are_moved_so_that_windows_are_whole(square: Any, margins: tuple) -> None:
    crop = Crop(margins=margins, square=square)
    boxes = np.array([[10.3, 20.7, 71.9, 80.2], [100.5, 7.25, 140.75, 60.0]], np.float32)
    moved = in_whole_pixels(boxes, crop)
    for before, after in zip(boxes, moved, strict=True):
        x1, y1, x2, y2 = after.astype(np.float64)
        width, height = x2 - x1, y2 - y1
        grown = (x1 - margins[0] * width, y1 - margins[1] * height, x2 + margins[2] * width, y2 + margins[3] * height)
        np.testing.assert_allclose(grown, window(after, crop), atol=1e-4)
        if square == "extend":
            np.testing.assert_allclose(window(after, crop), window(before, crop), atol=1)


def test_what_lies_outside_is_filled_or_left_away() -> None:
    frame = np.full((20, 20, 3), 7, np.uint8)
    spec = tiny_spec(32)
    filled = replace(spec, crop=Crop(fill=(1, 2, 3)))
    piece = cut(frame, (-5, 10, 15, 30), filled)
    assert piece.shape == (20, 20, 3)
    assert piece[0, 0].tolist() == piece[15, 10].tolist() == [3, 2, 1]  # the fill is RGB, the frame BGR
    assert piece[5, 10].tolist() == [7, 7, 7]
    assert cut(frame, (-5, 10, 15, 30), replace(spec, crop=Crop(clip=True))).shape == (10, 15, 3)


@pytest.mark.parametrize("resampling", ["bilinear", "antialias"])
@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_the_plain_pipeline_answers_as_the_engine(tmp_path: Path, resampling: Any, color: Any) -> None:
    spec = tiny_spec(32)
    spec = replace(spec, crop=replace(spec.crop, resampling=resampling), input=replace(spec.input, color=color))
    path = write_tiny_model(tmp_path / "m.onnx", size=32, spec=spec)
    frame, boxes = bundled_scene().crowd
    boxes = in_whole_pixels(boxes, spec.crop)
    with PoseEngine(path, threads=1) as engine:
        np.testing.assert_allclose(PlainPipeline(path, 1)(frame, boxes), engine(frame, boxes).angles, atol=0.5)


def test_the_plain_pipeline_of_the_embedded_model_answers_as_the_engine() -> None:
    """Its bins span the circle, and stand for other turns."""
    frame, boxes = bundled_scene().crowd
    with PoseEngine(DEFAULT, threads=1, upright=None) as engine:
        boxes = in_whole_pixels(boxes, engine.spec.crop)
        found, wanted = PlainPipeline(DEFAULT, 1)(frame, boxes), engine(frame, boxes).angles
    np.testing.assert_allclose(found, wanted, atol=0.5)


def test_other_heads_than_bins_are_refused(tmp_path: Path) -> None:
    spec = replace(tiny_spec(32), decode=AnglesDecode(*(AngleHead("logits", column) for column in range(3))))
    with pytest.raises(InputError, match="gives no bins"):
        PlainPipeline(write_tiny_model(tmp_path / "m.onnx", size=32, spec=spec), 1)


def test_the_bundled_scene() -> None:
    scene = bundled_scene()
    frame, boxes = scene.crowd
    assert frame.shape == (1080, 1920, 3) and boxes.shape == (8, 4)
    assert ((boxes[:, :2] >= 0) & (boxes[:, 2:] <= (1920, 1080))).all()
    assert np.array_equal(scene.one[1], boxes[:1])
    assert len(scene.cameras) == 8 and all(len(seen) == 2 for _, seen in scene.cameras)


def test_a_scene_of_the_users(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.mp4", frames=12, width=320, height=240)
    csv = tmp_path / "boxes.csv"
    csv.write_text("frame,x1,y1,x2,y2\n3,10,10,60,60\n5,20,20,80,80\n5,100,50,150,110\n")
    scene = video_scene(video, csv)
    assert scene.name == "v.mp4, 240p"
    assert scene.crowd[1].tolist() == 4 * [[20, 20, 80, 80], [100, 50, 150, 110]]
    assert {len(boxes) for _, boxes in scene.cameras} == {1, 2}
    csv.write_text("frame,x1,y1,x2,y2\n300,10,10,60,60\n")
    with pytest.raises(SourceError, match="no box in the first"):
        video_scene(video, csv)


def test_every_case_is_there(tmp_path: Path, model: Path) -> None:
    code, results = run(tmp_path, "--model", str(model))
    assert code == 0
    timed = [result for result in results if result["rows"]]
    assert [(r["name"], r["parameters"]["threads"]) for r in timed] == [
        (name, threads) for threads in (1, "all") for name in ("one face", "8 faces", "8 cameras")
    ]
    for result in timed:
        names = [row["name"] for row in result["rows"]]
        assert names[:2] == ["plain", "onnxruntime cpu fp32"]
        assert all(row["differences"]["angles_deg"]["largest"] <= 6.0 for row in result["rows"][1:])
    stages = [result for result in results if result["name"] == "stages"]
    for result in stages:
        assert {"crop_us", "infer_us", "decode_us", "total_us"} <= set(result["figures"])
        if result["parameters"]["alternative"] != "plain":
            assert result["figures"]["copy_us"] == 0.0 and result["figures"]["roofline_infer_us"] > 0
            assert result["figures"]["roofline_crop_us"] > 0
    around = {r["parameters"]["stage"]: r for r in results if r["name"] == "around"}
    assert around["filter"]["figures"]["filter_us"] > 0
    assert around["detect"]["skipped"] == {"detect": "no --detector was named"}


def shifted_crop(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, planes: Any, boxes: Any, out: Any, color: Any, turns: Any) -> None:
        call(self, planes, boxes + np.float32(15), out, color, turns)

    return wrong


def swapped_colors(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, planes: Any, boxes: Any, out: Any, color: Any, turns: Any) -> None:
        call(self, planes, boxes, out, "RGB", turns)

    return wrong


def other_sign(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, *args: Any) -> Any:
        poses = call(self, *args)
        poses.angles[:, 0] *= -1
        return poses

    return wrong


def other_offset(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, *args: Any) -> Any:
        poses = call(self, *args)
        poses.angles[:] += 1.5  # lower edges of the bins, taken for their centres
        return poses

    return wrong


def other_face(call: Callable[..., Any]) -> Callable[..., Any]:
    def wrong(self: Any, out: Any) -> None:
        call(self, out)
        out[:] = out[::-1].copy()

    return wrong


@pytest.mark.parametrize(
    ("kind", "method", "spoilt", "case"),
    [
        (CropNormalize, "crop_checked", shifted_crop, "one face"),
        (CropNormalize, "crop_checked", swapped_colors, "one face"),
        (DecodeHeads, "__call__", other_sign, "one face"),
        (DecodeHeads, "__call__", other_offset, "one face"),
        (Request, "crop_into", other_face, "8 faces"),
    ],
)
def test_wrong_answers_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    model: Path,
    kind: type,
    method: str,
    spoilt: Callable[..., Any],
    case: str,
) -> None:
    monkeypatch.setattr(kind, method, spoilt(getattr(kind, method)))
    code, _ = run(tmp_path, "--model", str(model))
    assert code == 1
    message = capsys.readouterr().err
    assert f"{case} (" in message and "differ in angles_deg" in message and "nothing was timed" in message


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (["--video", "clip.mp4"], "--video and --boxes go together"),
        (["--int8", "other.onnx"], "was not made from"),
    ],
)
def test_what_does_not_go_together_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, model: Path, options: list[str], fragment: str
) -> None:
    other = replace(tiny_spec(32), origin=replace(tiny_spec().origin, sha256="1" * 64))
    write_tiny_model(tmp_path / "other.onnx", size=32, spec=other)
    options = [str(tmp_path / option) if option.endswith(".onnx") else option for option in options]
    code, _ = run(tmp_path, "--model", str(model), *options)
    assert code == 2
    assert fragment in capsys.readouterr().err


def test_stages_are_summed_over_a_call() -> None:
    def call(timer: Callable[..., Any]) -> None:
        for stage in ("crop", "infer", "crop"):
            with timer(stage):
                pass

    figures = CallStages(call).medians_us(3)
    assert set(figures) == {"crop_us", "infer_us", "total_us"}
    assert figures["crop_us"] + figures["infer_us"] <= figures["total_us"]  # type: ignore[operator]


def test_the_budget() -> None:
    def result(case: str, size: int, times: dict[str, float]) -> Result:
        parameters: dict[str, str | int] = {"model": "lightweight", "size": size, "threads": 1}
        none = Spread(0.0, 0.0, 0.0)
        rows = [Row(name, "", 3, 1, none, Spread(1 / faster, 0.0, 0.0), none, {}) for name, faster in times.items()]
        return Result(case, parameters, rows)

    fast = {"plain": 1.0, "onnxruntime cpu fp32": 1.9, "openvino cpu bf16": 2.5, "openvino cpu int8": 3.2}
    lines = SUITE.budget([result("one face", 224, fast), result("8 faces", 224, fast)])
    assert [line.met for line in lines] == [True, False, True, True]
    assert lines[2].found == "3.20 times (openvino cpu int8)"
    (first, short_numbers) = SUITE.budget([result("one face", 112, {"plain": 1.0, "onnxruntime cpu fp32": 1.9})])
    assert first.met is None and short_numbers.found == "not measured"
