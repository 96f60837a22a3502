"""The examples run: those for a CPU on small inputs, those for a GPU against mocks.

The GPU examples print the poses of the same picture held by NumPy. torch and DLPack are real, on the CPU. CuPy and
PyCUDA are mocks with the calls that the examples make, over the mock of the driver: they show that the examples hang
together, not that they run on a GPU.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import runpy
import shutil
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from test_device_frames import CudaArray, FrameCuda
from tiny_model import write_tiny_model

from hpe_edge import PoseEngine
from hpe_edge.models import DEFAULT
from hpe_edge.samples import FOLDER

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
GPU = ["cupy_frames.py", "dlpack_frames.py", "pycuda_frames.py", "torch_frames.py"]
SHORT = ["folder_to_table.py", "own_detector.py", "own_drawing.py", "picture.py", "webcam.py"]
CPU = ["export_model.py", "several_cameras.py", *SHORT]
RAY = ["ray_serve.py", "ray_videos.py"]  # run by tests/on_ray
SERVED = ["triton_client.py"]  # run by tests/serving
ROS = ["ros2_node.py"]  # run by tests/ros


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FrameCuda:
    fake = FrameCuda()
    fake.install(monkeypatch)
    return fake


def install(monkeypatch: pytest.MonkeyPatch, name: str, **members: Any) -> types.ModuleType:
    module = types.ModuleType(name)
    vars(module).update(members)
    monkeypatch.setitem(sys.modules, name, module)
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    return module


@pytest.fixture
def cupy(cuda: FrameCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """CuPy: works in the primary context, names the current stream."""
    current: list[int] = []
    context = cuda.make_context(0)

    @contextlib.contextmanager
    def stream(non_blocking: bool) -> Iterator[None]:
        current.append(cuda.stream(context))
        yield
        current.pop()

    def asarray(content: np.ndarray) -> CudaArray:
        address = cuda.place(content * 0, context)
        cuda.later(current[-1], address, content)
        return CudaArray(address, content, stream=current[-1])

    install(monkeypatch, "cupy", asarray=asarray)
    install(monkeypatch, "cupy.cuda", Stream=stream)


@pytest.fixture
def pycuda(cuda: FrameCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyCUDA: makes a context of its own, names no stream."""
    context = cuda.make_context(0)

    def to_gpu_async(ary: np.ndarray, allocator: None = None, stream: int | None = None) -> CudaArray:
        assert stream is not None
        address = cuda.place(ary * 0, context)
        cuda.later(stream, address, ary)
        return CudaArray(address, ary, stream=None)

    install(monkeypatch, "pycuda")
    install(monkeypatch, "pycuda.autoinit")
    install(monkeypatch, "pycuda.driver", Stream=lambda: cuda.stream(context))
    install(monkeypatch, "pycuda.gpuarray", to_gpu_async=to_gpu_async)


@pytest.mark.usefixtures("cupy", "pycuda")
@pytest.mark.parametrize("name", GPU)
def test_gpu_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    model = write_tiny_model(tmp_path / "model.onnx")
    picture = cv2.imread(str(FOLDER / "astronaut.jpg"))
    box = [181, 88, 269, 178]
    if name == "torch_frames.py":
        width = picture.shape[1]
        picture, box = np.ascontiguousarray(picture[:, ::-1]), [width - box[2], box[1], width - box[0], box[3]]
    monkeypatch.setattr(sys, "argv", [name, str(model)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")
    assert capsys.readouterr().out == f"{PoseEngine(model)(picture, [box])}\n"


def run(name: str, *arguments: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / name), run_name="__main__")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Three frames of the bundled photo."""
    photo = cv2.imread(str(FOLDER / "astronaut.jpg"))
    path = tmp_path / "clip.mp4"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, photo.shape[1::-1])
    for _ in range(3):
        writer.write(photo)
    writer.release()
    return path


@pytest.mark.parametrize("name", SHORT)
def test_what_a_user_writes_first_has_at_most_12_lines(name: str) -> None:
    lines = (EXAMPLES / name).read_text(encoding="utf-8").splitlines()
    assert len([line for line in lines if line.strip()]) <= 12


def test_webcam(video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It draws on the face of every frame, and q ends it."""
    shown: list[np.ndarray] = []
    monkeypatch.setattr(cv2, "imshow", lambda title, image: shown.append(image.copy()))
    monkeypatch.setattr(cv2, "waitKey", lambda wait_ms: -1)
    run("webcam.py", video, monkeypatch=monkeypatch)
    before = cv2.VideoCapture(str(video))
    assert len(shown) == 3
    for image in shown:
        changed = cv2.absdiff(before.read()[1], image).max(axis=2) > 80
        assert changed[88:178, 181:269].any() and not changed[300:].any()
    monkeypatch.setattr(cv2, "waitKey", lambda wait_ms: ord("q"))
    run("webcam.py", video, monkeypatch=monkeypatch)
    assert len(shown) == 4


def test_folder_to_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("astronaut.jpg", "grace_hopper.jpg"):
        shutil.copy(FOLDER / name, photos)
    run("folder_to_table.py", photos, tmp_path / "poses.csv", monkeypatch=monkeypatch)
    with (tmp_path / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["astronaut.jpg", "grace_hopper.jpg"]
    assert all(abs(float(row[f"{angle}_deg"])) < 40 for row in rows for angle in ("yaw", "pitch", "roll"))
    assert 150 < float(rows[0]["x1"]) < float(rows[0]["x2"]) < 300


def test_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    photo = cv2.imread(str(FOLDER / "astronaut.jpg"))
    run("picture.py", FOLDER / "astronaut.jpg", tmp_path / "posed.png", monkeypatch=monkeypatch)
    (row,) = capsys.readouterr().out.splitlines()
    assert ast.literal_eval(row)["yaw_deg"] == PoseEngine()(photo).yaw[0]
    changed = cv2.absdiff(photo, cv2.imread(str(tmp_path / "posed.png"))).max(axis=2) > 80
    assert changed[88:178, 181:269].any() and not changed[300:].any()


def test_own_detector(data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    yunet = data / "detectors" / "yunet_n_640_640.onnx"
    run("own_detector.py", yunet, FOLDER / "astronaut.jpg", monkeypatch=monkeypatch)
    assert "Poses(1: (yaw " in capsys.readouterr().out


def test_own_drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The arrow of a face that looks down and a little aside starts within its box and points down."""
    photo = cv2.imread(str(FOLDER / "astronaut.jpg"))
    run("own_drawing.py", FOLDER / "astronaut.jpg", tmp_path / "arrows.png", monkeypatch=monkeypatch)
    pose = PoseEngine()(photo)[0]
    rows, columns = np.nonzero(cv2.absdiff(photo, cv2.imread(str(tmp_path / "arrows.png"))).max(axis=2) > 30)
    middle = (pose.box[1] + pose.box[3]) / 2
    assert pose.pitch < -5 and rows.min() > middle - 8 and middle + 4 < rows.max() < pose.box[3]
    assert pose.box[0] < columns.min() and columns.max() < pose.box[2]


def test_several_cameras(video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Both cameras bring the same frames, so they print the same poses, in order."""
    other = shutil.copy(video, video.with_name("other.mp4"))
    run("several_cameras.py", video, other, monkeypatch=monkeypatch)
    lines = capsys.readouterr().out.splitlines()
    first, second = (
        [line.removeprefix(f"{path} ") for line in lines if line.startswith(f"{path} ")] for path in (video, other)
    )
    assert first == second and [line.split()[0] for line in first] == ["0", "1", "2"]


def test_export_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("torch", "onnx", "onnxsim"):
        pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for path in FOLDER.glob("*.jpg"):
        photo = cv2.imread(str(path))
        for name, image in (("as-it-is", photo), ("mirrored", photo[:, ::-1])):
            cv2.imwrite(str(tmp_path / "photos" / f"{path.stem}-{name}.png"), image)
    run("export_model.py", DEFAULT.with_suffix(".pth"), tmp_path / "photos", monkeypatch=monkeypatch)
    photo, box = cv2.imread(str(FOLDER / "astronaut.jpg")), [[181, 88, 269, 178]]
    exact, int8 = (PoseEngine(tmp_path / name)(photo, box).angles for name in ("model.onnx", "int8.onnx"))
    np.testing.assert_allclose(exact, PoseEngine()(photo, box).angles, atol=0.01)
    assert 0 < np.abs(int8 - exact).max() < 3  # the gate's limit of the 99th percentile


@pytest.mark.parametrize("name", CPU)
def test_without_arguments_an_example_prints_its_usage(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    with pytest.raises(SystemExit, match=f"python examples/{name}"):
        run(name, monkeypatch=monkeypatch)


def test_every_example_is_run() -> None:
    assert sorted(path.name for path in EXAMPLES.glob("*.py")) == sorted([*CPU, *GPU, *RAY, *SERVED, *ROS])
    for name in GPU:
        assert f"python examples/{name} model.onnx" in (EXAMPLES / name).read_text(encoding="utf-8")
