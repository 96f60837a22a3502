"""Probes of what NVIDIA's software builds on a driver: CUDA, cuDNN, TensorRT, cuda-python."""

from __future__ import annotations

import re

from hpe_edge.doctor.finding import Finding
from hpe_edge.doctor.machine import Machine
from hpe_edge.doctor.system_packages import debian_version, library_majors, listed, named


def probe_cuda(machine: Machine) -> Finding:
    """CUDA's runtime and compiler; neither says whether a GPU works."""
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
    """cuDNN, which ONNX Runtime's CUDA provider needs."""
    python = named(machine.packages(), r"nvidia-cudnn-cu\d+")
    majors = library_majors(machine, "libcudnn")
    facts = {"python": python, "libraries": majors}
    parts = [f"libcudnn.so.{major}" for major in majors] + ([listed(python)] if python else [])
    return Finding("found", ", ".join(parts), facts) if parts else Finding("missing", "none", facts)


def probe_tensorrt(machine: Machine) -> Finding:
    """TensorRT for Python, and its library, which ONNX Runtime's provider needs.

    It is imported where its package is there, but none of its objects is made: they crash where no driver works.

    Facts: ``python``: packages; ``version`` of the Python package, empty without; ``libraries``: first version numbers
    of libnvinfer that the loader finds; ``debian``: version of the Debian package that holds it.
    """
    python = named(machine.packages(), r"tensorrt(-cu\d+)?(-bindings|-libs)?")
    # The wheel tensorrt has no version of its own where only its parts are installed.
    version = next((python[name] for name in python if not name.endswith("-libs")), "")
    majors = library_majors(machine, "libnvinfer")
    debian = next((said for major in majors if (said := debian_version(machine, f"libnvinfer{major}"))), "")
    facts = {"python": python, "version": version, "libraries": majors, "debian": debian}
    if version:
        tried = machine.trial("tensorrt_import")
        if "problem" in tried:
            return Finding("broken", f"{version} for Python cannot be imported: {tried['problem']}", facts)
        return Finding("found", f"{version} for Python", facts)
    if majors:
        text = f"libnvinfer.so.{majors[-1]}{f' ({debian})' if debian else ''} is there, but not for this Python"
        return Finding("broken", text, facts)
    return Finding("missing", "none", facts)


def probe_cuda_python(machine: Machine) -> Finding:
    """cuda-python, through which hpe_edge reaches GPU memory and streams."""
    python = named(machine.packages(), r"cuda-(python|bindings|core)")
    if "cuda-bindings" in python or "cuda-python" in python:
        return Finding("found", listed(python), {"python": python})
    return Finding("missing", "none", {"python": python})
