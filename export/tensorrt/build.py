"""Build of a plan from a graph: all calls to TensorRT's parser and builder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from onnx import ModelProto

from export.step import Reporter
from export.tensorrt import timing_cache
from export.tensorrt.head_precision import keep_head_in_fp32
from export.tensorrt.progress import Watch
from export.tensorrt.settings import Settings, Version
from hpe_edge.backends.tensorrt.buckets import Profile, optimization_profiles
from hpe_edge.backends.tensorrt.load_tensorrt import Messages
from hpe_edge.errors import BackendError, InputError, ModelError


@dataclass(frozen=True)
class Built:
    """A finished plan.

    Attributes:
        plan: its bytes.
        dla_layers: layers on the DLA, as far as the builder's log names them.
        layers: of a detailed plan, one a line as the builder's log has them; empty where it has none.
    """

    plan: bytes
    dla_layers: tuple[str, ...] = ()
    layers: str = ""


def build_plan(
    trt: Any,
    gpu: AbstractContextManager[object],
    model: ModelProto,
    settings: Settings,
    profile: Profile,
    cache: Path | None,
    *,
    detailed: bool,
    report: Reporter,
    version: Version | None = None,
) -> Built:
    """Build the plan from a graph of :func:`export.tensorrt.prepare_graph.prepare_graph`.

    Args:
        trt: the tensorrt or tensorrt_rtx package.
        gpu: entered for the build; nothing for TensorRT-RTX.
        model, settings, profile: what to build.
        cache: the timing cache's file; None without, as TensorRT-RTX measures nothing.
        detailed: store the layers' types and kernels in the plan.
        report: takes warnings and remarks.
        version: of the package; None for TensorRT's own.

    Raises:
        ModelError: the parser rejects the graph; the message names the node.
        InputError: this version or machine lacks a requested feature.
        BackendError: the builder failed.
        KeyboardInterrupt: stopped.
    """
    version = version or Version.of(trt.__version__)
    watch, messages = Watch(trt), Messages(trt)
    if watch.monitor is None:
        report("build", [f"{version.named} reports no progress; a few minutes are usual"])

    def build() -> Built:
        with gpu:
            return _build(trt, version, messages, model, settings, profile, cache, watch.monitor, detailed, report)

    try:
        return watch.run(build)
    finally:
        if warnings := messages.take_warnings():
            report("warnings", warnings)


def _build(
    trt: Any,
    version: Version,
    messages: Messages,
    model: ModelProto,
    settings: Settings,
    profile: Profile,
    cache: Path | None,
    monitor: Any,
    detailed: bool,
    report: Reporter,
) -> Built:
    try:
        builder = trt.Builder(messages.logger)
    except TypeError:  # the binding's error where the library does not start
        raise BackendError(f"{version.named}: the builder does not start: {messages.take()}") from None
    typed = version.typed(settings)
    network = builder.create_network(_network_flags(trt, version, typed=typed))
    parser = trt.OnnxParser(network, messages.logger)
    if not parser.parse(model.SerializeToString()):
        errors = _parser_errors(parser, model)
        raise ModelError(f"{version.named} cannot parse the graph: {errors}; its log: {messages.take()}")
    if settings.input_format == "hwc8":
        _take_pixels(trt, network.get_input(0))
    config = builder.create_builder_config()
    _configure(trt, builder, config, settings, version)
    if not typed and settings.precision != "fp32":
        config.set_flag(trt.BuilderFlag.OBEY_PRECISION_CONSTRAINTS)
        count = keep_head_in_fp32(trt, network, model)
        report("precision", [f"FP16 by the builder's flag; the head stays FP32, {count} layers"])
    if profile[0] != profile[2]:
        # TensorRT-RTX compiles kernels for each size on the GPU, whatever the profiles are.
        _add_profiles(builder, config, model, [profile] if version.rtx else optimization_profiles(profile))
    if monitor is not None:
        config.progress_monitor = monitor
    if detailed:
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    if cache is not None:
        report("timings", [timing_cache.attach(config, cache)])
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise BackendError(f"{version.named} cannot build the engine: {messages.take()}")
    problem = None if cache is None else timing_cache.keep(config, cache)
    if problem:
        report("timings", [problem])
    return Built(bytes(plan), tuple(dict.fromkeys(messages.dla_layers)), "".join(messages.layer_lists[-1:]))


def _network_flags(trt: Any, version: Version, *, typed: bool) -> int:
    flag = trt.NetworkDefinitionCreationFlag
    if version.rtx or version.numbers >= (11,):
        return 0  # every network is typed
    if typed:
        return 1 << int(flag.STRONGLY_TYPED)
    return 1 << int(flag.EXPLICIT_BATCH) if version.numbers < (10,) else 0


def _take_pixels(trt: Any, given: Any) -> None:
    """Let the network's input be FP16 pixels of 8 channels and nothing else."""
    if given.dtype != trt.DataType.HALF:  # only where flags set the precision: types of a typed network are the graph's
        given.dtype = trt.DataType.HALF
    given.allowed_formats = 1 << int(trt.TensorFormat.HWC8)


def _parser_errors(parser: Any, model: ModelProto) -> str:
    """The parser's errors: node, code, function and description, which may be the bare condition of an assertion."""
    messages = []
    for error in (parser.get_error(i) for i in range(parser.num_errors)):
        name, kind = "", ""
        if hasattr(error, "node_name"):  # from TensorRT 10 on
            name, kind = error.node_name(), error.node_operator()
        if not name and 0 <= error.node() < len(model.graph.node):
            node = model.graph.node[error.node()]
            name, kind = node.name or node.output[0], node.op_type
        where = f"node {name!r} ({kind}): " if name else ""
        messages.append(f"{where}{error.code().name} in {error.func()}: {error.desc()}")
    return "; ".join(messages) or "no error is named"


def _configure(trt: Any, builder: Any, config: Any, settings: Settings, version: Version) -> None:
    flag = trt.BuilderFlag
    config.clear_flag(flag.TF32)  # TF32 has only FP16's ten bits
    config.max_aux_streams = 0  # else TensorRT may run branches on streams of its own, with more memory
    if version.rtx:
        _configure_rtx(trt, config, settings)
    if not version.typed(settings):
        if settings.precision == "int8":
            config.set_flag(flag.INT8)
        if settings.precision != "fp32":
            config.set_flag(flag.FP16)
    if not version.rtx and version.numbers < (10,):  # later versions let contexts share a profile anyway
        config.set_preview_feature(trt.PreviewFeature.PROFILE_SHARING_0806, True)
    if settings.workspace_mb is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, settings.workspace_mb << 20)
    if settings.level is not None:
        config.builder_optimization_level = settings.level
    if settings.version_compatible:
        config.set_flag(flag.VERSION_COMPATIBLE)
    if settings.hardware != "same-gpu" and not version.rtx:
        name = {"same-capability": "SAME_COMPUTE_CAPABILITY", "ampere-plus": "AMPERE_PLUS"}[settings.hardware]
        _need(trt.HardwareCompatibilityLevel, name, f"--hardware {settings.hardware}", "10.13", version)
        config.hardware_compatibility_level = getattr(trt.HardwareCompatibilityLevel, name)
    if settings.dla_core is not None:
        if settings.dla_core >= builder.num_DLA_cores:
            raise InputError(
                f"--dla {settings.dla_core}: TensorRT {version.text} finds {builder.num_DLA_cores} DLA cores here; "
                "leave --dla out to build for the GPU"
            )
        config.default_device_type = trt.DeviceType.DLA
        config.DLA_core = settings.dla_core
        config.set_flag(flag.GPU_FALLBACK)


def _configure_rtx(trt: Any, config: Any, settings: Settings) -> None:
    config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)  # else the network cannot be captured in a CUDA graph
    if settings.hardware == "turing":  # without it: all GPUs from Ampere on
        config.num_compute_capabilities = 1
        config.set_compute_capability(trt.ComputeCapability.SM75, 0)


def _need(owner: Any, name: str, option: str, since: str, version: Version) -> None:
    if not hasattr(owner, name):
        raise InputError(f"{option} needs TensorRT {since} or newer, got {version.text}; leave it out")


def _add_profiles(builder: Any, config: Any, model: ModelProto, profiles: list[Profile]) -> None:
    given = model.graph.input[0]
    sides = tuple(dim.dim_value for dim in given.type.tensor_type.shape.dim[1:])
    for each in profiles:
        ranges = builder.create_optimization_profile()
        least, best, most = ((count, *sides) for count in each)
        ranges.set_shape(given.name, least, best, most)
        if config.add_optimization_profile(ranges) < 0:
            raise InputError(f"TensorRT refuses batches of {each}; see --batch")
