"""ONNX Runtime's CUDA and TensorRT providers: what they are told, and that nothing takes their place silently.

Neither can start here. What reaches ONNX Runtime is looked at, and the way of a GPU is walked with its session replaced
by one on the CPU that claims to be on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper
from tiny_model import tiny_spec, write_tiny_model

import hpe_edge.backends.onnx.session as session_module
from hpe_edge import BackendError, InputError, ModelError, OutputError, PoseEngine
from hpe_edge.backends.onnx.open_session import Provider, open_session
from hpe_edge.spec import Precision
from hpe_edge.util.cache_folder import cache_folder

BOXES = [[10, 10, 50, 60], [60, 20, 90, 45]]
CUDA, TENSORRT = "CUDAExecutionProvider", "TensorrtExecutionProvider"
# As they stand in libonnxruntime_providers_tensorrt.so of onnxruntime-gpu 1.31.1. Of the CUDA provider's, device_id and
# use_tf32 went through that version's own parser, which refuses what it does not know; cudnn_conv_algo_search and its
# values stand in libonnxruntime_providers_cuda.so.
TENSORRT_OPTIONS = {
    "device_id",
    "trt_engine_cache_enable",
    "trt_engine_cache_path",
    "trt_fp16_enable",
    "trt_int8_enable",
    "trt_profile_max_shapes",
    "trt_profile_min_shapes",
    "trt_profile_opt_shapes",
    "trt_timing_cache_enable",
    "trt_timing_cache_path",
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("providers") / "tiny.onnx")


@pytest.fixture
def frame(rng: np.random.Generator) -> np.ndarray:
    return np.kron(rng.integers(0, 256, (8, 10, 3)), np.ones((10, 10, 1))).astype(np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def built_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ONNX Runtime that was built for GPUs."""
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [TENSORRT, CUDA, "CPUExecutionProvider"])


class Session:
    """A session on the CPU that says it is elsewhere; convolutions are searched as the CUDA provider does.

    EXHAUSTIVE, its default, times every algorithm of cuDNN when an input has a new shape, which takes seconds.

    Attributes:
        shapes: of the inputs of all runs.
        searches: how often algorithms were timed.
    """

    def __init__(self, real: Any, says: list[str], options: dict[str, str]) -> None:
        self._real, self._says = real, says
        self._exhaustive = says[0] == CUDA and options.get("cudnn_conv_algo_search", "EXHAUSTIVE") == "EXHAUSTIVE"
        self.shapes: list[tuple[int, ...]] = []
        self.searches = 0
        sessions.append(self)

    def get_providers(self) -> list[str]:
        return self._says

    def io_binding(self) -> Binding:
        return Binding(self._real.io_binding())

    def run_with_iobinding(self, binding: Binding) -> None:
        self.searches += self._exhaustive and binding.shape not in self.shapes
        self.shapes.append(binding.shape)
        self._real.run_with_iobinding(binding.real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class Binding:
    """A binding that remembers the shape of its input."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.shape: tuple[int, ...] = ()

    def bind_ortvalue_input(self, name: str, value: onnxruntime.OrtValue) -> None:
        self.shape = tuple(value.shape())
        self.real.bind_ortvalue_input(name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


sessions: list[Session] = []


def no_driver(index: int) -> None:
    """In place of :class:`hpe_edge.cuda.device.Device`: cuda-bindings without a driver that suits it."""
    raise BackendError("there is no working NVIDIA GPU here")


@pytest.fixture
def asked(built_in: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, dict[str, str]]]]:
    """Requests for sessions on GPUs, all of which start; GPU memory is the host's."""
    requests: list[tuple[str, dict[str, str]]] = []
    sessions.clear()
    monkeypatch.setattr(session_module, "Device", no_driver)
    real, allocate = onnxruntime.InferenceSession, onnxruntime.OrtValue.ortvalue_from_shape_and_type

    def session(graph: Any, options: Any, providers: list[tuple[str, dict[str, str]]], enable_fallback: int) -> Any:
        assert enable_fallback == 0
        ((name, settings),) = providers
        if name == "CPUExecutionProvider":
            return real(graph, options, providers=providers)
        requests.append((name, settings))
        whole = options.get_session_config_entry("session.disable_cpu_ep_fallback") if name == TENSORRT else "0"
        assert whole == ("1" if name == TENSORRT else "0")
        return Session(real(graph, providers=["CPUExecutionProvider"]), [name, "CPUExecutionProvider"], settings)

    def value(shape: list[int], dtype: Any, device: str, index: int) -> Any:
        assert device == "cuda"
        return allocate(shape, dtype, "cpu", 0)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_shape_and_type", staticmethod(value))
    yield requests


@pytest.mark.parametrize(
    ("arguments", "provider", "index"),
    [
        ({"device": "cuda"}, CUDA, "0"),
        ({"device": "cuda:2", "backend": "onnxruntime"}, CUDA, "2"),
        ({"backend": "onnxruntime-tensorrt"}, TENSORRT, "0"),
        ({"device": "cuda:1", "backend": "onnxruntime-tensorrt"}, TENSORRT, "1"),
    ],
)
def test_the_whole_way_of_a_gpu(
    model: Path,
    frame: np.ndarray,
    asked: list[tuple[str, dict[str, str]]],
    arguments: dict[str, str],
    provider: str,
    index: str,
) -> None:
    expected = PoseEngine(model)
    with PoseEngine(model, **arguments) as engine:
        for picture in (frame, 255 - frame):
            np.testing.assert_allclose(engine(picture, BOXES).angles, expected(picture, BOXES).angles, atol=1e-4)
        assert engine.device.startswith("cuda")
    ((name, options),) = asked
    assert name == provider and options["device_id"] == index


def test_float32_is_not_rounded_on_the_way(model: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    PoseEngine(model, device="cuda").close()
    monkeypatch.setattr(onnxruntime, "__version__", "1.17.3")  # which refuses the option
    PoseEngine(model, device="cuda").close()
    assert [options.get("use_tf32") for _, options in asked] == ["0", None]


@pytest.mark.parametrize("arguments", [{"device": "cuda"}, {"backend": "onnxruntime-tensorrt"}])
def test_many_faces_take_one_run_and_few_sizes_of_it(
    model: Path, frame: np.ndarray, asked: list[Any], rng: np.random.Generator, arguments: dict[str, str]
) -> None:
    """Every size costs the GPU a plan of its own and memory, so there are seven; none is searched for seconds."""
    corners = rng.uniform(-10, 60, (130, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(10, 40, (130, 1))], axis=1).astype(np.float32)
    expected = PoseEngine(model)(frame, boxes).angles
    with PoseEngine(model, **arguments) as engine:
        for count in (64, *range(1, 65)):  # the largest first: rows of an earlier call must not show
            np.testing.assert_allclose(engine(frame, boxes[:count]).angles, expected[:count], atol=1e-4)
        (session,) = sessions
        assert len(session.shapes) == 65 and session.searches == 0
        assert {shape[0] for shape in session.shapes} == {1, 2, 4, 8, 16, 32, 64}
        np.testing.assert_allclose(engine(frame, boxes).angles, expected, atol=1e-4)
        assert [shape[0] for shape in session.shapes[65:]] == [64, 64, 2]


def test_a_fixed_batch_stays_as_it_is_on_a_gpu(tmp_path: Path, frame: np.ndarray, asked: list[Any]) -> None:
    path = write_tiny_model(tmp_path / "m.onnx", batch=3)
    with PoseEngine(path, device="cuda") as engine:
        np.testing.assert_allclose(engine(frame, BOXES).angles, PoseEngine(path)(frame, BOXES).angles, atol=1e-4)
    assert [shape[0] for shape in sessions[0].shapes] == [3]


def test_what_tensorrt_is_told(model: Path, asked: list[Any], cache: Path) -> None:
    PoseEngine(model, backend="onnxruntime-tensorrt").close()
    ((_, options),) = asked
    assert set(options) == TENSORRT_OPTIONS
    folder = Path(options["trt_engine_cache_path"])
    assert folder.is_dir() and folder.parent == cache / "hpe_edge" / "onnxruntime-tensorrt"
    assert options["trt_timing_cache_path"] == str(folder)
    assert options["trt_fp16_enable"] == options["trt_int8_enable"] == "False"
    shapes = [options[f"trt_profile_{which}_shapes"] for which in ("min", "opt", "max")]
    assert shapes == ["image:1x3x64x64", "image:4x3x64x64", "image:64x3x64x64"]


def test_a_version_that_cannot_say_where_timings_lie_keeps_none(
    model: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "__version__", "1.16.3")  # it refuses the option
    PoseEngine(model, backend="onnxruntime-tensorrt").close()
    assert not [name for name in asked[0][1] if "timing" in name]


def test_engines_of_different_weights_lie_apart(
    tmp_path: Path, model: Path, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """ONNX Runtime names an engine by the graph's names and shapes: a twin's would be taken for this one's."""
    network = onnx.load(str(model))
    weight = network.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 2, weight.name))
    onnx.save(network, str(tmp_path / "twin.onnx"))
    for path in (model, tmp_path / "twin.onnx", model):
        PoseEngine(path, backend="onnxruntime-tensorrt").close()
    monkeypatch.setattr(onnxruntime, "__version__", "1.99.0")
    PoseEngine(model, backend="onnxruntime-tensorrt").close()
    folders = [options["trt_engine_cache_path"] for _, options in asked]
    assert folders[0] == folders[2] and len(set(folders)) == 3


def test_a_fixed_batch_has_no_range(tmp_path: Path, asked: list[Any]) -> None:
    PoseEngine(write_tiny_model(tmp_path / "m.onnx", batch=4), backend="onnxruntime-tensorrt").close()
    assert not [name for name in asked[0][1] if "profile" in name]


@pytest.mark.parametrize(
    ("precision", "half", "int8"),
    [("fp32", "False", "False"), ("fp16", "True", "False"), ("int8", "False", "True"), ("int8+fp16", "True", "True")],
)
def test_precision_is_the_specs(tmp_path: Path, asked: list[Any], precision: Precision, half: str, int8: str) -> None:
    spec = replace(tiny_spec(), exported_precision=precision)
    PoseEngine(write_tiny_model(tmp_path / "m.onnx", spec=spec), backend="onnxruntime-tensorrt").close()
    options = asked[0][1]
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == (half, int8)


@pytest.mark.parametrize("arguments", [{"device": "cuda"}, {"backend": "onnxruntime-tensorrt"}])
def test_the_cpu_in_its_place_is_refused(
    model: Path, built_in: None, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, str]
) -> None:
    """Behaviour of onnxruntime-gpu 1.31 where CUDA's libraries are missing: a session, but on the CPU."""
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda graph, options, providers, enable_fallback: real(graph, providers=["CPUExecutionProvider"]),
    )
    monkeypatch.setattr(
        onnxruntime, "preload_dlls", lambda: print("Failed to load libcublas.so.13:\nnot found"), raising=False
    )
    with pytest.raises(BackendError, match=r"Failed to load libcublas.so.13: not"):
        PoseEngine(model, **arguments)


def test_a_provider_that_raises(model: Path, asked: list[Any], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    working = onnxruntime.InferenceSession

    def failing(graph: Any, options: Any, providers: list[Any], enable_fallback: int) -> Any:
        if providers[0][0] != "CPUExecutionProvider":
            raise RuntimeError(
                "/src/a/provider.cc:12 void f(const A<B>&, int) could not\ndeserialize engine from cache"
            )
        return working(graph, options, providers=providers, enable_fallback=enable_fallback)

    monkeypatch.setattr(onnxruntime, "InferenceSession", failing)
    with pytest.raises(
        BackendError, match=r"does not start on cuda:1 \(could not deserialize.*`hpe-edge doctor`"
    ) as caught:
        PoseEngine(model, device="cuda:1")
    assert "delete" not in str(caught.value)
    monkeypatch.setattr(onnxruntime, "__version__", "1.27.0")  # linked with libnvinfer.so.10 and CUDA 13
    with pytest.raises(BackendError, match=f"pip install 'tensorrt-cu13>=10.14,<11'.*delete {cache}"):
        PoseEngine(model, backend="onnxruntime-tensorrt")


def test_part_of_a_graph_on_the_cpu_is_refused(model: Path) -> None:
    """With a provider that the package at hand has and that takes no node of ours."""
    elsewhere = "AzureExecutionProvider"
    if elsewhere not in onnxruntime.get_available_providers():
        pytest.skip(f"this onnxruntime has no {elsewhere}")
    assert open_session(model, provider=Provider(elsewhere, "azure"))
    with pytest.raises(BackendError, match="fallback to CPU EP has been explicitly disabled"):
        open_session(model, provider=Provider(elsewhere, "azure", whole=True))


@pytest.mark.parametrize(
    ("arguments", "fragment"),
    [({"device": "cuda"}, "onnxruntime with CUDA"), ({"backend": "onnxruntime-tensorrt"}, "onnxruntime with TensorRT")],
)
def test_a_package_without_the_provider(
    model: Path, monkeypatch: pytest.MonkeyPatch, arguments: dict[str, str], fragment: str
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(BackendError, match=rf"{fragment}.*pip install onnxruntime-gpu"):
        PoseEngine(model, **arguments)


@pytest.mark.filterwarnings("ignore:Specified provider")  # of a package that has it not
def test_a_damaged_file_is_said_as_such(tmp_path: Path, model: Path, built_in: None) -> None:
    (tmp_path / "half.onnx").write_bytes(model.read_bytes()[:500])
    for arguments in ({"device": "cuda"}, {"backend": "onnxruntime-tensorrt"}):
        with pytest.raises(ModelError, match="truncated"):
            PoseEngine(tmp_path / "half.onnx", **arguments)


def test_a_cache_that_cannot_be_made(model: Path, built_in: None, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(OutputError, match="onnxruntime-tensorrt"):
        PoseEngine(model, backend="onnxruntime-tensorrt")


def test_a_relative_cache_folder_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("a", "b") == tmp_path / ".cache" / "hpe_edge" / "a" / "b"


def test_backends_and_files_that_do_not_go_together(tmp_path: Path, model: Path) -> None:
    (tmp_path / "m.engine").write_bytes(b"plan")
    for path, arguments, fragment in (
        (tmp_path / "m.engine", {"backend": "onnxruntime"}, "it runs with backend='tensorrt'"),
        (tmp_path / "m.engine", {"backend": "onnxruntime-tensorrt"}, "it runs with backend='tensorrt'"),
        (tmp_path / "m.engine", {"backend": "openvino"}, "it runs with backend='tensorrt'"),
        (model, {"backend": "coreml"}, r"one of onnxruntime, .*tensorrt, tensorrt-rtx, openvino, native, got 'coreml'"),
        (model, {"backend": "onnxruntime-tensorrt", "device": "cpu"}, "TensorRT runs on a GPU"),
    ):
        with pytest.raises(InputError, match=fragment):
            PoseEngine(path, **arguments)


class PinningDevice:
    """In place of :class:`hpe_edge.cuda.device.Device`: counts what is taken and given back."""

    def __init__(self, index: int) -> None:
        self.index, self.entered, self.held, self.closed = index, 0, 0, False
        devices.append(self)

    def __enter__(self) -> PinningDevice:
        self.entered += 1
        return self

    def __exit__(self, *_: object) -> None:
        self.entered -= 1

    def pinned(self, shape: tuple[int, ...], dtype: Any, cleanup: Any) -> np.ndarray:
        assert self.entered
        self.held += 1
        cleanup.callback(self._free)
        return np.zeros(shape, dtype)

    def _free(self) -> None:
        assert self.entered
        self.held -= 1

    def close(self) -> None:
        self.closed = True


devices: list[PinningDevice] = []


def test_buffers_are_pinned_and_given_back(
    model: Path, frame: np.ndarray, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    devices.clear()
    monkeypatch.setattr(session_module, "Device", PinningDevice)
    engine = PoseEngine(model, device="cuda:3")
    np.testing.assert_allclose(engine(frame, BOXES).angles, PoseEngine(model)(frame, BOXES).angles, atol=1e-4)
    (device,) = devices
    assert device.index == 3 and device.held == 2  # input and output
    engine.close()
    assert device.held == 0 and device.closed and not device.entered
