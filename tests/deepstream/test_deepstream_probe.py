"""The probes around an emulated nvinfer, with a double of pyds."""

from __future__ import annotations

import ast
import json
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import fake_pyds
import numpy as np
import onnxruntime
import pytest
from fake_pyds import Buffer, Element, Tensors
from reference import window

from benchmarks.deepstream.emulated_nvinfer import EmulatedNvinfer
from hpe_edge import Crop, PoseEngine
from hpe_edge.boxes.box_fit import box_fit
from hpe_edge.geometry import geodesic_deg, rotation_from_euler
from hpe_edge.samples import BOXES, FOLDER

FILES = Path(__file__).resolve().parents[2] / "export/deepstream/files"
CENTRE_DEG = 1.5  # of two sharp photos whose crops are moved by up to a pixel; see the suite deepstream for many faces


class Pipeline:
    """nvinfer with its probes: rectangles in, poses out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, probe: ModuleType, **options: Any) -> None:
        self.buffers: dict[int, Buffer] = {}
        fake_pyds.install(monkeypatch, self.buffers)
        self.poses: list[list[Any]] = []
        self.probes = probe.HeadPoseProbes(probe.settings_beside(), self.poses.append, **options)
        self.element = Element()
        self.probes.attach(self.element)
        self.tensors = Tensors()
        self.nvinfer = EmulatedNvinfer(folder / "head_pose.txt")
        self.network = onnxruntime.InferenceSession(folder / "head_pose.onnx", providers=["CPUExecutionProvider"])

    def size(self, frame: np.ndarray) -> None:
        height, width = frame.shape[:2]
        for pad in self.element.pads.values():
            pad._size = {"width": width, "height": height}

    def begin(self, frame: np.ndarray, buffer: Buffer, objects: list[Any], number: int = 0) -> list[Any]:
        """Up to nvinfer's input; returns the rectangles that it reads."""
        self.size(frame)
        buffer.add_frame(3, number, objects)
        self.buffers[buffer.address] = buffer
        self.element.pads["sink"].push(buffer)
        return [each.rect_params for each in objects]

    def end(self, frame: np.ndarray, buffer: Buffer, objects: list[Any], first_row: int = 0) -> list[Any]:
        """Nvinfer's run and what is after it; the buffer's memory is dead then."""
        mine = [each for each in objects if each.unique_component_id == 1]
        if mine:
            levels = self.nvinfer(frame, [each.rect_params for each in mine])
            for row, (each, values) in enumerate(
                zip(mine, self.network.run(None, {"crop_levels": levels})[0], strict=True)
            ):
                self.tensors.attach(buffer, each, first_row + row, values)
        self.element.pads["src"].push(buffer)
        buffer.alive[0] = False
        self.tensors.memory[:] = np.nan  # nvinfer uses it again
        return self.poses[-1]


@pytest.fixture
def pipeline(monkeypatch: pytest.MonkeyPatch, folder: Path, probe: ModuleType) -> Pipeline:
    return Pipeline(monkeypatch, folder, probe)


def photos() -> list[tuple[np.ndarray, np.ndarray]]:
    """The bundled photos and their landmark boxes."""
    rows = [line.split(",") for line in BOXES.read_text().splitlines()[1:]]
    return [(cv2.imread(str(FOLDER / name)), np.array(numbers[:4], np.float64)) for name, *numbers in rows]


def detected(landmark_box: np.ndarray) -> list[float]:
    """The rectangle of a detector whose fit gives this landmark box."""
    fit = box_fit("yunet")
    size = (landmark_box[2:] - landmark_box[:2]) / [fit.width, fit.height]
    centre = (landmark_box[:2] + landmark_box[2:]) / 2 - [0, fit.down * size[1]]
    return [*(centre - size / 2), *size]


@pytest.mark.parametrize("ends", ["raises", "none"])
def test_poses_are_those_of_the_engine(pipeline: Pipeline, ends: str) -> None:
    with PoseEngine(upright=None) as engine:
        for at, (frame, box) in enumerate(photos()):
            buffer = Buffer(0x1000 + at, ends)
            objects = [buffer.add_object(detected(box), object_id=7)]
            before = [objects[0].rect_params.left, objects[0].rect_params.width]
            given = pipeline.begin(frame, buffer, objects, number=at)
            assert [given[0].left, given[0].width] != before
            (pose,) = pipeline.end(frame, buffer, objects)
            expected = engine(frame, box[None].astype(np.float32))
            apart = geodesic_deg(rotation_from_euler([pose.yaw, pose.pitch, pose.roll]), expected.rotation[0])
            assert apart < CENTRE_DEG, (at, pose, expected)
            np.testing.assert_allclose(pose.sigma, expected.sigma[0], rtol=0.35)
            assert not pose.cut and not pose.doubtful and pose.object_id == 7
            assert (pose.source, pose.frame, pose.time_ns) == (3, at, at * 40_000_000)
            np.testing.assert_allclose(pose.box[:2], detected(box)[:2], rtol=1e-5)


def test_boxes_are_put_back(pipeline: Pipeline) -> None:
    frame, box = photos()[0]
    buffer = Buffer(0x2000)
    objects = [buffer.add_object(detected(box)), buffer.add_object([10, 20, 30, 40], component=9)]
    rects = [each.rect_params for each in objects]
    before = [(each.left, each.top, each.width, each.height) for each in rects]
    pipeline.begin(frame, buffer, objects)
    assert (rects[1].left, rects[1].width) == (10, 30)  # of another detector
    seen: list[Any] = []
    pipeline.element.pads["src"].probes.append(
        lambda *_: seen.extend((each.left, each.top, each.width, each.height) for each in rects) or "OK"
    )
    (pose,) = pipeline.end(frame, buffer, objects)
    assert seen == before and pose.object_id is None


def test_buffers_that_overlap_in_nvinfer_keep_their_boxes(pipeline: Pipeline) -> None:
    (frame, box), _ = photos()
    lost, first, second = Buffer(0x2F00), Buffer(0x3000), Buffer(0x3100)
    pipeline.begin(frame, lost, [lost.add_object([5, 5, 50, 50])])  # flushed: it never leaves nvinfer
    one = [first.add_object(detected(box))]
    two = [second.add_object(detected(box + 4)), second.add_object(detected(box))]
    pipeline.begin(frame, first, one)
    pipeline.begin(frame, second, two)
    (a,) = pipeline.end(frame, first, one)
    b, c = pipeline.end(frame, second, two)
    assert a.box == c.box != b.box and (a.yaw, a.roll) == (c.yaw, c.roll) != (b.yaw, b.roll)


def test_an_object_without_tensors_has_no_pose(pipeline: Pipeline) -> None:
    """Nvinfer leaves tiny objects out, and gives no answer where the configuration lacks output-tensor-meta."""
    frame, box = photos()[0]
    buffer = Buffer(0x4000)
    objects = [buffer.add_object(detected(box))]
    pipeline.begin(frame, buffer, objects)
    pipeline.element.pads["src"].push(buffer)
    ((pose,),) = pipeline.poses
    assert math.isnan(pose.yaw) and pose.doubtful and pose.box.x1 == pytest.approx(detected(box)[0], rel=1e-5)


def test_another_gies_tensors_are_not_read(pipeline: Pipeline) -> None:
    frame, box = photos()[0]
    buffer = Buffer(0x4100)
    objects = [buffer.add_object(detected(box))]
    pipeline.begin(frame, buffer, objects)
    pipeline.tensors.gie_id = 5
    (pose,) = pipeline.end(frame, buffer, objects)
    assert math.isnan(pose.yaw)


def test_faces_of_a_class_alone(monkeypatch: pytest.MonkeyPatch, folder: Path, probe: ModuleType) -> None:
    settings = probe.settings_beside()
    pipeline = Pipeline(monkeypatch, folder, probe)
    pipeline.probes._settings = probe.Settings(**{**vars(settings), "face_class": 2})
    frame, box = photos()[0]
    buffer = Buffer(0x5000)
    objects = [buffer.add_object(detected(box), class_id=0), buffer.add_object(detected(box), class_id=2)]
    left = objects[0].rect_params.left
    pipeline.begin(frame, buffer, objects)
    assert objects[0].rect_params.left == left != objects[1].rect_params.left


def test_a_label_for_the_screen(monkeypatch: pytest.MonkeyPatch, folder: Path, probe: ModuleType) -> None:
    pipeline = Pipeline(monkeypatch, folder, probe, label=True)
    frame, box = photos()[0]
    buffer = Buffer(0x6000)
    objects = [buffer.add_object(detected(box))]
    pipeline.begin(frame, buffer, objects)
    texts: list[str] = []
    pipeline.element.pads["src"].probes.append(lambda *_: texts.append(objects[0].text_params.display_text) or "OK")
    (pose,) = pipeline.end(frame, buffer, objects)
    assert texts == [f"yaw {pose.yaw:.0f} pitch {pose.pitch:.0f} roll {pose.roll:.0f}"]


def test_a_crop_outside_the_frame(pipeline: Pipeline) -> None:
    """The part within the frame is taken and said to be cut; a box outside it has no pose, and its box stays."""
    frame, _ = photos()[0]
    buffer = Buffer(0x7000)
    objects = [buffer.add_object([-40, 100, 90, 120]), buffer.add_object([5000, 100, 90, 120])]
    given = pipeline.begin(frame, buffer, objects)
    assert given[0].left == 0 and given[0].width < given[0].height
    assert given[1].left == 5000
    pipeline.tensors.attach(buffer, objects[1], 9, [1, 2, 3, 4, 5, 6])  # made of other pixels, whatever they were
    pipeline.element.pads["src"].push(buffer)
    ((first, second),) = pipeline.poses
    assert first.cut and second.cut and math.isnan(second.yaw)


def test_nvinfer_does_not_move_the_rectangles(probe: ModuleType) -> None:
    """Its rounding leaves what the probe gives it; within the frame no side is three pixels off, no centre 1.5."""
    rng = np.random.default_rng(5)
    for _ in range(2000):
        start, size = rng.uniform(0, 300, 2), rng.uniform(3, 200, 2)
        wanted = probe.Box(*start, *(start + size))
        rect = probe.source_rect(wanted, 641, 479)
        if rect is None:
            continue
        for low, high, first, length, frame in (
            (wanted.x1, wanted.x2, rect.left, rect.width, 641),
            (wanted.y1, wanted.y2, rect.top, rect.height, 479),
        ):
            assert (int(first) + 1) // 2 * 2 == first and int(length) // 2 * 2 == length
            assert first >= 0 and first + length <= frame
            if low > 3 and high < frame - 4:
                assert abs(length - (high - low)) <= 3 and abs(first + length / 2 - (low + high) / 2) <= 1.5


@pytest.mark.parametrize("square", ["extend", "shrink", "none"])
def test_the_window_is_the_specs(probe: ModuleType, square: str) -> None:
    margins = (0.1, -0.05, 0.3, 0.2)
    fit = (1.05, 0.74, 0.12)
    settings = probe.Settings(2, 1, None, fit, margins, square, None)
    rng = np.random.default_rng(2)
    for _ in range(50):
        start, size = rng.uniform(-50, 400, 2), rng.uniform(10, 200, 2)
        box = np.array([*start, *(start + size)])
        landmark = box_fit("yunet").__class__(*fit)(box[None].astype(np.float64))[0]
        expected, _ = window(landmark, Crop(margins=margins, square=square), 640, 480)
        np.testing.assert_allclose(probe.crop_window(probe.Box(*box), settings), expected, atol=1e-4)


def test_settings_of_another_version_are_refused(folder: Path, probe: ModuleType, tmp_path: Path) -> None:
    plain = json.loads((folder / "head_pose.json").read_text())
    (tmp_path / "head_pose.json").write_text(json.dumps({**plain, "format": 9}))
    with pytest.raises(ValueError, match="export deepstream"):
        probe.Settings.read(tmp_path / "head_pose.json")


def test_the_program_prints_json_and_wires_the_pipeline(folder: Path, probe: ModuleType) -> None:
    import argparse

    import head_pose_app

    pose = probe.Pose(0, 5, 9, None, probe.Box(1, 2, 3, 4), math.nan, math.nan, math.nan, (math.nan,) * 3, True, False)
    assert json.loads(head_pose_app.line(pose))["yaw"] is None and json.loads(head_pose_app.line(pose))["frame"] == 5
    given = argparse.Namespace(
        uri=["file:///a b.mp4", "rtsp://x"], width=1280, height=720, live=False, show=False, tracker="t.yml",
        detector='d"e.txt',
    )  # fmt: skip
    text = head_pose_app.description(given)
    order = [text.index(name) for name in ("nvstreammux", "name=detector", "nvtracker", "name=head_pose", "fakesink")]
    assert order == sorted(order) and "batch-size=2" in text and '"file:///a b.mp4" ! mux.sink_0' in text
    assert r"d\"e.txt" in text and str(folder / "head_pose.txt") in text


@pytest.mark.parametrize(
    ("uri", "detector", "status", "says"),
    [
        ("clip.mp4", "faces.txt", 2, "got clip.mp4"),
        ("file:///clip.mp4", "none.txt", 2, "no file none.txt"),
        ("file:///clip.mp4", "faces.txt", 1, "where DeepStream"),
    ],
)
def test_the_program_says_what_it_lacks(
    probe: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    uri: str,
    detector: str,
    status: int,
    says: str,
) -> None:
    import head_pose_app

    (tmp_path / "faces.txt").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pyds", None)
    with pytest.raises(SystemExit) as ended:
        head_pose_app.main([uri, "--detector", detector])
    assert ended.value.code == status and says in capsys.readouterr().err


@pytest.mark.parametrize("name", ["head_pose_probe.py", "head_pose_app.py"])
def test_the_files_need_no_newer_python_than_jetpack_5_has(name: str) -> None:
    tree = ast.parse((FILES / name).read_text(), feature_version=(3, 8))
    imported = {
        (node.module if isinstance(node, ast.ImportFrom) else node.names[0].name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    own = {"gi", "pyds", "head_pose_probe", "__future__"}
    standard = "argparse collections contextlib ctypes dataclasses json math pathlib platform sys typing"
    assert imported - own <= set(standard.split())
