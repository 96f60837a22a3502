"""Preparation of the carried folder, on a machine with a network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

from tools.gpu_day.carrying.chunked_xz import ChunkedXz
from tools.gpu_day.carrying.fatbin import blank_other_architectures
from tools.gpu_day.carrying.provenance import COMMIT_FILE, note_commit

MOST_BYTES = 64 << 20  # of the tree and all that is carried with one call
ARCHITECTURE = 90
PYTHON = "3.12"
PYBIND11 = "pybind11==3.0.1"
ONNXRUNTIME = "onnxruntime-gpu==1.27.0"
RTX = ("tensorrt-rtx-cu13-bindings==1.7.1.116", "tensorrt-rtx-cu13-libs==1.7.1.116")
# The least compression that fits: presets above cost minutes. TensorRT-RTX is mostly code, and large.
_PRESETS = {"onnxruntime-cuda": 0, "rtx": 6}
_PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux2014_x86_64", "manylinux_2_17_x86_64")
# The C library is not loaded by Python's module; the rest needs what the machine lacks, or converts models.
_UNUSED = ("libonnxruntime.so", "providers_tensorrt", "/transformers/", "/tools/", "/datasets/", "/quantization/")


def pack(root: Path, carried: Path) -> None:
    """Make the carried folder, and list its sizes beside the tree's; run again after it was stopped, it goes on.

    An archive that cannot be made, or is too large beside the tree, is left out with the reason.

    Raises:
        OSError, subprocess.CalledProcessError: neither git nor pip runs here, or the disk is full.
    """
    shutil.rmtree(carried, ignore_errors=True)
    note = note_commit(root)
    tree_bytes = sum((root / name).stat().st_size for name in note["files"])
    (carried / "base").mkdir(parents=True)
    print(f"{_mib(tree_bytes)}  the tree, {len(note['files'])} files", flush=True)
    with zipfile.ZipFile(_wheel(PYBIND11)) as wheel:
        wheel.extractall(carried / "base", [name for name in wheel.namelist() if name.startswith("pybind11/")])
    (carried / COMMIT_FILE).write_text(json.dumps(note))
    base_bytes = tree_bytes + _size(carried / "base")
    print(f"{_mib(_size(carried / 'base'))}  {carried.name}/base: the commit, pybind11", flush=True)
    for name, fill in (("onnxruntime-cuda", _fill_onnxruntime), ("rtx", _fill_rtx)):
        path = carried / f"{name}.tar.xz"
        try:
            about, size = _archive(path, fill, _PRESETS[name], MOST_BYTES - base_bytes)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            print(f"      -    {carried.name}/{path.name}: left out, {error}", flush=True)
            continue
        in_all = _mib(base_bytes + size).strip()
        print(f"{_mib(size)}  {carried.name}/{path.name}: {about}; {in_all} with tree and base", flush=True)


def _archive(path: Path, fill: Callable[[Path], str], preset: int, most_bytes: int) -> tuple[str, int]:
    """Pack what ``fill`` puts into a folder; return what it says of it, and the size.

    Equal files give equal archives, the largest first: what differs between runs, an engine, shifts nothing before it.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        about = fill(folder)
        file = ChunkedXz(path, _cache() / "xz", preset, most_bytes)
        with tarfile.open(fileobj=cast(BinaryIO, file), mode="w|") as packed:
            for each in sorted(_files(folder), key=lambda each: (-each.stat().st_size, each)):
                member = packed.gettarinfo(each, str(each.relative_to(folder)))
                member.mtime = 0
                with each.open("rb") as content:
                    packed.addfile(member, content)
        return about, file.close()


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
    wheels = _cache() / "wheels"
    name, _, version = requirement.partition("==")
    tags = ("-py3-none", f"-cp{PYTHON.replace('.', '')}-")

    def found() -> list[Path]:
        paths = wheels.glob(f"{name.replace('-', '_')}-{version}-*.whl")
        return [path for path in paths if any(tag in path.name for tag in tags)]

    if not found():
        wheels.mkdir(parents=True, exist_ok=True)
        platforms = [word for platform in _PLATFORMS for word in ("--platform", platform)]
        options = ["--no-deps", "--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp", *platforms]
        with tempfile.TemporaryDirectory(dir=wheels) as half:
            command = [sys.executable, "-m", "pip", "download", "-q", "-d", half, *options, requirement]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            for path in Path(half).glob("*.whl"):
                path.replace(wheels / path.name)
    return found()[0]


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "hpe_edge"


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in _files(folder))


def _mib(size: int) -> str:
    return f"{size / (1 << 20):6.1f} MiB"
