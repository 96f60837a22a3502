"""A plan loaded into TensorRT's runtime, checked against its description; creates execution contexts."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from hpe_edge.backends.tensorrt.buckets import Profile, buckets
from hpe_edge.backends.tensorrt.load_tensorrt import Messages
from hpe_edge.backends.tensorrt.plan_file import LIBRARY_NAMES, EngineInfo
from hpe_edge.backends.tensorrt.rtx_contexts import RtxContexts
from hpe_edge.cuda.device import Device
from hpe_edge.errors import BackendError, ModelError
from hpe_edge.ops.decode import head_columns

_log = logging.getLogger(__name__)


class Loaded:
    """A plan that TensorRT has loaded and that matches its description.

    Attributes:
        trt: the tensorrt package.
        gpu: where it is loaded.
        info: its description.
        engine: TensorRT's ICudaEngine; None after ``close``.
        shapes: name -> output shape without the batch axis, in the spec's order.
        buckets: batch sizes to run, rising.
        messages: collects TensorRT's errors and warnings.
    """

    def __init__(self, trt: Any, gpu: Device, path: Path, plan: bytes, info: EngineInfo) -> None:
        """
        Args:
            trt, gpu, info: see the attributes; the GPU is entered.
            path: names the plan in messages.
            plan: its bytes.

        Raises:
            BackendError: TensorRT cannot load the plan.
            ModelError: plan and description disagree.
        """
        self.trt, self.gpu, self.info = trt, gpu, info
        self.messages = Messages(trt)
        self._path, self._warned = path, set[str]()
        try:
            self._runtime = trt.Runtime(self.messages.logger)
        except TypeError:  # the binding's error if the library does not start
            raise BackendError(
                f"{LIBRARY_NAMES[info.library]}'s runtime does not start: {self.messages.take()}"
            ) from None
        if info.version_compatible:
            self._runtime.engine_host_code_allowed = True  # such a plan contains its own runtime
        if info.dla_core is not None:
            self._runtime.DLA_core = info.dla_core
        self.engine: Any = self._runtime.deserialize_cuda_engine(plan)
        if self.engine is None:
            raise BackendError(
                f"{LIBRARY_NAMES[info.library]} cannot load {path}: {self.messages.take()}; if the GPU has memory "
                f"left, build it again here: {info.rebuild}"
            )
        self.log_warnings()
        self.shapes = _check_tensors(trt, self.engine, info, path)
        self.buckets = buckets(info.profile)
        self._profiles = _profiles_of(self.engine, info, path, self.buckets)
        self._rtx: RtxContexts | None = None
        if info.library == "tensorrt-rtx":
            self._rtx = RtxContexts(trt, self.engine, info.plan_sha256, f"{gpu.name} {gpu.capability}")

    def log_warnings(self) -> None:
        """Log what TensorRT has warned of since the last call, each warning once."""
        for text in self.messages.take_warnings():
            _log.warning("%s: TensorRT warns: %s", self._path, text)

    def warn_once(self, text: str) -> None:
        """Log a warning; of those with the same beginning only the first."""
        kind = text.partition(":")[0]
        if kind not in self._warned:
            self._warned.add(kind)
            _log.warning("%s: %s", self._path, text)

    def activation_bytes(self) -> int:
        """Return the device memory that an execution context needs for activations."""
        name = "device_memory_size_v2" if hasattr(self.engine, "device_memory_size_v2") else "device_memory_size"
        return int(getattr(self.engine, name))

    def execution(self, bucket: int, activations: int, activation_bytes: int, stream: Any) -> Any:
        """Create an execution context with its activations at the given device address, and select its profile.

        The GPU's capture lock must be held.

        Args:
            bucket: one of :attr:`buckets`.
            activations, activation_bytes: device memory.
            stream: idle; it is waited for.

        Raises:
            BackendError: out of memory, or TensorRT refuses the profile.
        """
        if self._rtx is not None:
            execution = self._rtx.create()
        elif hasattr(self.trt, "ExecutionContextAllocationStrategy"):  # from TensorRT 10 on
            strategy = self.trt.ExecutionContextAllocationStrategy.USER_MANAGED
            execution = self.engine.create_execution_context(strategy)
        else:
            execution = self.engine.create_execution_context_without_device_memory()
        if execution is None:
            raise BackendError(
                f"TensorRT has no room for another batch size on {self.gpu.name}: {self.messages.take()}; close other "
                "programs on the GPU"
            )
        if hasattr(execution, "set_device_memory"):  # from TensorRT 10.1 on
            execution.set_device_memory(activations, activation_bytes)
        else:
            execution.device_memory = activations
        if self._profiles:
            # Before TensorRT 10 only the first context of an engine has profile 0 by itself, the others have none.
            if not execution.set_optimization_profile_async(self._profiles[bucket], int(stream)):
                raise BackendError(f"TensorRT refuses the profile for batches of {bucket}: {self.messages.take()}")
            self.gpu.synchronize(stream)
        return execution

    def close(self) -> None:
        """Free the plan, the engine before its runtime; the GPU must be entered."""
        if self._rtx is not None:
            self._rtx.keep_kernels()
            self._rtx = None
        self.engine = None
        self._runtime = None


def _check_tensors(trt: Any, engine: Any, info: EngineInfo, path: Path) -> dict[str, tuple[int, ...]]:
    """Return the output shapes without the batch axis; ModelError if plan and description disagree."""
    spec = info.spec
    modes = {name: engine.get_tensor_mode(name) for name in map(engine.get_tensor_name, range(engine.num_io_tensors))}
    inputs = [name for name, mode in modes.items() if mode == trt.TensorIOMode.INPUT]
    if inputs != [spec.input.name]:
        raise _contradiction(path, f"the input {spec.input.name!r}", inputs)
    shape = tuple(engine.get_tensor_shape(spec.input.name))
    sides = info.input_shape
    if shape[1:] != sides:
        raise _contradiction(path, f"an input [N, {', '.join(map(str, sides))}]", shape)
    kinds = {"float32": trt.DataType.FLOAT, "float16": trt.DataType.HALF, "uint8": trt.DataType.UINT8}
    if (kind := engine.get_tensor_dtype(spec.input.name)) != kinds[spec.input.dtype]:
        raise _contradiction(path, f"a {spec.input.dtype} input", kind)
    formats = {"linear": trt.TensorFormat.LINEAR, "hwc8": trt.TensorFormat.HWC8}
    if (layout := engine.get_tensor_format(spec.input.name)) not in formats.values():
        raise ModelError(
            f"{path} takes its input in the format {layout.name}, which hpe_edge does not write, only "
            f"{' and '.join(each.name for each in formats.values())}; build it again with hpe-edge export trt"
        )
    if layout != formats[info.input_format]:
        raise _contradiction(path, f"an input in the format {formats[info.input_format].name}", layout.name)
    if (outputs := sorted(set(modes) - set(inputs))) != sorted(spec.outputs):
        raise _contradiction(path, f"the outputs {sorted(spec.outputs)}", outputs)
    columns: dict[str, tuple[int, ...]] = {}
    for name, needed in head_columns(spec).items():
        rest = tuple(engine.get_tensor_shape(name))[1:]
        if engine.get_tensor_dtype(name) != trt.DataType.FLOAT or not rest or -1 in rest or np.prod(rest) < needed:
            raise _contradiction(path, f"{name!r} as float32 [N, {needed} or more]", rest)
        columns[name] = rest
    return columns


def _profiles_of(engine: Any, info: EngineInfo, path: Path, sizes: tuple[int, ...]) -> dict[int, int]:
    """Return the index of the best profile for each batch size; none for a plan of fixed batch.

    Raises:
        ModelError: the plan and its description disagree.
    """
    name, (least, _, most) = info.spec.input.name, info.profile
    fixed = next(iter(engine.get_tensor_shape(name)))
    profiles: list[Profile] = [(fixed, fixed, fixed)]
    if fixed == -1:
        ranges = (engine.get_tensor_profile_shape(name, i) for i in range(engine.num_optimization_profiles))
        profiles = [tuple(next(iter(dims)) for dims in each) for each in ranges]
    smallest, largest = min(each[0] for each in profiles), max(each[2] for each in profiles)
    if (smallest, largest) != (least, most):
        raise _contradiction(path, f"{least} to {most} faces", f"{smallest} to {largest}")
    found = {}
    for size in sizes:
        fitting = [i for i, (low, _, high) in enumerate(profiles) if low <= size <= high]
        if not fitting:
            raise _contradiction(path, f"a profile for batches of {size}", profiles)
        found[size] = min(fitting, key=lambda i: abs(profiles[i][1] - size))
    return found if fixed == -1 else {}


def _contradiction(path: Path, described: str, got: object) -> ModelError:
    return ModelError(
        f"{path} does not match its description: {described}, got {got}; build it again with hpe-edge export trt"
    )
