"""Environment of a benchmark: the machine, versions, the commit and thread settings."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from hpe_edge.doctor.host import probe_jetson
from hpe_edge.doctor.machine import Machine, ThisMachine, guarded
from hpe_edge.doctor.nvidia import probe_cuda, probe_gpu, probe_tensorrt
from hpe_edge.opencv.lazy import cv2
from hpe_edge.ops.crop import isa_names
from hpe_edge.util.cores import usable_cores
from hpe_edge.version import __version__

_ROOT = Path(__file__).resolve().parents[2]

# Flags that select code paths, in hpe_edge or its libraries.
_FLAGS = (
    "sse4_1 sse4_2 avx f16c fma avx2 avx512f avx512bw avx512vl avx512vbmi avx512_vnni avx512_bf16 avx512_fp16 avx_vnni "
    "amx_tile amx_int8 amx_bf16 asimd asimdhp asimddp i8mm bf16 sve hypervisor"
)
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def environment(machine: Machine | None = None) -> dict[str, Any]:
    """Return the environment of a run as plain data; None for missing or unknown values.

    GPU, board and NVIDIA's software are read from ``machine`` (default: this one).
    """
    machine = machine or ThisMachine()
    cpuinfo = _cpuinfo(machine)
    # ARM processors have no name in cpuinfo; boards such as the Jetsons give theirs in the device tree.
    board_name = (machine.read("/proc/device-tree/model") or "").rstrip("\0\n")
    gpu, cuda, tensorrt = (guarded(probe, machine).facts for probe in (probe_gpu, probe_cuda, probe_tensorrt))
    flags = set((cpuinfo.get("flags") or cpuinfo.get("Features") or "").split())
    return {
        "hardware": {
            "cpu": cpuinfo.get("model name") or board_name or platform.processor() or platform.machine(),
            "machine": platform.machine(),
            "cores": os.cpu_count() or 1,
            "cores_usable": usable_cores(),
            "flags": [flag for flag in _FLAGS.split() if flag in flags],
            "hpe_edge_isa_names": isa_names(),
            "memory_bytes": _memory_bytes(),
            "gpus": gpu.get("devices", []),
            "board": _board(machine),
        },
        "software": {
            "os": platform.platform(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "opencv": cv2.__version__,
            "opencv_cpu_features": cv2.getCPUFeaturesLine(),
            **_onnxruntime(),
            "openvino": machine.packages().get("openvino"),
            "tensorrt": tensorrt.get("version") or tensorrt.get("debian") or None,
            "cuda_toolkit": cuda.get("nvcc") or None,
            "driver": gpu.get("driver") or None,
            "driver_cuda": gpu.get("cuda") or None,
            "hpe_edge": __version__,
        },
        "git": _git(),
        "threads": {
            "opencv": cv2.getNumThreads(),
            "onnxruntime": 1,
            "numpy": {name: os.environ.get(name) for name in _THREAD_VARIABLES},
        },
    }


def _onnxruntime() -> dict[str, Any]:
    try:
        import onnxruntime
    except ImportError:
        return {"onnxruntime": None, "onnxruntime_providers": None}
    providers = onnxruntime.get_available_providers()
    return {"onnxruntime": onnxruntime.__version__, "onnxruntime_providers": providers}


def _board(machine: Machine) -> dict[str, Any] | None:
    """Return a Jetson's module, JetPack, Jetson Linux and power mode."""
    jetson = guarded(probe_jetson, machine)
    return {name: value or None for name, value in jetson.facts.items()} if jetson.found else None


def _cpuinfo(machine: Machine) -> dict[str, str]:
    """Read the first processor's entry."""
    lines = (machine.read("/proc/cpuinfo") or "").split("\n\n")[0].splitlines()
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _git() -> dict[str, Any]:
    """Return the checkout's commit, and True if the tree differs from it."""
    commit, status = _git_output("rev-parse", "HEAD"), _git_output("status", "--porcelain")
    return {"commit": commit, "dirty": None if status is None else bool(status)}


def _git_output(*arguments: str) -> str | None:
    if not (_ROOT / ".git").exists():
        return None  # installed: a repository further up is another one
    try:
        done = subprocess.run(["git", "-C", str(_ROOT), *arguments], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
