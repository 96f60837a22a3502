"""Probes of Python packages: ONNX Runtime, OpenVINO, OpenCV, the export tools, the web server."""

from __future__ import annotations

import re
from typing import Any

from hpe_edge.cuda.version_table import onnx_runtime_needs
from hpe_edge.doctor.machine import Finding, Machine, listed, named

_EXPORT = ("torch", "onnx", "onnxsim", "safetensors", "h5py")

# Packages that contain the module onnxruntime. The last installed one overwrites the files of the others.
_FLAVOURS = r"onnxruntime(-(gpu|openvino|directml|qnn|training|training-gpu|cann|rocm|migraphx|silicon|azure))?"


def probe_onnx_runtime(machine: Machine, gpu: Finding) -> Finding:
    """Find ONNX Runtime; run one node on every provider that hpe_edge can use.

    Facts: ``packages``; ``version``; ``providers`` that it was built with; ``cuda`` and ``tensorrt``: ``works`` and
    ``problem`` of that provider, None if it was not tried for want of a GPU.
    """
    packages = named(machine.packages(), _FLAVOURS)
    tried = machine.trial("onnx_session", "CPUExecutionProvider")
    facts: dict[str, Any] = {
        "packages": packages,
        "version": tried.get("version", ""),
        "providers": tried.get("providers", []),
        "built_for_cuda": tried.get("cuda", ""),
        "cuda": None,
        "tensorrt": None,
    }
    if not tried.get("works"):
        if not packages:
            return Finding("missing", "none", facts)
        return Finding("broken", f"{listed(packages)} does not run: {_problem_of(tried)}", facts)
    if gpu.found:
        facts["cuda"] = _attempt(machine, "CUDAExecutionProvider", facts["providers"])
        if facts["cuda"]["works"]:
            facts["tensorrt"] = _attempt(machine, "TensorrtExecutionProvider", facts["providers"])
    names = [name.removesuffix("ExecutionProvider") for name in facts["providers"]]
    text = f"{listed(packages) or facts['version']}, with {', '.join(names)}"
    needs = onnx_runtime_needs(facts["version"]) if "onnxruntime-gpu" in packages else None
    if needs is not None and machine.system()["machine"] == "x86_64":  # others are not PyPI's
        text += f"; needs CUDA {needs.cuda}, cuDNN {needs.cudnn}, TensorRT {needs.tensorrt_range}"
    if len(packages) > 1:
        text += f"; {len(packages)} packages overwrite each other's files"
    return Finding("found", text, facts)


def _attempt(machine: Machine, provider: str, built_in: list[str]) -> dict[str, Any]:
    if provider not in built_in:
        return {"works": False, "problem": f"this package was built without {provider}"}
    tried = machine.trial("onnx_session", provider)
    works = bool(tried.get("works"))
    return {"works": works, "problem": "" if works else _problem_of(tried)}


def _problem_of(tried: dict[str, Any]) -> str:
    """Return the reason of a failed trial in one line; often only the libraries' output holds it."""
    stderr = tried.get("stderr", "")
    lost = list(dict.fromkeys(re.findall(r"(lib[\w.+-]+): cannot open shared object file", stderr)))
    needs = re.search(r"Require (cuDNN [\w.*]+ and CUDA [\w.]*[\w*])", stderr)
    parts = [f"it cannot find {', '.join(lost)}"] if lost else []
    parts += [f"it needs {needs.group(1)}"] if needs else []
    return "; ".join(parts) or " ".join(str(tried.get("problem", "no reason given")).split())[:300]


def probe_openvino(machine: Machine) -> Finding:
    """Find OpenVINO; run one node on every device.

    Facts: ``packages``; ``version``; ``devices``, see the trial openvino_session. The text names devices that do not
    work; the CPU must.
    """
    packages = named(machine.packages(), "openvino")
    tried = machine.trial("openvino_session")
    if "absent" in tried:
        return Finding("missing", "none", {"packages": packages})
    devices = tried.get("devices", {})
    facts = {"packages": packages, "version": tried.get("version", ""), "devices": devices}
    cpu = devices.get("CPU", {"problem": _problem_of(tried)})
    if cpu["problem"]:
        return Finding("broken", f"{listed(packages) or 'openvino'} does not run: {cpu['problem']}", facts)
    devices_text = [
        f"{device} does not work: {each['problem']}"
        if each["problem"]
        else f"{device} ({', '.join(each['precisions'])})"
        for device, each in devices.items()
    ]
    return Finding("found", f"{listed(packages) or facts['version']}, on {'; '.join(devices_text)}", facts)


def probe_export(machine: Machine) -> Finding:
    """Find the packages for converting checkpoints.

    Facts: ``python``: installed ones; ``absent``: names of the others.
    """
    packages = machine.packages()
    there = {name: packages[name] for name in _EXPORT if name in packages}
    absent = [name for name in _EXPORT if name not in packages]
    facts = {"python": there, "absent": absent}
    if absent:
        return Finding("missing", f"{', '.join(absent)} missing" + (f"; {listed(there)}" if there else ""), facts)
    return Finding("found", listed(there), facts)


def probe_web(machine: Machine) -> Finding:
    """Find the web server of the live page."""
    python = named(machine.packages(), "aiohttp")
    return Finding("found" if python else "missing", listed(python) or "none", {"python": python})


def probe_opencv(machine: Machine) -> Finding:
    """Import OpenCV; report its version and build options.

    Facts: see the trial opencv_build; and ``packages``.
    """
    packages = named(machine.packages(), r"opencv(-contrib)?-python(-headless)?")
    tried = machine.trial("opencv_build")
    if "absent" in tried:
        return Finding("missing", "none", {"packages": packages})
    if "problem" in tried:
        return Finding("broken", f"cannot be imported: {tried['problem']}", {"packages": packages})
    facts = {**{name: value for name, value in tried.items() if name != "stderr"}, "packages": packages}
    has = [f"windows by {facts['gui']}" if facts["gui"] else "no windows"]
    has += ["with GStreamer" if facts["gstreamer"] else "without GStreamer"]
    has += [] if facts["ffmpeg"] else ["without FFmpeg"]
    text = f"{facts['version']}, {', '.join(has)}"
    if len(packages) > 1:
        text += f"; {len(packages)} packages overwrite each other's files ({listed(packages)})"
    return Finding("found", text, facts)
