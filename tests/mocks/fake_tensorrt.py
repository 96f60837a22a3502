"""A test double of the tensorrt package: builder, parser, runtime and execution contexts that run the graph through
ONNX Runtime on host memory. No engine of TensorRT's is involved.

It holds callers to what TensorRT's documents ask of them: a context that was captured is not changed any more, a first
run goes before a capture, a range of batch sizes needs a profile, addresses and memory must be the device's. Before
TensorRT 10 only the first of the contexts that exist at a time has profile 0, the others none until one is set, and
contexts share a profile only if the engine was built for that. An input's type must fit its allowed formats, and pads
of a vectorised one are read as well. With the flag for FP16 the builder takes every layer in
FP16 that it may: all whose precision and output types are not both constrained to FP32, with constraints obeyed.
"""

from __future__ import annotations

import ctypes
import enum
import importlib.machinery
import json
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from fake_cuda import FakeCuda

_MAGIC = b"fake plan\n"
_BETWEEN_BYTES = 4096
_NEWEST_RUNTIMES = {8: 10, 9: 10, 10: 11}  # of version-compatible plans, by NVIDIA's pages of 10.16.1 and 11.1
# Format -> types that it is for on a GPU, by NVIDIA's table of I/O formats; in the enumeration's order.
_FORMATS = {
    "LINEAR": ("FLOAT", "HALF", "INT8", "UINT8"),
    "CHW2": ("HALF",),
    "HWC8": ("HALF",),
    "CHW4": ("INT8",),
    "CHW16": (),
    "CHW32": ("FLOAT", "HALF", "INT8"),
}
_KINDS = {onnx.TensorProto.FLOAT: "FLOAT", onnx.TensorProto.FLOAT16: "HALF", onnx.TensorProto.UINT8: "UINT8"}


class FakeTensorRT:
    """The package in one version, and what it was told.

    Attributes:
        module: stands for ``tensorrt``.
        unsupported: operators that the parser does not know.
        spoilt_batches: sizes of batches that wrong kernels run.
        distort: changes the graph of an engine while it is built, as a wrong kernel would.
        at_step: called at each step of a build, with the step's number.
        configs: every builder config that was made.
        dla_cores: of the machine.
        dla_operators: operators that a DLA runs, if the batch is one size.
        dla_log: the builder's log names the layers on the DLA.
        warnings: what the builder and the runtime warn of.
        fail_build: why the builder fails; empty if it does not.
        out_of_memory: no execution context can be made.
        capturable: networks can be captured.
        executions: weak references to every execution context that was made.
        batches: size of every batch that was run.
        flags: of every network that was made.
        halved: nodes of which the last build's flags let layers run in FP16.
        mistakes: what went away too late or too early.
    """

    def __init__(self, cuda: FakeCuda, version: str = "10.3.0") -> None:
        self.cuda = cuda
        self.numbers = tuple(int(part) for part in version.split("."))
        self.unsupported: set[str] = set()
        self.distort: Callable[[onnx.ModelProto], None] = lambda model: None
        self.spoilt_batches: set[int] = set()
        self.at_step: Callable[[int], None] = lambda step: None
        self.configs: list[Any] = []
        self.flags: list[int] = []
        self.halved: set[str] = set()
        self.dla_cores = 0
        self.dla_operators = {"GlobalAveragePool", "Flatten"}
        self.dla_log = True
        self.warnings: list[str] = []
        self.fail_build = ""
        self.out_of_memory = False
        self.capturable = True
        self.mistakes: list[str] = []
        self.executions: list[weakref.ref[Any]] = []
        self.batches: list[int] = []
        self.module = self._module(version)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeTensorRT:
        """Put the module where ``import tensorrt`` finds it."""
        monkeypatch.setitem(sys.modules, "tensorrt", self.module)
        return self

    def _module(self, version: str) -> Any:
        trt = types.ModuleType("tensorrt")
        trt.__spec__ = importlib.machinery.ModuleSpec("tensorrt", None)  # others look whether it is installed
        trt.__version__ = version
        old, eleven = self.numbers < (10,), self.numbers >= (11,)
        precisions = [] if eleven else ["FP16", "INT8", "OBEY_PRECISION_CONSTRAINTS"]
        trt.BuilderFlag = enum.IntEnum(
            "BuilderFlag", [*precisions, "DEBUG", "GPU_FALLBACK", "TF32", "VERSION_COMPATIBLE"], start=0
        )
        trt.NetworkDefinitionCreationFlag = enum.IntEnum(
            "NetworkDefinitionCreationFlag",
            ["EXPLICIT_BATCH", "EXPLICIT_PRECISION"] if old else ["EXPLICIT_BATCH", "STRONGLY_TYPED"],
            start=0,
        )
        levels = ["NONE", "AMPERE_PLUS"] + ["SAME_COMPUTE_CAPABILITY"] * (self.numbers >= (10, 13))
        trt.HardwareCompatibilityLevel = enum.IntEnum("HardwareCompatibilityLevel", levels, start=0)
        trt.MemoryPoolType = enum.IntEnum("MemoryPoolType", ["WORKSPACE"], start=0)
        trt.ProfilingVerbosity = enum.IntEnum("ProfilingVerbosity", ["LAYER_NAMES_ONLY", "DETAILED"], start=0)
        trt.LayerInformationFormat = enum.IntEnum("LayerInformationFormat", ["ONELINE", "JSON"], start=0)
        trt.DeviceType = enum.IntEnum("DeviceType", ["GPU", "DLA"], start=0)
        trt.LayerType = enum.IntEnum(
            "LayerType", ["CONSTANT", "SHAPE", "CAST", "MATRIX_MULTIPLY", "ELEMENTWISE", "SHUFFLE", "REDUCE"], start=0
        )
        trt.DataType = enum.Enum("DataType", ["FLOAT", "HALF", "UINT8", "INT8"])
        trt.TensorFormat = enum.IntEnum("TensorFormat", list(_FORMATS), start=0)
        trt.TensorIOMode = enum.Enum("TensorIOMode", ["NONE", "INPUT", "OUTPUT"])
        if old:
            trt.PreviewFeature = enum.IntEnum("PreviewFeature", ["PROFILE_SHARING_0806"], start=0)
        else:
            trt.ExecutionContextAllocationStrategy = enum.IntEnum(
                "ExecutionContextAllocationStrategy", ["STATIC", "ON_PROFILE_CHANGE", "USER_MANAGED"], start=0
            )
            trt.IProgressMonitor = type("IProgressMonitor", (), {})
        trt.ErrorCode = enum.Enum("ErrorCode", ["SUCCESS", "UNSUPPORTED_NODE"])
        severity = enum.IntEnum("Severity", ["INTERNAL_ERROR", "ERROR", "WARNING", "INFO", "VERBOSE"], start=0)
        trt.ILogger = type("ILogger", (), {"Severity": severity})
        for kind in (Builder, OnnxParser, Runtime):
            setattr(trt, kind.__name__, types.MethodType(kind, self))
        return trt

    def warn(self, logger: Any) -> None:
        """Log the warnings, each twice, as TensorRT repeats itself."""
        for message in self.warnings * 2:
            logger.log(self.module.ILogger.Severity.WARNING, message)

    def error(self, logger: Any, message: str) -> None:
        """Say it as TensorRT does: to the logger, among other things."""
        severity = self.module.ILogger.Severity
        logger.log(severity.INFO, "information that nobody asked for")
        logger.log(severity.ERROR, message)


def fake_plan(
    model: onnx.ModelProto,
    version: str,
    profile: Sequence[int],
    *,
    profiles: Sequence[Sequence[int]] = (),
    compatible: bool = False,
    detailed: bool = False,
    sharing: bool = True,
    dla: Sequence[str] = (),
    format: str = "LINEAR",
) -> bytes:
    """Bytes that the runtime below accepts as a plan; ``profiles`` stand in place of one ``profile``."""
    header = {
        "version": version,
        "profiles": [list(each) for each in profiles or [profile]],
        "compatible": compatible,
        "detailed": detailed,
        "sharing": sharing,
        "dla": list(dla),
        "format": format,
    }
    return _MAGIC + json.dumps(header).encode() + b"\n" + model.SerializeToString()


class Tensor:
    def __init__(self, name: str, dtype: Any) -> None:
        self.name, self.dtype = name, dtype


class Input(Tensor):
    """The network's input; all formats are allowed until some are chosen."""

    def __init__(self, network: Network, name: str, dtype: Any) -> None:
        super().__init__(name, dtype)
        self._network, self.allowed_formats = network, (1 << len(_FORMATS)) - 1

    def __setattr__(self, name: str, value: Any) -> None:
        assert name != "dtype" or "dtype" not in vars(self) or not self._network.typed, "types of a typed network stay"
        super().__setattr__(name, value)


class Layer:
    """A layer of a network that was parsed; of several for a node only the last has a tensor by the node's name."""

    def __init__(self, network: Network, node: str, kind: Any, inputs: list[Tensor | None], output: Tensor) -> None:
        self._network, self.node, self.type, self._inputs, self._output = network, node, kind, inputs, output
        self.name = node
        self.num_inputs, self.num_outputs = len(inputs), 1
        self._precision: Any = None
        self.output_type: Any = None

    def get_input(self, index: int) -> Tensor | None:
        return self._inputs[index]

    def get_output(self, index: int) -> Tensor:
        assert index == 0
        return self._output

    @property
    def precision(self) -> Any:
        return self._precision

    @precision.setter
    def precision(self, kind: Any) -> None:
        assert not self._network.typed, "a strongly typed network takes no precision"
        assert self.type not in self._network.exact, "no layer that computes"
        self._precision = kind

    def set_output_type(self, index: int, dtype: Any) -> None:
        assert index == 0 and not self._network.typed
        self.output_type = dtype


class Network:
    def __init__(self, fake: FakeTensorRT, flags: int) -> None:
        trt = fake.module
        self._fake, self.flags = fake, flags
        self.model: onnx.ModelProto | None = None
        typed = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
        self.typed = fake.numbers >= (11,) or (typed is not None and bool(flags & 1 << int(typed)))
        self.exact = (trt.LayerType.CONSTANT, trt.LayerType.SHAPE, trt.LayerType.CAST)
        self.layers: list[Layer] = []
        self._given: Input | None = None

    def get_input(self, index: int) -> Input:
        assert index == 0 and self._given is not None, "nothing was parsed yet"
        return self._given

    @property
    def num_layers(self) -> int:
        return len(self.layers)

    def get_layer(self, index: int) -> Layer:
        return self.layers[index]

    @property
    def num_outputs(self) -> int:
        assert self.model is not None
        return len(self.model.graph.output)

    def get_output(self, index: int) -> Tensor:
        assert self.model is not None
        return Tensor(self.model.graph.output[index].name, self._fake.module.DataType.FLOAT)

    def parsed(self, model: onnx.ModelProto) -> None:
        """Make the layers of a graph, as the parser does."""
        self.model, trt = model, self._fake.module
        kinds, types = trt.LayerType, {each.name: each.data_type for each in model.graph.initializer}
        given = model.graph.input[0]
        types[given.name] = given.type.tensor_type.elem_type
        self._given = Input(self, given.name, self._type(types[given.name]))
        tensors: dict[str, Tensor] = {given.name: self._given}

        def add(node: str, kind: Any, inputs: list[Tensor | None], dtype: Any, name: str = "") -> Tensor:
            output = Tensor(name or f"(Unnamed Layer* {len(self.layers)}) [{kind.name}]_output", dtype)
            self.layers.append(Layer(self, node, kind, inputs, output))
            return output

        for node in model.graph.node:
            name = node.name or node.output[0]
            read = [
                tensors.get(each) or add(name, kinds.CONSTANT, [], self._type(types.get(each, 0)))
                for each in node.input
            ]
            by = {"QuantizeLinear": 2, "DequantizeLinear": 1}.get(node.op_type, 0)  # the input whose type it gives
            cast = [each.i for each in node.attribute if each.name == "to"]
            dtype = self._type(cast[0]) if cast else read[by].dtype
            if node.op_type == "Gemm":
                product = add(name, kinds.MATRIX_MULTIPLY, [*read[:2], None], dtype)
                last = add(name, kinds.ELEMENTWISE, [product, read[2]], dtype, node.output[0])
            else:
                kind = {"Cast": kinds.CAST, "Flatten": kinds.SHUFFLE}.get(node.op_type, kinds.REDUCE)
                last = add(name, kind, list(read), dtype, node.output[0])
            tensors[node.output[0]] = last

    def _type(self, elem_type: int) -> Any:
        """The type of a tensor; what a network does not compute with counts as INT8."""
        return self._fake.module.DataType[_KINDS.get(elem_type, "INT8")]


def retype_input(model: onnx.ModelProto) -> None:
    """Give an FP32 graph an FP16 input, as a network whose input's type was set."""
    given = model.graph.input[0]
    if given.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16:
        return
    given.type.tensor_type.elem_type = onnx.TensorProto.FLOAT16
    for node in model.graph.node:
        node.input[:] = ["widened input" if name == given.name else name for name in node.input]
    cast = onnx.helper.make_node("Cast", [given.name], ["widened input"], to=onnx.TensorProto.FLOAT)
    model.graph.node.insert(0, cast)


class Builder:
    def __init__(self, fake: FakeTensorRT, logger: Any) -> None:
        assert isinstance(logger, fake.module.ILogger)
        self._fake, self._logger = fake, logger
        self.num_DLA_cores = fake.dla_cores

    def create_network(self, flags: int = 0) -> Network:
        self._fake.flags.append(flags)
        return Network(self._fake, flags)

    def create_builder_config(self) -> Config:
        config = Config(self._fake)
        self._fake.configs.append(config)
        return config

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        fake = self._fake
        fake.warn(self._logger)
        assert fake.cuda.stack, "a build with no current context"
        if fake.fail_build:
            fake.error(self._logger, fake.fail_build)
            return None
        model = network.model
        assert model is not None
        batch = model.graph.input[0].type.tensor_type.shape.dim[0]
        if not batch.HasField("dim_value") and not config.profiles:
            fake.error(
                self._logger, "Network has dynamic or shape inputs, but no optimization profile has been defined."
            )
            return None
        if network.typed and {flag.name for flag in map(fake.module.BuilderFlag, config.flags)} & {
            "FP16",
            "INT8",
            "OBEY_PRECISION_CONSTRAINTS",
        }:
            fake.error(self._logger, "Flags for precisions are not allowed in a strongly typed network.")
            return None
        given = network.get_input(0)
        allowed = [each for i, each in enumerate(_FORMATS) if given.allowed_formats >> i & 1]
        fitting = [each for each in allowed if given.dtype.name in _FORMATS[each]]
        if not fitting:
            fake.error(
                self._logger,
                f"{given.name}: has dataType {given.dtype.name.title()} unsupported by tensor's allowed TensorFormats.",
            )
            return None
        if given.dtype == fake.module.DataType.HALF:
            retype_input(model)
        fake.halved = self._halved(network, config)
        if not self._steps(config):
            fake.error(self._logger, "The build was cancelled.")
            return None
        fake.distort(model)
        return fake_plan(
            model,
            fake.module.__version__,
            [batch.dim_value] * 3,
            profiles=[[shape[0] for shape in profile.shapes] for profile in config.profiles],
            sharing=fake.numbers >= (10,) or bool(config.previews),
            dla=self._on_dla(model, config),
            format=fitting[0],
            compatible=fake.module.BuilderFlag.VERSION_COMPATIBLE in config.flags,
            detailed=config.profiling_verbosity == fake.module.ProfilingVerbosity.DETAILED,
        )

    def _halved(self, network: Network, config: Config) -> set[str]:
        flag, floating = self._fake.module.BuilderFlag, self._fake.module.DataType.FLOAT
        if getattr(flag, "FP16", None) not in config.flags:
            return set()
        obeyed = flag.OBEY_PRECISION_CONSTRAINTS in config.flags
        kept = [obeyed and (each.precision, each.output_type) == (floating, floating) for each in network.layers]
        computing = [each.type not in network.exact for each in network.layers]
        return {
            layer.node
            for layer, keeps, computes in zip(network.layers, kept, computing, strict=True)
            if computes and not keeps
        }

    def _on_dla(self, model: onnx.ModelProto, config: Config) -> list[str]:
        """Layers on the DLA. It takes no range of batches, so with one all layers go to the GPU, with warnings only."""
        fake, severity = self._fake, self._fake.module.ILogger.Severity
        if config.default_device_type != fake.module.DeviceType.DLA:
            return []
        wild = not model.graph.input[0].type.tensor_type.shape.dim[0].HasField("dim_value")
        ranged = wild and any(each.shapes[0] != each.shapes[2] for each in config.profiles)
        found = []
        for node in model.graph.node:
            if node.op_type in fake.dla_operators and not ranged:
                found.append(node.name or node.op_type)
            else:
                self._logger.log(severity.WARNING, f"Layer '{node.name}': Unsupported on DLA. Switching to GPU.")
        if found and fake.dla_log:
            self._logger.log(severity.INFO, f"[DlaLayer] {{ForeignNode[{found[0]}...{found[-1]}]}}")
        return found

    def _steps(self, config: Config) -> bool:
        monitor = config.progress_monitor
        if monitor is None:
            for step in range(3):
                self._fake.at_step(step)
            return True
        monitor.phase_start("Building Engine", None, 3)
        monitor.phase_start("Tactic Selection", "Building Engine", 1)
        going = True
        for step in range(3):
            self._fake.at_step(step)
            going = monitor.step_complete("Building Engine", step)
            if not going:
                break
        monitor.phase_finish("Tactic Selection")
        monitor.phase_finish("Building Engine")
        return going


class Profile:
    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        self.name, self.shapes = input, (min, opt, max)


class TimingCache:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> bytes:
        return self.content


class Config:
    def __init__(self, fake: FakeTensorRT) -> None:
        self._fake = fake
        self.flags: set[int] = {fake.module.BuilderFlag.TF32}
        self.profiles: list[Profile] = []
        self.limits: dict[int, int] = {}
        self.previews: set[int] = set()
        self.profiling_verbosity = fake.module.ProfilingVerbosity.LAYER_NAMES_ONLY
        self.progress_monitor: Any = None
        self.builder_optimization_level = 3
        self.max_aux_streams = -1
        self.hardware_compatibility_level = fake.module.HardwareCompatibilityLevel.NONE
        self.default_device_type = fake.module.DeviceType.GPU
        self.DLA_core = -1
        self._times: TimingCache | None = None

    def set_flag(self, flag: int) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: int) -> None:
        self.flags.discard(flag)

    def set_preview_feature(self, feature: int, enable: bool) -> None:
        assert enable
        self.previews.add(feature)

    def set_memory_pool_limit(self, pool: int, pool_size: int) -> None:
        self.limits[pool] = pool_size

    def add_optimization_profile(self, profile: Profile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCache:
        return TimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        mark = f"times of {self._fake.module.__version__};".encode()
        if cache.content and not cache.content.startswith(mark):
            return False
        self._times = TimingCache((cache.content or mark) + b" one build")
        return True

    def get_timing_cache(self) -> TimingCache | None:
        return self._times


class ParserError:
    """An assertion of the parser's that failed; the reason is in the log alone."""

    def __init__(self, fake: FakeTensorRT, at: int, node: onnx.NodeProto) -> None:
        self._fake, self._at, self._node = fake, at, node
        if fake.numbers >= (10,):
            self.node_name = lambda: node.name
            self.node_operator = lambda: node.op_type

    def node(self) -> int:
        return self._at

    def code(self) -> Any:
        return self._fake.module.ErrorCode.UNSUPPORTED_NODE

    def func(self) -> str:
        return f"import{self._node.op_type}"

    def desc(self) -> str:
        return "false"


class OnnxParser:
    def __init__(self, fake: FakeTensorRT, network: Network, logger: Any) -> None:
        self._fake, self._network, self._logger = fake, network, logger
        self._errors: list[ParserError] = []

    @property
    def num_errors(self) -> int:
        return len(self._errors)

    def get_error(self, index: int) -> ParserError:
        return self._errors[index]

    def parse(self, model: bytes, path: str | None = None) -> bool:
        read = onnx.load_from_string(model)
        for i, node in enumerate(read.graph.node):
            if node.op_type in self._fake.unsupported:
                self._fake.error(self._logger, f"In node {i}: no importer registered for {node.op_type}")
                self._errors.append(ParserError(self._fake, i, node))
        self._network.parsed(read)
        return not self._errors


class Runtime:
    def __init__(self, fake: FakeTensorRT, logger: Any) -> None:
        assert fake.cuda.stack, "a runtime with no current context"
        self._fake, self._logger = fake, logger
        self.engine_host_code_allowed = False
        self.DLA_core = -1

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> Engine | None:
        fake = self._fake
        fake.warn(self._logger)
        if not serialized_engine.startswith(_MAGIC):
            fake.error(self._logger, "Serialization assertion magicTag failed.")
            return None
        head, _, body = serialized_engine[len(_MAGIC) :].partition(b"\n")
        header = json.loads(head)
        built = tuple(int(part) for part in header["version"].split("."))
        newest = _NEWEST_RUNTIMES.get(built[0], built[0])
        reaches = header["compatible"] and built <= fake.numbers and fake.numbers[0] <= newest
        if header["version"] != fake.module.__version__ and not reaches:
            fake.error(self._logger, "The engine plan file is not compatible with this version of TensorRT.")
            return None
        if header["compatible"] and not self.engine_host_code_allowed:
            fake.error(self._logger, "Host code in a plan is not allowed.")
            return None
        kind = OlderEngine if fake.numbers < (10,) else Engine
        return kind(fake, self._logger, header, onnx.load_from_string(body))


class Engine:
    def __init__(self, fake: FakeTensorRT, logger: Any, header: dict[str, Any], model: onnx.ModelProto) -> None:
        self._fake, self._logger, self._header, self._model = fake, logger, header, model
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        self.session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        self.tensors = {value.name: value for value in (model.graph.input[0], *model.graph.output)}
        self.profiles: list[list[int]] = header["profiles"]
        self.num_optimization_profiles = len(self.profiles)
        self.dynamic = -1 in self.get_tensor_shape(model.graph.input[0].name)
        self.sharing: bool = header["sharing"]
        self.contexts: weakref.WeakSet[Execution] = weakref.WeakSet()
        size = "device_memory_size" if fake.numbers < (10, 1) else "device_memory_size_v2"
        setattr(self, size, _BETWEEN_BYTES)

    def __del__(self) -> None:
        if not self._fake.cuda.stack:
            self._fake.mistakes.append("an engine went with no current context")

    @property
    def num_io_tensors(self) -> int:
        return len(self.tensors)

    def get_tensor_name(self, index: int) -> str:
        return list(self.tensors)[index]

    def get_tensor_mode(self, name: str) -> Any:
        modes = self._fake.module.TensorIOMode
        return modes.INPUT if name == self._model.graph.input[0].name else modes.OUTPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return self._fake.module.DataType[_KINDS[self.tensors[name].type.tensor_type.elem_type]]

    def get_tensor_format(self, name: str) -> Any:
        formats, linear = self._fake.module.TensorFormat, "LINEAR"
        return formats[self._header["format"] if name == self._model.graph.input[0].name else linear]

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        dims = self.tensors[name].type.tensor_type.shape.dim
        return tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims)

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        return [(count, *self.get_tensor_shape(name)[1:]) for count in self.profiles[profile_index]]

    def create_execution_context(self, strategy: int = 0) -> Execution | None:
        """By default a context has memory of its own."""
        strategies = getattr(self._fake.module, "ExecutionContextAllocationStrategy", None)
        assert strategy in (0, strategies and strategies.USER_MANAGED)
        made = self._execution()
        if made is not None and strategy == 0:
            made.take_memory()
        return made

    def create_engine_inspector(self) -> Inspector:
        return Inspector(self._fake, self._model, self._header["detailed"], self._header["dla"])

    def _execution(self) -> Execution | None:
        if self._fake.out_of_memory:
            self._fake.error(self._logger, "Requested amount of GPU memory (4096 bytes) could not be allocated.")
            return None
        kind = NewerExecution if self._fake.numbers >= (10, 1) else Execution
        made = kind(self._fake, self._logger, self)
        self.contexts.add(made)
        self._fake.executions.append(weakref.ref(made))
        return made


class OlderEngine(Engine):
    """Before TensorRT 10."""

    def create_execution_context_without_device_memory(self) -> Execution | None:
        return self._execution()


class Execution:
    def __init__(self, fake: FakeTensorRT, logger: Any, engine: Engine) -> None:
        self._fake, self._logger, self._engine = fake, logger, engine
        taken = any(each.active_optimization_profile == 0 for each in engine.contexts)
        self.active_optimization_profile = -1 if taken and engine.dynamic and fake.numbers < (10,) else 0
        self._switching: int | None = None  # the stream that a change of the profile waits on
        self._addresses: dict[str, int] = {}
        self._shape: tuple[int, ...] = ()
        self._memory: int | None = None
        self._warm = self._captured = False

    def __del__(self) -> None:
        try:
            self._fake.cuda.check_range(self._memory or 0, _BETWEEN_BYTES, True)
        except AssertionError:
            self._fake.mistakes.append("the memory of an execution context went before it did")
        if not self._fake.cuda.stack:
            self._fake.mistakes.append("an execution context went with no current context")

    @property
    def device_memory(self) -> int | None:
        return self._memory

    @device_memory.setter
    def device_memory(self, address: int) -> None:
        self._set_device_memory(address, _BETWEEN_BYTES)

    def take_memory(self) -> None:
        """Allocate the memory that the context owns."""
        status, self._memory = self._fake.cuda.runtime.cudaMalloc(_BETWEEN_BYTES)
        assert int(status) == 0
        weakref.finalize(self, self._fake.cuda.runtime.cudaFree, self._memory)

    def _set_device_memory(self, memory: int, size: int) -> None:
        assert not self._captured and size >= _BETWEEN_BYTES
        self._fake.cuda.check_range(memory, size, True)
        self._memory = memory

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        assert not self._captured, "a captured context was changed"
        assert 0 <= profile_index < len(self._engine.profiles)
        others = [each for each in self._engine.contexts if each is not self]
        if not self._engine.sharing and any(each.active_optimization_profile == profile_index for each in others):
            self._fake.error(self._logger, f"profile {profile_index} is in use by another execution context.")
            return False
        self.active_optimization_profile, self._shape, self._switching = profile_index, (), stream_handle
        self._fake.cuda.enqueue(stream_handle, lambda: setattr(self, "_switching", None))
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        assert not self._captured, "a captured context was changed"
        if self.active_optimization_profile < 0:
            self._fake.error(self._logger, "No optimization profile has been set for this execution context.")
            return False
        least, _, most = self._engine.profiles[self.active_optimization_profile]
        if not least <= shape[0] <= most:
            self._fake.error(
                self._logger, f"Set dimension [{shape[0]}] for tensor {name} does not satisfy the profile."
            )
            return False
        self._shape = tuple(shape)
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        assert not self._captured, "a captured context was changed"
        if name not in self._engine.tensors:
            self._fake.error(self._logger, f"there is no tensor {name}")
            return False
        self._addresses[name] = memory
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        assert type(stream_handle) is int and self._shape and self._memory is not None
        assert self._switching in (None, stream_handle), "the profile may not be set yet"
        assert set(self._addresses) == set(self._engine.tensors)
        if self._fake.cuda.capturing(stream_handle):
            assert self._warm, "captured before a first run"
            if not self._fake.capturable or not self._fake.cuda.takes_work(stream_handle):
                self._fake.error(self._logger, "Cuda Runtime (operation not permitted when stream is capturing)")
                return False
            self._captured = True
        self._warm = True
        self._fake.cuda.enqueue(stream_handle, self._run)
        return True

    def _run(self) -> None:
        cuda, session = self._fake.cuda, self._engine.session
        self._fake.batches.append(self._shape[0])
        ctypes.memset(self._memory, 0x55, _BETWEEN_BYTES)
        given = session.get_inputs()[0]
        kind = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}[given.type]
        count, channels, height, width = self._shape
        vectors = self._engine.get_tensor_format(given.name).name == "HWC8"
        pixels = (count, height, width, (channels + 7) // 8 * 8)
        held = np.empty(pixels if vectors else self._shape, kind)
        cuda.check_range(self._addresses[given.name], held.nbytes, True)
        ctypes.memmove(held.ctypes.data, self._addresses[given.name], held.nbytes)
        rows = held
        if vectors:
            assert not held[..., 3:].any(), "a pad that is not zero"
            rows = np.ascontiguousarray(held[..., :channels].transpose(0, 3, 1, 2))
        names = [output.name for output in session.get_outputs()]
        for name, said in zip(names, session.run(names, {given.name: rows}), strict=True):
            said = np.ascontiguousarray(said)
            if self._shape[0] in self._fake.spoilt_batches:
                said = said + np.linspace(0, 1, said.shape[1], dtype=said.dtype)
            cuda.check_range(self._addresses[name], said.nbytes, True)
            ctypes.memmove(self._addresses[name], said.ctypes.data, said.nbytes)


class NewerExecution(Execution):
    """From TensorRT 10.1 on."""

    def set_device_memory(self, memory: int, size: int) -> None:
        self._set_device_memory(memory, size)


class Inspector:
    def __init__(self, fake: FakeTensorRT, model: onnx.ModelProto, detailed: bool, dla: list[str]) -> None:
        self._fake, self._model, self._detailed, self._dla = fake, model, detailed, dla

    def get_engine_information(self, format: int) -> str:
        assert format == self._fake.module.LayerInformationFormat.JSON
        layers: list[Any] = [node.name or node.op_type for node in self._model.graph.node]
        if self._detailed:
            layers = [
                {
                    "Name": node.name or node.op_type,
                    "LayerType": "DLA" if (node.name or node.op_type) in self._dla else "CaskConvolution",
                    "ParameterType": node.op_type,
                    "Outputs": [{"Name": node.output[0], "Dimensions": [1, 2], "Format/Datatype": "Half"}],
                    "TacticName": "fake_kernel",
                }
                for node in self._model.graph.node
            ]
        return json.dumps({"Layers": layers, "Bindings": list(self._model.graph.input[0].name)})
