"""PoseEngine on TensorRT engines: the whole flow and every refusal, on doubles of TensorRT and CUDA.

What the doubles cannot show is that TensorRT itself does what they do: no engine of TensorRT's was built or run here.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from fake_cuda import FREE, FakeCuda
from fake_tensorrt import FakeTensorRT, fake_plan
from tiny_model import tiny_spec, write_tiny_model

from hpe_edge import BackendError, InputError, ModelError, ModelNotFoundError, PoseEngine
from hpe_edge.backends.tensorrt.plan_file import EngineInfo, digest, read_info, sidecar
from hpe_edge.backends.tensorrt.runner import TensorRTContext, load_engine
from hpe_edge.cli.main import main
from hpe_edge.spec import SigmaCalibration

BOXES = np.float32([[10, 10, 50, 60], [-20, 5, 40, 70], [60, 20, 90, 45]])
VERSIONS = ("8.6.1", "10.0.1", "10.3.0", "10.13.3.9", "11.4.0.106")

Write = Callable[..., Path]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda().install(monkeypatch)


@pytest.fixture
def trt(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> FakeTensorRT:
    return FakeTensorRT(cuda).install(monkeypatch)


@pytest.fixture
def onnx_file(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "tiny.onnx")


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


@pytest.fixture
def engine_file(tmp_path: Path, onnx_file: Path) -> Write:
    def write(version: str = "10.3.0", profile: tuple[int, int, int] = (1, 4, 16), **changes: Any) -> Path:
        model = onnx.load(onnx_file)
        compatible = changes.get("version_compatible", False)
        plan = fake_plan(model, version, profile, compatible=compatible)
        info = EngineInfo(
            spec=tiny_spec(),
            tensorrt=version,
            gpu="Fake GPU",
            compute_capability="8.7",
            precision="fp16",
            profile=profile,
            plan_bytes=len(plan),
            plan_sha256=digest(plan),
            rebuild="hpe-edge export trt tiny.onnx --fp16 -o tiny.engine",
        )
        path = tmp_path / "tiny.engine"
        path.write_bytes(plan)
        sidecar(path).write_text(replace(info, **changes).to_json())
        return path

    return write


@pytest.mark.parametrize("version", VERSIONS)
def test_the_answers_are_onnx_runtimes(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, onnx_file: Path, engine_file: Write, frame: Any, version: str
) -> None:
    trt = FakeTensorRT(cuda, version).install(monkeypatch)
    with PoseEngine(onnx_file) as reference, PoseEngine(engine_file(version)) as engine:
        assert engine.device == "cuda:0"
        assert engine.spec == reference.spec
        for boxes in (BOXES, BOXES[:1], BOXES, np.repeat(BOXES, 12, axis=0), BOXES[:0]):
            np.testing.assert_allclose(engine(frame, boxes).angles, reference(frame, boxes).angles, atol=1e-4)
    gc.collect()
    assert cuda.leaks() == {} and cuda.stack == [] and trt.mistakes == []


@pytest.mark.parametrize("on", ["cpu", None])
def test_sigma_is_calibrated_by_the_file_beside_it(
    trt: FakeTensorRT, onnx_file: Path, engine_file: Write, frame: Any, on: Any
) -> None:
    """Cropped and decoded on the CPU, or where the engine chooses."""
    sigma = SigmaCalibration(0.5, 0.25, 2.0, 100, "labels.csv", True, 9.0)
    path = engine_file(spec=replace(tiny_spec(), sigma=sigma))
    with PoseEngine(onnx_file) as plain, PoseEngine(path, crop_on=on) as engine:
        assert engine.spec.sigma == sigma and engine.max_sigma == 9.0
        want = plain(frame, BOXES).sigma * np.array(sigma.factors, np.float32)
        np.testing.assert_allclose(engine(frame, BOXES).sigma, want, rtol=1e-3)


def test_every_execution_context_is_given_its_profile(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, onnx_file: Path, engine_file: Write, frame: Any
) -> None:
    """TensorRT 8.6 selects profile 0 for the first context alone, and refuses shapes to the others until one is set."""
    trt = FakeTensorRT(cuda, "8.6.1").install(monkeypatch)
    with PoseEngine(onnx_file) as reference, PoseEngine(engine_file("8.6.1")) as engine:
        for count in (1, 3):
            want = reference(frame, BOXES[:count])
            np.testing.assert_allclose(engine(frame, BOXES[:count]).angles, want.angles, atol=1e-4)
        alive = [context() for context in trt.executions]
        assert len(alive) > 1 and all(each is not None and each.active_optimization_profile == 0 for each in alive)


def test_a_profile_that_is_refused_is_said(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, onnx_file: Path, engine_file: Write, frame: Any
) -> None:
    """As that of an engine of TensorRT 8.6 which was built without sharing of profiles."""
    FakeTensorRT(cuda, "8.6.1").install(monkeypatch)
    path = engine_file("8.6.1")
    plan = fake_plan(onnx.load(onnx_file), "8.6.1", (1, 4, 16), sharing=False)
    path.write_bytes(plan)
    sidecar(path).write_text(replace(read_info(path), plan_bytes=len(plan), plan_sha256=digest(plan)).to_json())
    with PoseEngine(path) as engine, pytest.raises(BackendError, match="profile 0 is in use by another"):
        engine(frame, BOXES[:1])
        engine(frame, BOXES)


@pytest.mark.parametrize("suffix", [".plan", ".ENGINE"])
def test_other_names(trt: FakeTensorRT, engine_file: Write, tmp_path: Path, suffix: str) -> None:
    path = engine_file()
    other = tmp_path / f"model{suffix}"
    sidecar(path).rename(sidecar(other))
    path.rename(other)
    PoseEngine(other).close()


@pytest.mark.parametrize(
    ("profile", "sizes"),
    [
        ((1, 4, 16), [1, 2, 4, 8, 16]),
        ((1, 4, 12), [1, 2, 4, 8, 12]),
        ((3, 5, 8), [3, 4, 5, 8]),
        ((1, 1, 2), [1, 2]),
        ((4, 4, 4), [4]),
        ((1, 1, 1), [1]),
    ],
)
def test_nothing_is_captured_while_a_caller_waits(
    cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, onnx_file: Path, profile: Any, sizes: list[int]
) -> None:
    """A warm engine has the graphs of all batch sizes, and pads other numbers of faces to the next one."""
    boxes, blank = np.repeat(BOXES, 6, axis=0), np.zeros((80, 100, 3), np.uint8)
    with PoseEngine(onnx_file) as reference, PoseEngine(engine_file(profile=profile)) as engine:
        engine.warmup()
        assert len(trt.executions) == cuda.captures == len(sizes)
        used, allocated, launched = cuda.used, cuda.leaks()["memory"], cuda.launches
        for count in (1, 2, 3, 5, 4, profile[2]):
            trt.batches.clear()
            got = engine(blank, boxes[:count])
            np.testing.assert_allclose(got.angles, reference(blank, boxes[:count]).angles, atol=1e-4)
            if count <= profile[2]:
                assert trt.batches == [next(size for size in sizes if size >= count)]
        assert len(trt.executions) == cuda.captures == len(sizes)
        assert (cuda.used, cuda.leaks()["memory"]) == (used, allocated) and cuda.launches >= launched + 6


def test_warmup_makes_the_buffers_of_several_callers(cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write) -> None:
    with PoseEngine(engine_file()) as engine:
        engine.warmup(threads=3)
        assert cuda.captures == 3 * 5
        contexts = [engine._borrow() for _ in range(3)]
        for context in contexts:
            context.run(3)
            engine._give_back(context)
        assert cuda.captures == 3 * 5
        with pytest.raises(InputError, match="at least one thread, got 0"):
            engine.warmup(threads=0)
        with pytest.raises(InputError, match=r"on_gpu=True.* crops on the CPU"):
            engine.warmup(on_gpu=True)
    gc.collect()
    assert cuda.leaks() == {} and trt.mistakes == []


def test_each_batch_size_takes_the_profile_that_is_tuned_for_it(
    cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, onnx_file: Path
) -> None:
    profiles = [(8, 16, 16), (1, 1, 1), (1, 4, 16), (2, 2, 2)]
    plan = fake_plan(onnx.load(onnx_file), "10.3.0", (), profiles=profiles)
    path = engine_file()
    path.write_bytes(plan)
    sidecar(path).write_text(replace(read_info(path), plan_bytes=len(plan), plan_sha256=digest(plan)).to_json())
    with PoseEngine(path) as engine:
        engine.warmup()
        taken = sorted((each()._shape[0], each().active_optimization_profile) for each in trt.executions)
        assert taken == [(1, 1), (2, 3), (4, 2), (8, 2), (16, 0)]


def test_profiles_that_leave_a_batch_size_out(trt: FakeTensorRT, engine_file: Write, onnx_file: Path) -> None:
    plan = fake_plan(onnx.load(onnx_file), "10.3.0", (), profiles=[(1, 1, 1), (2, 2, 2), (8, 16, 16)])
    path = engine_file()
    path.write_bytes(plan)
    sidecar(path).write_text(replace(read_info(path), plan_bytes=len(plan), plan_sha256=digest(plan)).to_json())
    with pytest.raises(ModelError, match=r"a profile for batches of 4, got \[\(1, 1, 1\), "):
        PoseEngine(path)


def test_a_network_that_cannot_be_captured_runs_without_graphs(
    cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, onnx_file: Path, frame: Any
) -> None:
    cuda.capturable = False
    with PoseEngine(onnx_file) as reference, PoseEngine(engine_file()) as engine:
        for _ in range(2):
            np.testing.assert_allclose(engine(frame, BOXES).angles, reference(frame, BOXES).angles, atol=1e-4)
    assert cuda.launches == 0
    gc.collect()
    assert cuda.leaks() == {} and trt.mistakes == []


@pytest.mark.parametrize("profile", [(4, 4, 4), (3, 4, 8), (2, 2, 2)])
def test_a_profile_that_starts_above_one_is_padded(
    trt: FakeTensorRT, engine_file: Write, onnx_file: Path, frame: Any, profile: tuple[int, int, int]
) -> None:
    with PoseEngine(onnx_file) as reference, PoseEngine(engine_file(profile=profile)) as engine:
        for count in (3, 1, 2):
            np.testing.assert_allclose(
                engine(frame, BOXES[:count]).angles, reference(frame, BOXES[:count]).angles, atol=1e-4
            )
    backend = load_engine(engine_file(profile=profile))
    context = backend.context()
    context.input(2)[...] = 7
    alone = context.run(2)[0].copy()
    if profile[2] > 2:
        context.input(3)[...] = 5
        context.run(3)
        context.run(2)
        assert (context.input(3)[2] == 5).all(), "rows that nobody reads are not touched"
    context.input(2)[...] = 7
    assert (context.run(2)[0] == alone).all(), "what an earlier call left in rows that nobody reads"
    backend.close()


def test_a_batch_outside_the_profile(trt: FakeTensorRT, engine_file: Write) -> None:
    backend = load_engine(engine_file(profile=(1, 2, 4)))
    assert backend.max_batch == 4
    context = backend.context()
    for count in (0, 5):
        with pytest.raises(InputError, match=rf"takes 1 to 4 faces at a time, got {count}"):
            context.run(count)
    backend.close()


def test_fresh_buffers_hold_no_garbage(trt: FakeTensorRT, engine_file: Write) -> None:
    backend = load_engine(engine_file())
    rows = backend.context().input(16)
    assert FREE and (rows == 0).all()
    backend.close()


def test_many_callers_get_the_answers_of_one(trt: FakeTensorRT, engine_file: Write, rng: np.random.Generator) -> None:
    frames = [np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8) for _ in range(6)]
    with PoseEngine(engine_file()) as engine:
        alone = [engine(each, BOXES).angles for each in frames]
        wrong: list[int] = []

        def work(i: int) -> None:
            for _ in range(20):
                if not np.array_equal(engine(frames[i], BOXES).angles, alone[i]):
                    wrong.append(i)

        threads = [threading.Thread(target=work, args=(i,)) for i in range(len(frames))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


def test_a_forgotten_engine_frees_everything(cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, frame: Any) -> None:
    engine = PoseEngine(engine_file())
    engine(frame, BOXES)
    del engine
    gc.collect()
    assert cuda.leaks() == {}
    assert all(made() is None for made in trt.executions) and trt.mistakes == []


@pytest.mark.parametrize("device", [0, 1])
def test_someone_elses_context_stays_current(
    cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, frame: Any, device: int
) -> None:
    """PyCUDA's context is used where it is on the same GPU, and is current again after each call."""
    cuda.devices.append(("Other GPU", (9, 0)))
    theirs = cuda.make_context(device)
    with PoseEngine(engine_file()) as engine:
        assert cuda.stack == [theirs]
        engine(frame, BOXES)
        assert cuda.stack == [theirs]
        assert bool(cuda.leaks().get("primary contexts")) == (device != 0)
    assert cuda.stack == [theirs] and cuda.leaks() == {}


def test_someone_elses_context_may_end_first(cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, frame: Any) -> None:
    theirs = cuda.make_context(0)
    engine = PoseEngine(engine_file())
    engine(frame, BOXES)
    cuda.destroy_context(theirs)
    with pytest.raises(BackendError, match="CUDA_ERROR_INVALID_CONTEXT"):
        engine(frame, BOXES)
    engine.close()


def test_another_gpu_is_asked_for(cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, frame: Any) -> None:
    cuda.devices.insert(0, ("Other GPU", (9, 0)))
    with PoseEngine(engine_file(), device="cuda:1") as engine:
        engine(frame, BOXES)
    with pytest.raises(InputError, match="there is no GPU 2, CUDA sees 2"):
        PoseEngine(engine_file(), device="cuda:2")


@pytest.mark.parametrize("device", ["cpu", "cuda:x", "gpu", ""])
def test_a_device_that_is_no_gpu(trt: FakeTensorRT, engine_file: Write, device: str) -> None:
    with pytest.raises(InputError, match="runs on a GPU"):
        PoseEngine(engine_file(), device=device)


@pytest.mark.parametrize(
    ("built", "here", "changes", "message"),
    [
        ("10.3.0", "10.13.3.9", {}, r"built with TensorRT 10\.3\.0 and runs with that version, got 10\.13\.3\.9"),
        ("10.13.3.9", "10.3.0", {"version_compatible": True}, r"that version or newer, up to 11, got 10\.3\.0"),
        ("8.6.1", "11.4.0.106", {"version_compatible": True}, r"8\.6\.1 and runs with .* up to 10, got 11\.4\.0\.106"),
        ("11.4.0.106", "12.0.0", {"version_compatible": True}, r"up to 11, got 12\.0\.0"),
        ("10.3.0", "10.3.0", {"gpu": "NVIDIA A10"}, r"built on NVIDIA A10 \(.* and runs on that GPU, got Fake GPU"),
        ("10.3.0", "10.3.0", {"compute_capability": "8.6"}, r"8\.6\) and .* got Fake GPU \(compute capability 8\.7"),
        ("10.3.0", "10.3.0", {"hardware": "same-capability", "compute_capability": "8.6"}, r"runs on GPUs of .* 8\.6"),
    ],
)
def test_an_engine_for_another_machine(
    cuda: FakeCuda,
    monkeypatch: pytest.MonkeyPatch,
    engine_file: Write,
    built: str,
    here: str,
    changes: dict[str, Any],
    message: str,
) -> None:
    FakeTensorRT(cuda, here).install(monkeypatch)
    with pytest.raises(BackendError, match=message) as caught:
        PoseEngine(engine_file(built, **changes))
    assert "build it again here: hpe-edge export trt tiny.onnx --fp16 -o tiny.engine" in str(caught.value)
    assert cuda.leaks() == {}


@pytest.mark.parametrize(
    ("built", "here", "changes"),
    [
        ("10.3.0", "10.13.3.9", {"version_compatible": True}),
        ("10.3.0", "11.4.0.106", {"version_compatible": True}),
        ("8.6.1", "10.3.0", {"version_compatible": True}),
        ("11.0.0", "11.4.0.106", {"version_compatible": True}),
        ("10.3.0", "10.3.0", {"hardware": "same-capability", "gpu": "NVIDIA A10", "multiprocessors": 72}),
        ("10.3.0", "10.3.0", {"hardware": "ampere-plus", "gpu": "NVIDIA A10", "compute_capability": "9.0"}),
    ],
)
def test_a_compatible_engine(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, engine_file: Write, built: str, here: str, changes: dict[str, Any]
) -> None:
    FakeTensorRT(cuda, here).install(monkeypatch)
    PoseEngine(engine_file(built, **changes)).close()


# The name and compute capability of all of them are Orin and 8.7; CUDA's multiprocessors and memory in MB.
ORIN = {
    "AGX 64 GB": (16, 62800),
    "AGX 32 GB": (14, 30600),
    "NX 16 GB": (8, 15650),
    "NX 8 GB": (8, 7620),
    "Nano 4 GB": (4, 3500),
}


@pytest.mark.parametrize("built", ORIN)
@pytest.mark.parametrize("here", ORIN)
def test_an_orin_is_not_any_orin(cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, built: str, here: str) -> None:
    cuda.devices, cuda.integrated = [("Orin", (8, 7))], True
    multiprocessors, memory_mb = ORIN[built]
    path = engine_file(gpu="Orin", multiprocessors=multiprocessors, memory_mb=memory_mb)
    cuda.multiprocessors, memory_mb = ORIN[here]
    cuda.memory_bytes = memory_mb << 20
    if here == built:
        PoseEngine(path).close()
        cuda.memory_bytes -= cuda.memory_bytes // 20  # another release of JetPack keeps more for itself
        PoseEngine(path).close()
        return
    with pytest.raises(BackendError) as caught:
        PoseEngine(path)
    said = str(caught.value)
    for module in (built, here):
        assert (
            f"Orin (compute capability 8.7, {ORIN[module][0]} multiprocessors, {ORIN[module][1] / 1024:.1f} GB" in said
        )
    assert "build it again here: hpe-edge export trt" in said
    assert ("nvpmodel" in said) == (ORIN[built][0] != ORIN[here][0])


def test_a_description_from_before_multiprocessors_were_kept(
    cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write
) -> None:
    path = engine_file()
    plain = json.loads(sidecar(path).read_text())
    sidecar(path).write_text(json.dumps({k: v for k, v in plain.items() if k not in ("multiprocessors", "memory_mb")}))
    cuda.multiprocessors, cuda.memory_bytes = 3, 3 << 30
    PoseEngine(path).close()


def test_ampere_plus_needs_ampere(cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write) -> None:
    cuda.devices = [("Xavier", (7, 2))]
    with pytest.raises(BackendError, match=r"compute capability 8\.0 or more, got Xavier"):
        PoseEngine(engine_file(hardware="ampere-plus"))


def test_a_truncated_plan(trt: FakeTensorRT, engine_file: Write) -> None:
    path = engine_file()
    whole = path.read_bytes()
    for part in (whole[:-1], whole[:100], b""):
        path.write_bytes(part)
        with pytest.raises(ModelError, match=rf"is truncated: {len(part)} of {len(whole)} bytes; copy it again"):
            PoseEngine(path)


def test_a_plan_that_is_another_one(trt: FakeTensorRT, engine_file: Write) -> None:
    path = engine_file()
    whole = bytearray(path.read_bytes())
    for other in (whole + b"x", whole[:-1] + b"x"):
        path.write_bytes(other)
        with pytest.raises(ModelError, match=r"tiny\.engine\.json"):
            PoseEngine(path)


def test_no_description_beside_it(trt: FakeTensorRT, engine_file: Write) -> None:
    path = engine_file()
    sidecar(path).unlink()
    with pytest.raises(ModelError, match=r"no tiny\.engine\.json beside it.*export trt"):
        PoseEngine(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda plain: "{", "is not JSON"),
        (lambda plain: {**plain, "format": 2}, "upgrade hpe_edge"),
        (lambda plain: {**plain, "surprise": 1}, "unknown field 'surprise'"),
        (lambda plain: {key: value for key, value in plain.items() if key != "profile"}, "lacks the field 'profile'"),
        (lambda plain: {**plain, "profile": [4, 2, 8]}, "must rise"),
        (lambda plain: {**plain, "profile": [1, 2]}, "a list of 3"),
        (lambda plain: {**plain, "precision": "fp8"}, "one of fp32, fp16, int8"),
        (lambda plain: {**plain, "spec": {**plain["spec"], "outputs": []}}, "the decode reads output"),
    ],
)
def test_a_description_that_cannot_be_read(
    trt: FakeTensorRT, engine_file: Write, edit: Callable[[Any], Any], message: str
) -> None:
    path = engine_file()
    edited = edit(json.loads(sidecar(path).read_text()))
    sidecar(path).write_text(edited if isinstance(edited, str) else json.dumps(edited))
    with pytest.raises(ModelError, match=message) as caught:
        PoseEngine(path)
    assert "tiny.engine.json" in str(caught.value)


def test_a_description_that_is_no_text(trt: FakeTensorRT, engine_file: Write) -> None:
    path = engine_file()
    sidecar(path).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelError, match=r"tiny\.engine\.json"):
        PoseEngine(path)


def spec_with(**changes: Any) -> dict[str, Any]:
    return {"spec": replace(tiny_spec(), input=replace(tiny_spec().input, **changes))}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (spec_with(name="picture"), r"the input 'picture', got \['image'\]"),
        (spec_with(size=32), r"an input \[N, 3, 32, 32\], got"),
        (spec_with(dtype="float16"), "a float16 input, got"),
        ({"profile": (1, 4, 8)}, "1 to 8 faces, got 1 to 16"),
        ({"profile": (2, 4, 16)}, "2 to 16 faces, got 1 to 16"),
        ({"spec": tiny_spec(bins=99)}, r"'logits' as float32 \[N, 297 or more\]"),
        ({"spec": replace(tiny_spec(), outputs=("logits", "mask"))}, r"the outputs \['logits', 'mask'\]"),
    ],
)
def test_a_description_that_contradicts_the_plan(
    cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, changes: dict[str, Any], message: str
) -> None:
    path = engine_file()
    info = replace(read_info(path), **changes)
    sidecar(path).write_text(info.to_json())
    with pytest.raises(ModelError, match=message):
        PoseEngine(path)
    assert cuda.leaks() == {}


def test_what_tensorrt_itself_refuses(cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write) -> None:
    path = engine_file()
    plan = b"no plan at all"
    path.write_bytes(plan)
    info = replace(read_info(path), plan_bytes=len(plan), plan_sha256=digest(plan))
    sidecar(path).write_text(info.to_json())
    with pytest.raises(BackendError, match=r"magicTag failed.*export trt tiny\.onnx"):
        PoseEngine(path)
    assert cuda.leaks() == {}


@pytest.mark.parametrize("left", [0, 4 * 3 * 64 * 64, 16 * 4 * 3 * 64 * 64 + 100])
def test_out_of_device_memory(cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write, frame: Any, left: int) -> None:
    cuda.memory_bytes = left
    with (
        PoseEngine(engine_file()) as engine,
        pytest.raises(BackendError, match=r"MB of memory on Fake GPU.*memory \("),
    ):
        engine(frame, BOXES)
    assert cuda.leaks() == {}


def test_out_of_device_memory_within_tensorrt(trt: FakeTensorRT, engine_file: Write, frame: Any) -> None:
    with PoseEngine(engine_file()) as engine:
        trt.out_of_memory = True
        with pytest.raises(BackendError, match="on Fake GPU: Requested amount"):
            engine(frame, BOXES)
        trt.out_of_memory = False
        assert len(engine(frame, BOXES)) == 3, "and once there is room, it goes on"


def test_warnings_of_the_runtime_are_logged_once(
    trt: FakeTensorRT, engine_file: Write, frame: Any, caplog: pytest.LogCaptureFixture
) -> None:
    trt.warnings = ["the plan was built on another model of device", "lazy loading is off"]
    with caplog.at_level(logging.WARNING), PoseEngine(engine_file()) as engine:
        engine(frame, BOXES)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2 and all(text in line for text, line in zip(trt.warnings, said, strict=True))


def test_tensorrt_is_absent(cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch, engine_file: Write) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(BackendError, match=r"needs TensorRT.*pip install 'hpe-edge\[tensorrt\]'.*JetPack"):
        PoseEngine(engine_file())


def test_cuda_bindings_are_absent(
    cuda: FakeCuda, trt: FakeTensorRT, monkeypatch: pytest.MonkeyPatch, engine_file: Write
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.driver", None)
    with pytest.raises(BackendError, match=r"needs cuda-bindings.*pip install 'cuda-bindings"):
        PoseEngine(engine_file())


def test_no_gpu_is_noticed_before_tensorrts_runtime_starts(
    cuda: FakeCuda, trt: FakeTensorRT, monkeypatch: pytest.MonkeyPatch, engine_file: Write
) -> None:
    def crash(*_: object) -> None:
        raise AssertionError("trt.Runtime would have crashed the process")

    trt.module.Runtime = crash
    cuda.devices = []
    with pytest.raises(BackendError, match=r"no working NVIDIA GPU.*CUDA_ERROR_NO_DEVICE"):
        PoseEngine(engine_file())

    def no_library(Flags: int) -> None:
        raise RuntimeError("Failed to dlopen libcuda.so.1")

    monkeypatch.setattr(cuda.driver, "cuInit", no_library)
    with pytest.raises(BackendError, match=r"no working NVIDIA GPU.*libcuda\.so\.1"):
        PoseEngine(engine_file())


def test_info_needs_neither_tensorrt_nor_a_gpu(
    engine_file: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    path = engine_file(hardware="ampere-plus", version_compatible=True, dla_core=0, tools={"onnx": "1.23"})
    assert main(["info", str(path)]) == 0
    said = capsys.readouterr().out
    for word in (
        "fp16", "1, 2, 4, 8, 16; kernels of their own up to 4", "10.3.0 or newer", "Fake GPU (compute capability 8.7)",
        "runs on all GPUs from Ampere", "core 0", "onnx 1.23",
        "hpe-edge export trt tiny.onnx --fp16", "not run", "architecture", "66 bins",
    ):  # fmt: skip
        assert word in said
    assert main(["info", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(sidecar(path).read_text())
    sidecar(path).unlink()
    assert main(["info", str(path)]) == 1
    assert "no tiny.engine.json beside it" in capsys.readouterr().err


def test_a_runtime_that_does_not_start(cuda: FakeCuda, trt: FakeTensorRT, engine_file: Write) -> None:
    def none(logger: object) -> None:
        raise TypeError("pybind11::init(): factory function returned nullptr")

    trt.module.Runtime = none
    with pytest.raises(BackendError, match="runtime does not start"):
        PoseEngine(engine_file())
    assert cuda.leaks() == {}


def test_no_engine_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"export trt MODEL\.onnx -o .*gone\.engine"):
        PoseEngine(tmp_path / "gone.engine")


def test_onnx_files_need_neither_tensorrt_nor_cuda(monkeypatch: pytest.MonkeyPatch, onnx_file: Path) -> None:
    for name in ("tensorrt", "cuda", "cuda.bindings"):
        monkeypatch.setitem(sys.modules, name, None)  # an import fails
    PoseEngine(onnx_file).close()


def test_a_failing_run_is_said(trt: FakeTensorRT, engine_file: Write, frame: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("fake_tensorrt.Execution.execute_async_v3", lambda self, stream_handle: False)
    with PoseEngine(engine_file()) as engine, pytest.raises(BackendError, match="TensorRT failed on a batch of 16"):
        engine(frame, BOXES)


def test_captured_sizes_are_told(trt: FakeTensorRT, engine_file: Write) -> None:
    backend = load_engine(engine_file())
    context = backend.context()
    assert isinstance(context, TensorRTContext) and context.captured == set()
    context.run(5)
    assert context.captured == {(size, "host") for size in (1, 2, 4, 8, 16)}
    backend.close()
