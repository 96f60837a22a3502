"""Probe of ONNX Runtime: which package, which providers, and whether they start."""

from __future__ import annotations

import re
from typing import Any

from hpe_edge.doctor.finding import Finding
from hpe_edge.doctor.machine import Machine
from hpe_edge.doctor.system_packages import listed, named

# Packages that all hold the module onnxruntime. What is installed last overwrites the others' files.
_FLAVOURS = r"onnxruntime(-(gpu|openvino|directml|qnn|training|training-gpu|cann|rocm|migraphx|silicon|azure))?"


def probe_onnx_runtime(machine: Machine, gpu: Finding) -> Finding:
    """ONNX Runtime, with a run of one node on every provider that hpe_edge can use.

    Facts: ``packages``; ``version``; ``providers`` that it was built with; ``cuda`` and ``tensorrt``: ``works`` and
    ``problem`` of that provider, None where it was not tried: without a GPU it cannot start.
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
        return Finding("broken", f"{listed(packages)} does not run: {problem_of(tried)}", facts)
    if gpu.found:
        facts["cuda"] = _attempt(machine, "CUDAExecutionProvider", facts["providers"])
        if facts["cuda"]["works"]:
            facts["tensorrt"] = _attempt(machine, "TensorrtExecutionProvider", facts["providers"])
    names = [name.removesuffix("ExecutionProvider") for name in facts["providers"]]
    text = f"{listed(packages) or facts['version']}, with {', '.join(names)}"
    if len(packages) > 1:
        text += f"; {len(packages)} packages overwrite each other's files"
    return Finding("found", text, facts)


def _attempt(machine: Machine, provider: str, built_in: list[str]) -> dict[str, Any]:
    if provider not in built_in:
        return {"works": False, "problem": f"this package was built without {provider}"}
    tried = machine.trial("onnx_session", provider)
    works = bool(tried.get("works"))
    return {"works": works, "problem": "" if works else problem_of(tried)}


def problem_of(tried: dict[str, Any]) -> str:
    """Why a trial failed, in a line. The useful word is often only in what the libraries printed."""
    stderr = tried.get("stderr", "")
    lost = list(dict.fromkeys(re.findall(r"(lib[\w.+-]+): cannot open shared object file", stderr)))
    needs = re.search(r"Require (cuDNN [\w.*]+ and CUDA [\w.]*[\w*])", stderr)
    parts = [f"it cannot find {', '.join(lost)}"] if lost else []
    parts += [f"it needs {needs.group(1)}"] if needs else []
    return "; ".join(parts) or " ".join(str(tried.get("problem", "no reason given")).split())[:300]
