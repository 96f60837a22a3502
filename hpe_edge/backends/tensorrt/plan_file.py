"""TensorRT engine files: the plan, and ``<engine>.json`` with its description.

The plan stays as TensorRT wrote it, so that ``trtexec`` loads it as well. The description is checked against the plan's
bytes and against this machine before TensorRT reads the plan.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hpe_edge.errors import BackendError, ModelError
from hpe_edge.spec import GateResult, ModelSpec, read_json, to_plain

FORMAT = 1  # also raised with hpe_edge.spec.FORMAT
SUFFIXES = (".engine", ".plan")

Precision = Literal["fp32", "fp16", "int8"]
Hardware = Literal["same-gpu", "same-capability", "ampere-plus"]


@dataclass(frozen=True)
class EngineInfo:
    """Description beside a plan.

    Attributes:
        spec: the model's, as in its ONNX file.
        tensorrt: the version that built the plan.
        gpu, compute_capability: of the GPU that it was built on, such as ``"Orin"`` and ``"8.7"``.
        precision: of the build.
        profile: smallest, optimal and largest batch.
        plan_bytes, plan_sha256: the plan's size and the SHA-256 of its bytes.
        rebuild: the command that builds it again.
        version_compatible: newer TensorRT versions run it as well.
        hardware: GPUs that run it: of the same name, of the same compute capability, or all from Ampere on.
        dla_core: index of its DLA core; None for the GPU alone.
        tools: name -> version of the tools that built it.
        gate: accuracy gate against the source model.
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
    tools: dict[str, str] = field(default_factory=dict)
    gate: GateResult | None = None

    def __post_init__(self) -> None:
        least, best, most = self.profile
        if not 1 <= least <= best <= most:
            raise ModelError(f"an engine's profile must rise from 1 or more, got {self.profile}")

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

    def check_machine(self, path: Path, tensorrt: str, gpu: str, compute_capability: str) -> None:
        """Check that the plan runs on this machine.

        Raises:
            BackendError: the plan was built for another TensorRT or GPU.
        """
        if tensorrt != self.tensorrt and not (self.version_compatible and _numbers(tensorrt) > _numbers(self.tensorrt)):
            newer = " or newer" if self.version_compatible else ""
            raise BackendError(
                f"{path} was built with TensorRT {self.tensorrt} and runs with that version{newer}, got {tensorrt}; "
                f"{self._again()}"
            )
        if self.hardware == "ampere-plus":
            fits, wanted = _numbers(compute_capability) >= (8,), "a GPU of compute capability 8.0 or more"
        elif self.hardware == "same-capability":
            fits, wanted = compute_capability == self.compute_capability, f"capability {self.compute_capability}"
        else:
            fits = (gpu, compute_capability) == (self.gpu, self.compute_capability)
            wanted = f"that GPU, compute capability {self.compute_capability}"
        if not fits:
            raise BackendError(
                f"{path} was built on {self.gpu} and runs on {wanted}, got {gpu}, compute capability "
                f"{compute_capability}; {self._again()}"
            )

    def _again(self) -> str:
        return f"build it again here: {self.rebuild}"


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
    if not beside.is_file():
        raise ModelError(
            f"{path} has no {beside.name} beside it, so its model, crop and GPU are unknown; copy both files together, "
            "or build another engine: hpe-edge export trt MODEL.onnx -o OTHER.engine"
        )
    try:
        info = read_json(EngineInfo, beside.read_text(encoding="utf-8"), FORMAT, "the engine's description", "engine")
    except (ModelError, OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{beside}: {error}") from None
    assert isinstance(info, EngineInfo)
    return info


def _numbers(version: str) -> tuple[int, ...]:
    """Split a version such as ``"10.13.3.9"`` into comparable numbers."""
    return tuple(int(part) if part.isdecimal() else 0 for part in version.split("."))
