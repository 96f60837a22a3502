"""Preparation of the carried folder, on a machine with a network."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from tools.gpu_day.carrying.fatbin import blank_other_architectures
from tools.gpu_day.carrying.provenance import COMMIT_FILE, note_commit

MOST_BYTES = 64 << 20  # of the tree and all that is carried with one call
ARCHITECTURE = 90
PYTHON = "3.12"
PYBIND11 = "pybind11==3.0.1"
ONNXRUNTIME = "onnxruntime-gpu==1.27.0"
RTX = ("tensorrt-rtx-cu13-bindings==1.7.1.116", "tensorrt-rtx-cu13-libs==1.7.1.116")
# The first filter makes jumps of x86 code alike.
_XZ = [{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, "preset": 9}]
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64")
# The C library is not loaded by Python's module; the rest needs what the machine lacks, or converts models.
_UNUSED = ("libonnxruntime.so", "providers_tensorrt", "/transformers/", "/tools/", "/datasets/", "/quantization/")


def pack(root: Path, carried: Path) -> None:
    """Make the carried folder anew, and list its sizes beside the tree's.

    An archive that cannot be made, or is too large beside the tree, is left out with the reason.

    Raises:
        OSError, subprocess.CalledProcessError: neither git nor pip runs here, or the disk is full.
    """
    shutil.rmtree(carried, ignore_errors=True)
    note = note_commit(root)
    tree_bytes = sum((root / name).stat().st_size for name in note["files"])
    (carried / "base").mkdir(parents=True)
    (carried / COMMIT_FILE).write_text(json.dumps(note))
    print(f"{_mib(tree_bytes)}  the tree, {len(note['files'])} files")
    with zipfile.ZipFile(_wheel(PYBIND11)) as wheel:
        wheel.extractall(carried / "base", [name for name in wheel.namelist() if name.startswith("pybind11/")])
    base_bytes = tree_bytes + _size(carried / "base")
    print(f"{_mib(_size(carried / 'base'))}  {carried.name}/base: the commit, pybind11")
    for name, fill in (("onnxruntime-cuda", _fill_onnxruntime), ("rtx", _fill_rtx)):
        path = carried / f"{name}.tar.xz"
        try:
            about = _archive(path, fill)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            path.unlink(missing_ok=True)
            print(f"      -    {carried.name}/{path.name}: left out, {error}")
            continue
        size = path.stat().st_size
        print(f"{_mib(size)}  {carried.name}/{path.name}: {about}")
        if base_bytes + size > MOST_BYTES:
            path.unlink()
            print(f"           left out: beside tree and base it is larger than {MOST_BYTES >> 20} MiB")


def _archive(path: Path, fill: Callable[[Path], str]) -> str:
    """Pack what ``fill`` puts into a folder; return what it says of it."""
    with tempfile.TemporaryDirectory() as name:
        about = fill(Path(name))
        with lzma.open(path, "wb", filters=_XZ) as file, tarfile.open(fileobj=file, mode="w|") as packed:
            packed.add(name, ".")
    return about


def _fill_onnxruntime(folder: Path) -> str:
    with zipfile.ZipFile(_wheel(ONNXRUNTIME)) as wheel:
        wheel.extractall(folder, [name for name in wheel.namelist() if not any(part in name for part in _UNUSED)])
    (provider,) = folder.rglob("libonnxruntime_providers_cuda.so")
    kept, blanked = blank_other_architectures(provider, ARCHITECTURE)
    return f"{ONNXRUNTIME}, {_mib(kept).strip()} of GPU code for sm_{ARCHITECTURE}, {_mib(blanked).strip()} blanked"


def _fill_rtx(folder: Path) -> str:
    """Unpack the libraries; with them here as well, an engine of the embedded model comes along."""
    for requirement in RTX:
        with zipfile.ZipFile(_wheel(requirement)) as wheel:
            wheel.extractall(folder)
    from hpe_edge.models import DEFAULT

    command = [sys.executable, "-m", "export.trt", str(DEFAULT), "--rtx", "-o", str(folder / "model.rtx")]
    built = subprocess.run(command, capture_output=True, text=True).returncode == 0
    return f"{' '.join(RTX)}, {'with' if built else 'without'} an engine"


def _wheel(requirement: str) -> Path:
    """Download a wheel for the machine, once."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hpe_edge" / "wheels"
    name, _, version = requirement.partition("==")
    tags = ("-py3-none", f"-cp{PYTHON.replace('.', '')}-")

    def found() -> list[Path]:
        wheels = cache.glob(f"{name.replace('-', '_')}-{version}-*.whl")
        return [path for path in wheels if any(tag in path.name for tag in tags)]

    if not found():
        cache.mkdir(parents=True, exist_ok=True)
        platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
        options = ["--no-deps", "--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", *platforms]
        command = [sys.executable, "-m", "pip", "download", "-q", "-d", str(cache), *options, requirement]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return found()[0]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _mib(size: int) -> str:
    return f"{size / (1 << 20):6.1f} MiB"
