"""TensorRT engine files: the plan, and ``<engine>.json`` with its description.

The plan stays as TensorRT wrote it, so that ``trtexec`` loads it as well. The description is checked against the plan's
bytes and against this machine before TensorRT reads the plan.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from hpe_edge.cuda.version_table import numbers
from hpe_edge.errors import BackendError, ModelError
from hpe_edge.spec import MAX_BATCH, PADDED_CHANNELS, GateResult, ModelSpec, read_json, to_plain

if TYPE_CHECKING:
    from hpe_edge.cuda.device import Device

FORMAT = 1  # also raised with hpe_edge.spec.FORMAT

Library = Literal["tensorrt", "tensorrt-rtx"]
Precision = Literal["fp32", "fp16", "int8"]
Hardware = Literal["same-gpu", "same-capability", "ampere-plus", "turing"]
InputFormat = Literal["linear", "hwc8"]

PLAN_SUFFIXES: dict[Library, tuple[str, ...]] = {"tensorrt": (".engine", ".plan"), "tensorrt-rtx": (".rtx",)}
SUFFIXES = tuple(suffix for suffixes in PLAN_SUFFIXES.values() for suffix in suffixes)
LIBRARY_NAMES: dict[Library, str] = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}

# Major version -> the newest one that runs its version-compatible plans; NVIDIA's pages on engine compatibility of
# TensorRT 10.16.1 and 11.1. The others reach no further than their own.
_NEWEST_MAJOR = {8: 10, 9: 10, 10: 11}
_MEMORY_TOLERANCE = 8  # releases of JetPack and ECC take less than an eighth; modules with other memory differ by more


@dataclass(frozen=True)
class EngineInfo:
    """Description beside a plan.

    Attributes:
        spec: the model's, as in its ONNX file; its input is float16 where ``input_format`` is ``"hwc8"``.
        tensorrt: the version of the library that built the plan.
        gpu, compute_capability: of the GPU that it was built on, such as ``"Orin"`` and ``"8.7"``; empty for
            TensorRT-RTX, which builds without a GPU.
        precision: of the build.
        profile: smallest, optimal and largest batch.
        plan_bytes, plan_sha256: the plan's size and the SHA-256 of its bytes.
        rebuild: the command that builds it again.
        version_compatible: newer TensorRT versions run it as well.
        hardware: GPUs that run it: of the same name, of the same compute capability, all from Ampere on, or (of
            TensorRT-RTX alone) Turing.
        dla_core: index of its DLA core; None for the GPU alone.
        multiprocessors, memory_mb: of the GPU that it was built on, by which modules that are all named ``"Orin"``
            differ; None in descriptions of older versions, and not compared then.
        tools: name -> version of the tools that built it.
        gate: accuracy gate against the source model; None until it has run.
        library: builds and runs the plan.
        gate_gpu: of TensorRT-RTX, the GPU and the driver that the gate ran with; others compile kernels of their own.
        input_format: memory layout of the input. ``"linear"``: planes ``[N, 3, size, size]``; ``"hwc8"``: TensorRT's
            kHWC8, float16 pixels of 8 channels ``[N, size, size, 8]``, the last five 0; the plan has 8 channels too.
    """

    spec: ModelSpec
    tensorrt: str
    gpu: str
    compute_capability: str
    precision: Precision
    profile: tuple[int, int, int]
    plan_bytes: int
    plan_sha256: str
    rebuild: str
    version_compatible: bool = False
    hardware: Hardware = "same-gpu"
    dla_core: int | None = None
    multiprocessors: int | None = None
    memory_mb: int | None = None
    tools: dict[str, str] = field(default_factory=dict)
    gate: GateResult | None = None
    library: Library = "tensorrt"
    gate_gpu: str | None = None
    input_format: InputFormat = "linear"

    def __post_init__(self) -> None:
        if self.channels_last and self.spec.input.dtype != "float16":
            raise ModelError(f"an input in the format hwc8 must be float16, got {self.spec.input.dtype}")
        least, best, most = self.profile
        if not 1 <= least <= best <= most <= MAX_BATCH:
            raise ModelError(f"an engine's profile must rise from 1 or more to at most {MAX_BATCH}, got {self.profile}")
        if self.plan_bytes < 0:
            raise ModelError(f"an engine's plan_bytes must be 0 or more, got {self.plan_bytes}")

    @property
    def channels_last(self) -> bool:
        """True if the input is padded pixels."""
        return self.input_format == "hwc8"

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of the plan's input without the batch axis, as TensorRT counts it in every format: channels first."""
        return (PADDED_CHANNELS if self.channels_last else 3, self.spec.input.size, self.spec.input.size)

    @property
    def built_on(self) -> str:
        """The GPU that it was built on, for people."""
        if not self.gpu:
            return "no GPU"
        return _described(self.gpu, self.compute_capability, self.multiprocessors, self.memory_mb)

    @property
    def and_newer(self) -> str:
        """The versions of TensorRT after its own that run it, for people; empty if there are none."""
        return f" or newer, up to {_newest_major(self.tensorrt)}" if self.version_compatible else ""

    def to_json(self) -> str:
        """Return indented JSON, format number first."""
        return json.dumps({"format": FORMAT, **to_plain(self)}, indent=2) + "\n"

    def check_plan(self, path: Path, plan: bytes) -> None:
        """Check a plan against its description.

        Raises:
            ModelError: it is truncated, or another plan.
        """
        if len(plan) < self.plan_bytes:
            raise ModelError(
                f"{path} is truncated: {len(plan)} of {self.plan_bytes} bytes; copy it again, or {self._again()}"
            )
        if len(plan) != self.plan_bytes or digest(plan) != self.plan_sha256:
            raise ModelError(
                f"{path} is not the engine that {sidecar(path).name} describes; copy both files together, or "
                f"{self._again()}"
            )

    def check_machine(self, path: Path, tensorrt: str, gpu: Device) -> None:
        """Check that the plan runs on this machine.

        Args:
            path: names the plan in messages.
            tensorrt: the installed version.
            gpu: the device to run on.

        Raises:
            BackendError: the plan was built for another TensorRT or GPU.
        """
        if not self._runs_with(tensorrt):
            raise BackendError(
                f"{path} was built with {LIBRARY_NAMES[self.library]} {self.tensorrt} and runs with that version"
                f"{self.and_newer}, got {tensorrt}; {self._again()}"
            )
        advice = ""
        if self.hardware == "turing":
            fits, wanted = gpu.capability == "7.5", "GPUs of compute capability 7.5 (Turing)"
        elif self.hardware == "ampere-plus":
            fits, wanted = numbers(gpu.capability) >= (8,), "GPUs of compute capability 8.0 or more"
        elif self.hardware == "same-capability":
            fits = gpu.capability == self.compute_capability
            wanted = f"GPUs of compute capability {self.compute_capability}"
        else:
            same = (gpu.name, gpu.capability) == (self.gpu, self.compute_capability)
            as_many = self.multiprocessors in (None, gpu.multiprocessors)
            fits, wanted = same and as_many and self._has_memory_of(gpu), "that GPU"
            if same and not as_many:  # TensorRT's tactics are chosen for their number
                advice = "power modes of a Jetson switch multiprocessors off: set that of the build with nvpmodel, or "
        if not fits:
            here = _described(gpu.name, gpu.capability, gpu.multiprocessors, gpu.memory_mb)
            raise BackendError(
                f"{path} was built {self._where}and runs on {wanted}, got {here}; {advice}{self._again()}"
            )

    def _runs_with(self, tensorrt: str) -> bool:
        built, here = numbers(self.tensorrt), numbers(tensorrt)
        newer = self.version_compatible and built < here and here[0] <= _newest_major(self.tensorrt)
        return newer or tensorrt == self.tensorrt

    def _has_memory_of(self, gpu: Device) -> bool:
        if self.memory_mb is None:
            return True
        return abs(gpu.memory_mb - self.memory_mb) * _MEMORY_TOLERANCE <= max(gpu.memory_mb, self.memory_mb)

    @property
    def _where(self) -> str:
        return f"on {self.built_on} " if self.gpu else ""

    def _again(self) -> str:
        return f"build it again here: {self.rebuild}"


def library_of(path: Path) -> Library | None:
    """Return the library of a plan by the file's name; None for another file."""
    found = (name for name, suffixes in PLAN_SUFFIXES.items() if path.suffix.lower() in suffixes)
    return next(found, None)


def sidecar(path: Path) -> Path:
    """Return the path of an engine's description."""
    return path.with_name(f"{path.name}.json")


def digest(plan: bytes) -> str:
    """Return the SHA-256 of a plan, in hexadecimal."""
    return hashlib.sha256(plan).hexdigest()


def read_info(path: Path) -> EngineInfo:
    """Read the description beside the plan ``path``; the plan itself is not read.

    Raises:
        ModelError: it is missing or invalid.
    """
    beside = sidecar(path)
    command = "hpe-edge export trt --rtx" if library_of(path) == "tensorrt-rtx" else "hpe-edge export trt"
    if not beside.is_file():
        raise ModelError(
            f"{path} has no {beside.name} beside it, so its model, crop and GPU are unknown; copy both files together, "
            f"or build another engine: {command} MODEL.onnx -o OTHER{path.suffix}"
        )
    try:
        info = read_json(EngineInfo, beside.read_text(encoding="utf-8"), FORMAT, "the engine's description", "engine")
    except (ModelError, OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{beside}: {error}") from None
    assert isinstance(info, EngineInfo)
    if info.library != library_of(path):
        raise ModelError(
            f"{path} is a plan of {LIBRARY_NAMES[info.library]} by its description; its name must end in "
            f"{' or '.join(PLAN_SUFFIXES[info.library])}"
        )
    return info


def _newest_major(version: str) -> int:
    """Return the newest major version of TensorRT that runs version-compatible plans of ``version``."""
    major = numbers(version)[0]
    return _NEWEST_MAJOR.get(major, major)


def _described(name: str, capability: str, multiprocessors: int | None, memory_mb: int | None) -> str:
    parts = [f"compute capability {capability}"]
    parts += [] if multiprocessors is None else [f"{multiprocessors} multiprocessors"]
    parts += [] if memory_mb is None else [f"{memory_mb / 1024:.1f} GB"]
    return f"{name} ({', '.join(parts)})"
