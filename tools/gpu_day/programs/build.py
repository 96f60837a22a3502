"""Step: the extension and the native tests for this machine's GPU, with what is installed or carried."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from tools.gpu_day.step import find_program

_ROOT = Path(__file__).resolve().parents[3]
_FOLDER = _ROOT / "build" / "gpu_day" / "native"
_CARRIED = _ROOT / ".gpu_day" / "base" / "pybind11" / "share" / "cmake" / "pybind11"
_DEFAULT_CAPABILITY = "90"


def main() -> int:
    """Build unless it was built from the same sources; returns the exit status."""
    stamp, sources = _FOLDER / "sources.txt", _fingerprint()
    module = _ROOT / "hpe_edge" / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    if module.exists() and stamp.exists() and stamp.read_text() == sources:
        print("built already from these sources")
        return 0
    cmake = find_program("cmake")
    if cmake is None:
        print("there is no cmake")
        return 1
    pybind11 = _pybind11()
    if pybind11 is None:
        print(f"there is no pybind11, neither installed nor in {_CARRIED}: carry .gpu_day/base")
        return 1
    architecture = _capability()
    # Without nvcc the parts for the CPU are built all the same: a doctor that runs says more than none.
    cuda = "AUTO" if find_program("nvcc") is None else "ON"
    options = {
        "CMAKE_BUILD_TYPE": "Release",
        "CMAKE_CUDA_ARCHITECTURES": f"{architecture}-real",
        "HPE_EDGE_TESTS": "ON",
        "HPE_EDGE_CUDA": cuda,
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": str(pybind11),
    }
    generator = ["-G", "Ninja"] if find_program("ninja") else []
    configure = [cmake, "-S", str(_ROOT), "-B", str(_FOLDER), *generator, *(f"-D{k}={v}" for k, v in options.items())]
    for command in (configure, [cmake, "--build", str(_FOLDER), "--parallel", str(os.cpu_count() or 1)]):
        print(" ".join(command), flush=True)
        if status := subprocess.run(command).returncode:
            return status
    (built,) = _FOLDER.glob("_native*.so")
    shutil.copyfile(built, module)
    stamp.write_text(sources)
    print(f"{module.name} for {'CUDA' if cuda == 'ON' else 'the CPU alone'}, architecture {architecture}")
    return 0 if cuda == "ON" else 1


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    folders = (_ROOT / "csrc", _ROOT / "tests" / "native")
    for path in [_ROOT / "CMakeLists.txt", *sorted(each for folder in folders for each in folder.rglob("*"))]:
        if path.is_file():
            digest.update(f"{path.relative_to(_ROOT)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _pybind11() -> Path | None:
    """Return pybind11's CMake folder: the carried one, else the installed one."""
    if _CARRIED.is_dir():
        return _CARRIED
    try:
        return Path(importlib.import_module("pybind11").get_cmake_dir())
    except ImportError:
        return None


def _capability() -> str:
    """Return the GPU's compute capability without the dot."""
    try:
        command = [find_program("nvidia-smi") or "nvidia-smi", "--query-gpu=compute_cap", "--format=csv,noheader"]
        found = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return found.splitlines()[0].strip().replace(".", "") or _DEFAULT_CAPABILITY
    except (OSError, subprocess.SubprocessError, IndexError):
        return _DEFAULT_CAPABILITY


if __name__ == "__main__":
    raise SystemExit(main())
