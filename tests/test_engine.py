"""PoseEngine on each backend for the CPU, over a tiny model whose answer is computed here in NumPy, and every way of
loading the wrong thing.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import reference
from loading import Load
from onnx import TensorProto
from tiny_model import tiny_spec, tiny_weights, write_tiny_model

import hpe_edge
from hpe_edge import BackendError, InputError, ModelError, ModelNotFoundError, PoseEngine
from hpe_edge.backends.base import Context
from hpe_edge.backends.onnx.context import OnnxRuntimeContext
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.ops.crop import crop_normalize
from hpe_edge.spec import Crop

BOXES = np.float32([[10, 10, 50, 60], [-20, 5, 40, 70], [60, 20, 90, 45]])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("engine") / "tiny.onnx")


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    # Smooth areas, so that the mean colour, and with it the answer, differs from box to box.
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


def expected(frame: np.ndarray, boxes: np.ndarray, crop: Crop | None = None, color: str = "BGR") -> np.ndarray:
    spec = tiny_spec()
    faces = crop_normalize(frame, boxes, crop or spec.crop, spec.input, color=color)
    weight, bias = tiny_weights()
    logits = faces.mean(axis=(2, 3), dtype=np.float64) @ weight + bias
    return np.stack([reference.decode_bins(logits[:, i * 66 : i * 66 + 66], -99, 3, False)[0] for i in range(3)], 1)


def test_angles_are_what_the_network_says(load: Load, model: Path, frame: np.ndarray) -> None:
    engine = load(model)
    poses = engine(frame, BOXES)
    np.testing.assert_allclose(poses.angles, expected(frame, BOXES), atol=1e-3)
    assert np.ptp(poses.yaw) > 1
    np.testing.assert_array_equal(poses.yaw, poses.angles[:, 0])
    np.testing.assert_array_equal(poses.pitch, poses.angles[:, 1])
    np.testing.assert_array_equal(poses.roll, poses.angles[:, 2])
    assert (poses.sigma > 0).all()
    assert "yaw" in repr(poses) and "tiny" in repr(engine)


@pytest.mark.parametrize("count", [0, 1, 2, 8, 9, 50])
@pytest.mark.parametrize("batch", [None, 1, 4])
def test_any_number_of_faces_whatever_the_models_batch(
    load: Load, tmp_path: Path, frame: np.ndarray, rng: np.random.Generator, batch: int | None, count: int
) -> None:
    engine = load(write_tiny_model(tmp_path / "m.onnx", batch=batch))
    corners = rng.uniform(0, 50, (count, 2))
    boxes = np.column_stack([corners, corners + rng.uniform(5, 40, (count, 2))]).reshape(-1, 4)
    poses = engine(frame, boxes)
    assert len(poses) == count and poses.quaternion.shape == (count, 4) and poses.gimbal.shape == (count,)
    if count:
        np.testing.assert_allclose(poses.angles, expected(frame, boxes), atol=1e-3)


def test_results_are_not_overwritten_by_the_next_call(load: Load, model: Path, frame: np.ndarray) -> None:
    engine = load(model)
    first = engine(frame, BOXES)
    kept = first.angles.copy()
    engine(255 - frame, BOXES)
    np.testing.assert_array_equal(first.angles, kept)


def test_colors_of_the_frame(load: Load, model: Path, frame: np.ndarray) -> None:
    engine = load(model)
    bgr = engine(frame, BOXES).angles
    np.testing.assert_allclose(
        engine(np.ascontiguousarray(frame[..., ::-1]), BOXES, color="RGB").angles, bgr, atol=1e-4
    )
    assert np.abs(engine(frame, BOXES, color="RGB").angles - bgr).max() > 0.5
    gray = np.ascontiguousarray(frame[..., 1])
    repeated = np.repeat(gray[..., None], 3, axis=2)
    np.testing.assert_allclose(engine(gray, BOXES, color="GRAY8").angles, engine(repeated, BOXES).angles, atol=1e-3)


def test_the_callers_crop_replaces_the_models(load: Load, model: Path, frame: np.ndarray) -> None:
    crop = Crop(margins=(0.5, 0.0, 0.5, 0.3), square="none")
    poses = load(model, crop=crop)(frame, BOXES)
    np.testing.assert_allclose(poses.angles, expected(frame, BOXES, crop), atol=1e-3)


@pytest.mark.parametrize("dtype", [TensorProto.FLOAT16, TensorProto.UINT8])
def test_other_input_types(load: Load, tmp_path: Path, frame: np.ndarray, dtype: int) -> None:
    path = write_tiny_model(tmp_path / "m.onnx", dtype=dtype)
    poses = load(path)(frame, BOXES)
    if dtype == TensorProto.FLOAT16:
        np.testing.assert_allclose(poses.angles, expected(frame, BOXES), atol=0.1)
    else:
        assert np.isfinite(poses.angles).all()


def test_many_threads_get_the_answers_of_one(load: Load, model: Path, rng: np.random.Generator) -> None:
    frames = [np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8) for _ in range(8)]
    engine = load(model)
    alone = [engine(f, BOXES).angles for f in frames]
    wrong: list[str] = []

    def work(i: int) -> None:
        for _ in range(50):
            if not np.array_equal(engine(frames[i], BOXES).angles, alone[i]):
                wrong.append(f"thread {i}")

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


@pytest.mark.skipif(not Path("/proc/self/statm").is_file(), reason="needs Linux's /proc to read the resident memory")
def test_memory_does_not_grow(load: Load, model: Path, frame: np.ndarray) -> None:
    engine = load(model, threads=1)
    for _ in range(2000):
        engine(frame, BOXES)
    gc.collect()
    before = resident_bytes()
    for _ in range(10000):
        engine(frame, BOXES)
    gc.collect()
    # A leak of one box array per call would be 480 KB.
    assert resident_bytes() - before < 400_000


@pytest.mark.parametrize(
    ("time_of_batch", "best"), [(lambda n: n**2, 1), (lambda n: abs(n - 2) + 1, 2), (lambda n: 1, 8)]
)
def test_warmup_finds_the_fastest_batch(
    load: Load,
    model: Path,
    frame: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
    time_of_batch: Callable[[int], int],
    best: int,
) -> None:
    now, batches = 0, []
    with load(model) as engine:
        kind = type(engine._backend.context())
    run = kind.run

    def timed(self: Context, count: int) -> object:
        nonlocal now
        now += time_of_batch(count)
        batches.append(count)
        return run(self, count)

    boxes = [[10 + i, 10, 60 + i, 60] for i in range(8)]
    monkeypatch.setattr(kind, "run", timed)
    monkeypatch.setattr("hpe_edge.engine.time.perf_counter", lambda: now)
    with load(model) as engine:
        before = engine(frame, boxes)
        engine.warmup(faces=8)
        batches.clear()
        after = engine(frame, boxes)
    assert batches == [best] * (8 // best)
    np.testing.assert_allclose(after.angles, before.angles, atol=1e-3)


def test_warmup_and_close(load: Load, model: Path, frame: np.ndarray) -> None:
    with load(model) as engine:
        engine.warmup()
        engine.warmup(faces=20)
        with pytest.raises(InputError, match="at least one face"):
            engine.warmup(0)
    engine.close()
    with pytest.raises(BackendError, match="closed"):
        engine(frame, BOXES)


def test_bad_arguments_leave_the_engine_usable(load: Load, model: Path, frame: np.ndarray) -> None:
    engine = load(model)
    for bad in (
        lambda: engine(frame.astype(np.float32), BOXES),
        lambda: engine(frame, [[0, 0, np.nan, 1]]),
        lambda: engine(frame, [0, 0, 1, 1]),
        lambda: engine(None, []),
    ):
        with pytest.raises(InputError):
            bad()
    np.testing.assert_allclose(engine(frame, BOXES).angles, expected(frame, BOXES), atol=1e-3)


def test_an_unreadable_model_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tiny_model(tmp_path / "tiny.onnx")

    def refuse(path: Path, *mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ModelError, match=r"tiny\.onnx cannot be read: Permission denied"):
        PoseEngine(path)


def test_no_model_says_how_to_get_one() -> None:
    with pytest.raises(ModelNotFoundError, match=r"hpe-edge export onnx CHECKPOINT"):
        PoseEngine("nowhere.onnx")
    with pytest.raises(FileNotFoundError, match="there is no model"):
        PoseEngine("nowhere.onnx")


def test_foreign_and_damaged_files(load: Load, tmp_path: Path, model: Path) -> None:
    whole = model.read_bytes()
    for name, content in {
        "empty.onnx": b"",
        "text.onnx": b"this is no model",
        "half.onnx": whole[: len(whole) // 2],
        "noise.onnx": np.random.default_rng(0).bytes(5000),
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(ModelError, match=name):
            load(path)
    with pytest.raises(ModelError, match="is a folder"):
        load(tmp_path)
    plan = tmp_path / "model.engine"
    plan.write_bytes(b"plan")
    with pytest.raises(ModelError, match=r"no model\.engine\.json beside it"):
        PoseEngine(plan)
    upper = tmp_path / "UP.ONNX"
    upper.write_bytes(whole)
    assert load(upper).spec == load(model).spec
    other = tmp_path / "model.pth"
    other.write_bytes(whole)
    with pytest.raises(ModelError, match=r"not an \.onnx file"):
        load(other)


@pytest.mark.parametrize(
    ("changes", "fragment"),
    [
        ({"spec": None}, r"no hpe_edge spec.*export onnx CHECKPOINT"),
        ({"spec": tiny_spec().to_json().replace('"format": 1', '"format": 99')}, "upgrade hpe_edge"),
        ({"spec": tiny_spec(size=32)}, r"wants an input \[N, 3, 32, 32\]"),
        ({"outputs": "other"}, "names the output 'logits'"),
        ({"bins": 60, "spec": tiny_spec()}, "198 columns"),
        ({"spec": replace(tiny_spec(), input=replace(tiny_spec().input, name="x"))}, "names the input 'x'"),
        ({"spec": replace(tiny_spec(), input=replace(tiny_spec().input, dtype="float16"))}, "float16 input"),
    ],
)
def test_spec_and_graph_must_agree(load: Load, tmp_path: Path, changes: dict, fragment: str) -> None:
    path = write_tiny_model(tmp_path / "m.onnx", **changes)
    with pytest.raises(ModelError, match=fragment):
        load(path)


def test_outputs_must_have_the_inputs_batch(load: Load, tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "m.onnx", output_batch=2)
    network = onnx.load(str(path))
    network.graph.node[3].output[0] = "as many as come"
    network.graph.initializer.append(onnx.numpy_helper.from_array(np.int64([2, 198]), "two"))
    network.graph.node.append(onnx.helper.make_node("Reshape", ["as many as come", "two"], ["logits"]))
    onnx.save(network, str(path))
    with pytest.raises(ModelError, match=r"takes batches of N, but output 'logits' gives 2"):
        load(path)


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:", "cuda:²", "", "CPU", 0])
def test_unknown_device(model: Path, device: str) -> None:
    with pytest.raises(InputError, match="device must be"):
        PoseEngine(model, device=device)


def test_cuda_is_never_replaced_by_the_cpu(model: Path) -> None:
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime offers CUDA")
    with pytest.raises(BackendError, match="onnxruntime-gpu"):
        PoseEngine(model, device="cuda")


def test_threads_must_be_positive(load: Load, model: Path) -> None:
    for threads in (0, 1.5):
        with pytest.raises(InputError, match="threads"):
            load(model, threads=threads)
    with pytest.raises(InputError, match="crop must be"):
        load(model, crop=1.5)
    assert load(model, threads=1).device == "cpu"


def test_nan_in_one_face_spoils_that_face_only(load: Load, tmp_path: Path, frame: np.ndarray) -> None:
    # log of the first channel's mean: minus infinity where the crop is black, which turns into NaN in the linear layer.
    path = write_tiny_model(tmp_path / "m.onnx", dtype=TensorProto.UINT8)
    model = onnx.load(str(path))
    model.graph.node[2].input[0] = "logged"
    model.graph.node.insert(2, onnx.helper.make_node("Log", ["pooled"], ["logged"]))
    onnx.save(model, str(path))
    frame[30:60, 30:60] = 0
    poses = load(path)(frame, [[2, 2, 22, 22], [35, 35, 55, 55], [70, 2, 90, 22]])
    assert np.isnan(poses.angles[1]).all() and np.isnan(poses.rotation[1]).all() and np.isnan(poses.quaternion[1]).all()
    assert np.isfinite(poses.angles[[0, 2]]).all()


def test_input_is_copied_to_the_device_on_every_run(model: Path, rng: np.random.Generator) -> None:
    """The way of a GPU, walked on the CPU: host memory bound once as input would give the first answer for ever."""
    backend = OnnxRuntimeBackend(model)
    plain = backend.context()
    staged = OnnxRuntimeContext(backend.session, backend.spec, {"logits": (198,)}, 8, False, ("cpu", 0))
    for _ in range(3):
        faces = rng.normal(0, 1, (2, 3, 64, 64)).astype(np.float32)
        for context in (plain, staged):
            context.input(2)[...] = faces
        np.testing.assert_array_equal(staged.run(2)[0], plain.run(2)[0])


def test_a_fixed_batch_holds_no_faces_of_earlier_calls(load: Load, tmp_path: Path, frame: np.ndarray) -> None:
    """A graph may look at the whole batch, as dynamic quantisation does for its scales."""
    path = write_tiny_model(tmp_path / "m.onnx", batch=4)
    network = onnx.load(str(path))
    network.graph.node[3].input[0] = "shared"
    network.graph.node.insert(3, onnx.helper.make_node("ReduceMax", ["flat"], ["highest"], keepdims=1))
    network.graph.node.insert(4, onnx.helper.make_node("Sub", ["flat", "highest"], ["shared"]))
    onnx.save(network, str(path))
    engine = load(path)
    first = engine(frame, BOXES[:1]).angles
    engine(np.full_like(frame, 255), np.repeat(BOXES, 2, axis=0)[:4])
    np.testing.assert_array_equal(engine(frame, BOXES[:1]).angles, first)


def test_close_waits_for_the_calls_that_run(load: Load, model: Path, frame: np.ndarray) -> None:
    wrong: list[BaseException] = []

    def work(engine: PoseEngine, started: threading.Barrier) -> None:
        started.wait()
        try:
            while True:
                engine(frame, BOXES)
        except BackendError:
            pass
        except BaseException as error:
            wrong.append(error)

    for _ in range(20):
        engine, started = load(model, threads=1), threading.Barrier(4)
        threads = [threading.Thread(target=work, args=(engine, started)) for _ in range(3)]
        for thread in threads:
            thread.start()
        started.wait()
        engine.close()
        assert not engine._idle and engine._running == 0
        for thread in threads:
            thread.join()
    assert not wrong


def test_a_closed_engine_is_closed_for_no_faces_too(load: Load, model: Path, frame: np.ndarray) -> None:
    engine = load(model)
    engine.close()
    with pytest.raises(BackendError, match="closed"):
        engine(frame, [])


def test_onnxruntime_is_told_not_to_report(tmp_path: Path, model: Path) -> None:
    code = f"import hpe_edge; hpe_edge.PoseEngine({str(model)!r})"
    environment = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"} | {"HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=environment)
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and "onnxruntime" in p.name]


def test_public_names() -> None:
    expected = "PoseEngine Poses Crop Camera ModelSpec DynamicBatcher Detections Detector open_detector"
    expected += " Tracker PoseSmoother draw_poses open_source __version__ HpeEdgeError InputError ModelError"
    expected += (
        " ModelNotFoundError BackendError SourceError OutputError BoxesWarning BoxFit PictureEngine Pose Result track"
    )
    expected += " Attention AttentionMeter CameraMount NeutralLearner NeutralPose Zone ZoneEvent load_zones"
    assert sorted(hpe_edge.__all__) == sorted(expected.split())
    assert dir(hpe_edge) == sorted(hpe_edge.__all__)
