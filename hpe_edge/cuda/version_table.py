"""Versions of NVIDIA's software that fit together: one table for the doctor, the messages and the documents.

Sources:
    ONNX Runtime: PyPI's wheels of onnxruntime-gpu 1.18.1, 1.20.2, 1.22.0, 1.23.2, 1.24.1, 1.25.0, 1.26.0, 1.27.0 and
    1.31.1: the libraries that ``libonnxruntime_providers_tensorrt.so`` needs, and the version that it passes to
    ``createInferBuilder``; 1.19 and 1.21: ONNX Runtime's page on the TensorRT provider. Python: the wheels there are.
    cuda-bindings: its release notes, and the number of functions with ``with nogil`` in its wheels: 4 of the driver's
    473 in 12.9.0, all in 12.9.1. 12.9.8 mends a race of threads at the first call.
    JetPack: 6.0, https://github.com/dusty-nv/jetson-containers; 6.1 and 6.2, the documents of Torch-TensorRT; 7.1, as
    quoted from NVIDIA's release page, 7.0 is taken as the same; 7.2,
    https://github.com/roboflow/inference/pull/2531, read from a device.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

Version = tuple[int, ...]

CUDA_BINDINGS_FLOOR = (12, 9, 10)  # older ones hold Python's global lock in CUDA calls, or race at the first
OLDEST_TENSORRT = (8, 6)
_OLDEST_CUDA, _NEWEST_CUDA = 12, 13  # major versions that there are packages for
_EXTRAS_FROM = (1, 21)  # onnxruntime-gpu[cuda,cudnn] brings CUDA from here on


@dataclass(frozen=True)
class OnnxRuntimeGpu:
    """Requirements of a release of onnxruntime-gpu and of those after it, up to the next row.

    Attributes:
        first: the release.
        cuda, cudnn: major versions.
        tensorrt: version that its TensorRT provider was built with; newer ones of the same major version fit.
        python: oldest Python that it has wheels for.
    """

    first: Version
    cuda: int
    cudnn: int
    tensorrt: Version
    python: Version

    @property
    def tensorrt_range(self) -> str:
        """The fitting versions of TensorRT, as pip writes them: ``">=10.14,<11"``."""
        return f">={dotted(self.tensorrt)},<{self.tensorrt[0] + 1}"

    @property
    def tensorrt_package(self) -> str:
        """Requirement for pip of the TensorRT that fits."""
        return f"tensorrt-cu{self.cuda}{self.tensorrt_range}"


@dataclass(frozen=True)
class JetPack:
    """Releases of JetPack with the same software.

    Attributes:
        releases: such as ``"6.1, 6.2"``.
        l4t: the first version of Jetson Linux among them.
        modules: Jetsons that they run on.
        ubuntu, python, cuda, cudnn, tensorrt: versions in them.
    """

    releases: str
    l4t: Version
    modules: str
    ubuntu: str
    python: str
    cuda: str
    cudnn: str
    tensorrt: str


ONNX_RUNTIME_GPU = (  # older releases need CUDA 11
    OnnxRuntimeGpu((1, 19), 12, 9, (10, 2), (3, 8)),
    OnnxRuntimeGpu((1, 20), 12, 9, (10, 4), (3, 10)),
    OnnxRuntimeGpu((1, 21), 12, 9, (10, 8), (3, 10)),
    OnnxRuntimeGpu((1, 22), 12, 9, (10, 9), (3, 10)),
    OnnxRuntimeGpu((1, 24), 12, 9, (10, 14), (3, 11)),
    OnnxRuntimeGpu((1, 27), 13, 9, (10, 14), (3, 11)),
)
JETPACKS = (
    JetPack("6.0", (36, 2), "Orin", "22.04", "3.10", "12.2", "8.9", "8.6"),
    JetPack("6.1, 6.2", (36, 4), "Orin", "22.04", "3.10", "12.6", "9.3", "10.3"),
    JetPack("7.0, 7.1", (38, 2), "Thor", "24.04", "3.12", "13.0", "9.12", "10.13"),
    JetPack("7.2", (39, 2), "Orin, Thor", "24.04", "3.12", "13.2", "9.20", "10.16"),
)


def numbers(version: str) -> Version:
    """Split a version such as ``"10.13.3.9"`` or ``"10.14.1.48.post1"`` into comparable numbers."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def dotted(version: Version) -> str:
    """Write a version with dots."""
    return ".".join(map(str, version))


def onnx_runtime_needs(version: str) -> OnnxRuntimeGpu | None:
    """Return the row of a release of onnxruntime-gpu; None if it is older than the table."""
    rows = [row for row in ONNX_RUNTIME_GPU if row.first <= numbers(version)]
    return rows[-1] if rows else None


def onnx_runtime_for(cuda: str, python: str) -> str | None:
    """Return the requirement for pip of the newest onnxruntime-gpu that fits.

    Args:
        cuda: newest version that the driver supports.
        python: version of Python.

    Returns:
        None if the driver is too old for all of them.
    """
    fitting = [
        index
        for index, row in enumerate(ONNX_RUNTIME_GPU)
        if row.first >= _EXTRAS_FROM and row.cuda <= numbers(cuda)[0] and row.python <= numbers(python)
    ]
    if not fitting:
        return None
    row, after = ONNX_RUNTIME_GPU[fitting[-1]], ONNX_RUNTIME_GPU[fitting[-1] + 1 :]
    below = f",<{dotted(after[0].first)}" if after else ""
    return f"onnxruntime-gpu[cuda,cudnn]>={dotted(row.first)}{below}"


def tensorrt_for(cuda: str) -> str | None:
    """Return the requirement for pip of a TensorRT for engines and for ONNX Runtime's provider.

    Args:
        cuda: newest version that the driver supports.

    Returns:
        None if the driver is too old.
    """
    rows = [row for row in ONNX_RUNTIME_GPU if row.cuda <= numbers(cuda)[0]]
    return rows[-1].tensorrt_package if rows else None


def cuda_bindings_for(cuda: str) -> str | None:
    """Return the requirement for pip of cuda-bindings; None if the driver, which supports ``cuda``, is too old."""
    major = min(numbers(cuda)[0], _NEWEST_CUDA)
    if major < _OLDEST_CUDA:
        return None
    oldest = dotted(CUDA_BINDINGS_FLOOR) if major == CUDA_BINDINGS_FLOOR[0] else str(major)
    return f"cuda-bindings>={oldest},<{major + 1}"


def jetpack_of(l4t: str) -> JetPack | None:
    """Return the row of a version of Jetson Linux, such as ``"36.4.3"``; None if the table has none."""
    rows = [row for row in JETPACKS if row.l4t[:1] == numbers(l4t)[:1] and row.l4t <= numbers(l4t)]
    return rows[-1] if rows else None
