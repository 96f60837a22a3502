"""Probes of NVIDIA's GPU, driver and software: CUDA, cuDNN, TensorRT, cuda-python."""

from __future__ import annotations

import re
from typing import Any

from hpe_edge.doctor.machine import Finding, Machine, debian_version, library_majors, listed, named

_NO_DEVICE = "CUDA_ERROR_NO_DEVICE"
_FIRST_AID = {
    "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH": "the driver was updated, or a container has another one: restart the "
    "machine, or the container with the host's driver",
    "CUDA_ERROR_STUB_LIBRARY": "the toolkit's stub hides the driver's libcuda.so.1: remove the folder that ends in "
    "stubs from LD_LIBRARY_PATH",
    "CUDA_ERROR_SYSTEM_NOT_READY": "start NVIDIA's services (on machines with NVSwitch: nvidia-fabricmanager)",
    "CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE": "CUDA's compatibility package hides the driver: remove "
    "its folder (compat) from LD_LIBRARY_PATH, or update the driver",
    "CUDA_ERROR_OPERATING_SYSTEM": "check that you may read /dev/nvidia* (Jetson: join the group video), or try "
    "`sudo nvidia-modprobe -u`",
}
_OTHER_AID = "restart the machine; if that does not help, install the driver again"
_INSTALL_DRIVER = "install NVIDIA's driver (Ubuntu: `sudo ubuntu-drivers install`), then restart"
_CONTAINER = "in a container: start it with --gpus all (or --runtime nvidia on a Jetson)"


def probe_gpu(machine: Machine) -> Finding:
    """Find NVIDIA's GPUs through the driver.

    Facts: ``driver``, its version; ``devices`` and ``cuda``, see the trial cuda_driver; ``todo``: advice if
    something is wrong.
    """
    driver = _driver_version(machine)
    tried = machine.trial("cuda_driver")
    if "absent" in tried:
        return _without_library(machine, driver)
    facts: dict[str, Any] = {"driver": driver, "devices": tried.get("devices", []), "cuda": tried.get("cuda", "")}
    named = f"driver {driver}" if driver else "the driver"
    if "problem" in tried and tried.get("name") != _NO_DEVICE:
        aid = _FIRST_AID.get(tried.get("name", ""), _OTHER_AID)
        return Finding("broken", f"{named} does not start: {tried['problem']}", {**facts, "todo": [aid]})
    if not facts["devices"]:
        hidden = machine.variable("CUDA_VISIBLE_DEVICES")
        why = f"; CUDA_VISIBLE_DEVICES is {hidden!r}" if hidden else ""
        todo = ["unset CUDA_VISIBLE_DEVICES" if hidden else _CONTAINER]
        return Finding("missing", f"{named} lists no GPU{why}", {**facts, "todo": todo})
    devices = ", ".join(_device_text(device) for device in facts["devices"])
    return Finding("found", f"{devices}; {named}, which supports CUDA up to {facts['cuda']}", facts)


def _without_library(machine: Machine, driver: str) -> Finding:
    if driver:
        text = f"driver {driver} runs, but its library libcuda.so.1 is not found"
        return Finding("broken", text, {"driver": driver, "devices": [], "todo": [_CONTAINER, _INSTALL_DRIVER]})
    pci = machine.run("lspci")
    cards = [line for line in (pci.text if pci else "").splitlines() if "NVIDIA" in line and _is_display(line)]
    if cards:
        card = cards[0].partition(": ")[2]
        text = f"{card} is installed, but no driver"
        return Finding("broken", text, {"driver": "", "devices": [], "todo": [_INSTALL_DRIVER]})
    return Finding("missing", "no NVIDIA GPU, or no driver for it", {"driver": "", "devices": [], "todo": []})


def _is_display(line: str) -> bool:
    return any(kind in line for kind in ("VGA compatible", "3D controller", "Display controller"))


def _driver_version(machine: Machine) -> str:
    version = machine.read("/proc/driver/nvidia/version") or ""
    found = re.search(r"Kernel Module(?: for \S+)?\s+(\d[\d.]*)", version)
    if found:
        return found.group(1)
    answer = machine.run("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader")
    first = answer.text.strip().splitlines()[:1] if answer and answer.status == 0 else []
    return first[0].strip() if first and re.fullmatch(r"\d[\d.]*", first[0].strip()) else ""


def _device_text(device: dict[str, Any]) -> str:
    memory = "shares the host's memory" if device["integrated"] else f"{device['memory_mb'] / 1024:.0f} GB"
    return f"{device['name']} (compute capability {device['capability']}, {memory})"


def probe_cuda(machine: Machine) -> Finding:
    """Find CUDA's runtime and compiler, which do not need a GPU."""
    python = named(machine.packages(), r"nvidia-cuda-runtime(-cu\d+)?")
    majors = library_majors(machine, "libcudart")
    answer = machine.run("nvcc", "--version") or machine.run("/usr/local/cuda/bin/nvcc", "--version")
    release = re.search(r"release (\d+\.\d+)", answer.text) if answer else None
    compiler = release.group(1) if release else ""
    facts = {"python": python, "libraries": majors, "nvcc": compiler}
    parts = [f"libcudart.so.{major}" for major in majors]
    parts += [listed(python)] if python else []
    parts += [f"compiler nvcc {compiler}"] if compiler else []
    return Finding("found", ", ".join(parts), facts) if parts else Finding("missing", "none", facts)


def probe_cudnn(machine: Machine) -> Finding:
    """Find cuDNN, which ONNX Runtime's CUDA provider needs."""
    python = named(machine.packages(), r"nvidia-cudnn-cu\d+")
    majors = library_majors(machine, "libcudnn")
    facts = {"python": python, "libraries": majors}
    parts = [f"libcudnn.so.{major}" for major in majors] + ([listed(python)] if python else [])
    return Finding("found", ", ".join(parts), facts) if parts else Finding("missing", "none", facts)


def probe_tensorrt(machine: Machine) -> Finding:
    """Find TensorRT for Python, and its library, which ONNX Runtime's provider needs.

    An installed package is imported, but no object is created: they crash without a working driver.

    Facts: ``python``: packages; ``version`` of the Python package, empty without; ``libraries``: major versions of
    libnvinfer known to the loader; ``debian``: version of its Debian package.
    """
    python = named(machine.packages(), r"tensorrt(-cu\d+)?(-bindings|-libs)?")
    # The wheel tensorrt has no version of its own where only its parts are installed.
    version = next((python[name] for name in python if not name.endswith("-libs")), "")
    majors = library_majors(machine, "libnvinfer")
    debian = next((found for major in majors if (found := debian_version(machine, f"libnvinfer{major}"))), "")
    facts = {"python": python, "version": version, "libraries": majors, "debian": debian}
    if version:
        tried = machine.trial("tensorrt_import")
        if "problem" in tried:
            return Finding("broken", f"{version} for Python cannot be imported: {tried['problem']}", facts)
        return Finding("found", f"{version} for Python", facts)
    if majors:
        text = f"libnvinfer.so.{majors[-1]}{f' ({debian})' if debian else ''} is installed, but not for this Python"
        return Finding("broken", text, facts)
    return Finding("missing", "none", facts)


def probe_tensorrt_rtx(machine: Machine) -> Finding:
    """Find TensorRT-RTX for Python, which builds engines without a GPU.

    Facts: ``python``: packages; ``version``.
    """
    python = named(machine.packages(), r"tensorrt[-_]rtx([-_]cu\d+)?([-_]bindings|[-_]libs)?")
    if not python:
        return Finding("missing", "none", {"python": python, "version": ""})
    tried = machine.trial("tensorrt_rtx_import")
    if "problem" in tried:
        text = f"{listed(python)} cannot be imported: {tried['problem']}"
        return Finding("broken", text, {"python": python, "version": ""})
    return Finding("found", f"{tried['version']} for Python", {"python": python, "version": tried["version"]})


def probe_cuda_python(machine: Machine) -> Finding:
    """Find cuda-bindings, which hpe_edge uses for GPU memory and streams.

    Facts: ``python``: packages; ``version`` of cuda-bindings, or of the cuda-python that contains it.
    """
    python = named(machine.packages(), r"cuda-(python|bindings|core)")
    version = python.get("cuda-bindings") or python.get("cuda-python", "")
    if version:
        return Finding("found", listed(python), {"python": python, "version": version})
    return Finding("missing", "none", {"python": python, "version": ""})
