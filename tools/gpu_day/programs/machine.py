"""Step: the GPU, its driver and the packages of the machine, as JSON."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from tools.gpu_day.step import find_program, write_json

_PACKAGES = """
    numpy opencv-python opencv-python-headless onnx onnxruntime torch torchvision cupy-cuda13x cuda-bindings pybind11
    pytest pytest-xdist hypothesis scipy tqdm cmake ninja
""".split()  # noqa: SIM905
_QUERY = "name,compute_cap,driver_version,memory.total,clocks.max.sm,clocks.max.mem,power.limit"


def main(path: Path) -> int:
    """Write the facts; returns 1 without a GPU."""
    nvidia_smi = _output("nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader")
    gpu = [value.strip() for value in nvidia_smi.splitlines()[0].split(",")] if nvidia_smi else []
    facts = {
        **({"gpu": gpu[0], **dict(zip(_QUERY.split(",")[1:], gpu[1:], strict=False))} if gpu else {}),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "python": sys.version,
        "nvcc": (_output("nvcc", "--version").splitlines() or [""])[-1],
        "compute_sanitizer": (_output("compute-sanitizer", "--version").splitlines() or [""])[-1],
        "packages": {name: version for name in _PACKAGES if (version := _version(name))},
    }
    error = write_json(path, facts)
    for name, value in facts.items():
        print(f"{name}: {value}")
    if error or not gpu:
        print(error or "nvidia-smi finds no GPU")
        return 1
    return 0


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _output(name: str, *arguments: str) -> str:
    try:
        done = subprocess.run(
            [find_program(name) or name, *arguments], capture_output=True, text=True, timeout=8, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
