"""Probes of the computer: processor, Python, hpe_edge's compiled module, display, face detectors, Jetson."""

from __future__ import annotations

import re

from hpe_edge.cuda.version_table import jetpack_of
from hpe_edge.doctor.machine import Finding, Machine, debian_version
from hpe_edge.models import FACE_DETECTOR

# Major version of Jetson Linux (L4T) -> of JetPack, from NVIDIA's archive of JetPack releases
_JETPACK_OF_L4T = {"32": "4", "34": "5", "35": "5", "36": "6", "38": "7", "39": "7"}


def probe_processor(machine: Machine) -> Finding:
    """Find the processor and its usable cores."""
    system = machine.system()
    name = re.search(r"^model name\s*:\s*(.+)$", machine.read("/proc/cpuinfo") or "", re.MULTILINE)
    model = name.group(1).strip() if name else ""
    cores = system["cores"]
    text = f"{model or system['machine']}, {cores} {'core' if cores == 1 else 'cores'}"
    return Finding("found", text, {"model": model, "machine": system["machine"], "cores": cores})


def probe_python(machine: Machine) -> Finding:
    """Find the version of Python, which packages are built for."""
    version = str(machine.system()["python"])
    return Finding("found", version, {"version": version})


def probe_native(machine: Machine) -> Finding:
    """Load hpe_edge's compiled module; report its instruction sets."""
    tried = machine.trial("native_module")
    if "problem" in tried:
        return Finding("broken", f"hpe_edge's compiled module does not load: {tried['problem']}")
    cuda = tried["cuda"]
    built = f"built with CUDA {cuda // 1000}.{cuda % 1000 // 10}" if cuda else "built without CUDA"
    facts = {"isa": tried["isa"], "cuda_runtime": cuda, "no_gpu": tried["no_gpu"]}
    return Finding("found", f"{', '.join(tried['isa'])}; {built}", facts)


def probe_display(machine: Machine) -> Finding:
    """Find a display for windows."""
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        value = machine.variable(name)
        if value:
            return Finding("found", f"{name}={value}", {"variable": name, "value": value})
    return Finding("missing", "none: neither DISPLAY nor WAYLAND_DISPLAY is set")


def probe_detectors(machine: Machine) -> Finding:
    """Find the face detectors that are fetched by name; found if all of them are in the cache."""
    detectors = machine.detectors()
    there = [name for name, cached in detectors.items() if cached]
    absent = [name for name, cached in detectors.items() if not cached]
    offline = machine.variable("HPE_EDGE_OFFLINE") not in ("", "0")
    parts = [f"{FACE_DETECTOR.stem} embedded", *([f"{', '.join(there)} in the cache"] if there else [])]
    if absent:
        how = "cannot be fetched: HPE_EDGE_OFFLINE is set" if offline else "not fetched yet"
        parts.append(f"{', '.join(absent)} {how}")
    return Finding("missing" if absent else "found", "; ".join(parts), {"cached": there, "absent": absent})


def probe_jetson(machine: Machine) -> Finding:
    """Find module, JetPack and power mode of a Jetson.

    Facts: ``model``, ``l4t`` (36.4.3), ``jetpack`` (6.2.1+b38, or only the major version if the package
    nvidia-jetpack is not installed), ``power_mode``; ``cuda``, ``tensorrt`` and ``python`` of that JetPack; empty where
    unknown.
    """
    release = machine.read("/etc/nv_tegra_release") or ""
    model = (machine.read("/proc/device-tree/model") or "").strip("\0 \n")
    if not release and "jetson" not in model.lower():
        return Finding("missing", "no Jetson")
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", release)
    l4t = f"{found.group(1)}.{found.group(2)}" if found else ""
    jetpack = debian_version(machine, "nvidia-jetpack")
    jetpack_text = f"JetPack {jetpack}"
    if not jetpack:
        jetpack = _JETPACK_OF_L4T.get(found.group(1), "") if found else ""
        jetpack_text = f"JetPack {jetpack}, from L4T" if jetpack else "JetPack unknown"
    mode = _power_mode(machine)
    parts = [model or "Jetson", jetpack_text, f"L4T {l4t}" if l4t else "L4T unknown"]
    row = jetpack_of(l4t)
    if row is not None:
        parts.append(f"made for CUDA {row.cuda}, TensorRT {row.tensorrt}, Python {row.python}")
    software = {name: getattr(row, name, "") for name in ("cuda", "tensorrt", "python")}
    parts.append(f"power mode {mode} (others: nvpmodel -p --verbose)" if mode else "power mode unknown")
    facts = {"model": model, "l4t": l4t, "jetpack": jetpack, "power_mode": mode, **software}
    return Finding("found", ", ".join(parts), facts)


def _power_mode(machine: Machine) -> str:
    answer = machine.run("nvpmodel", "-q")
    found = re.search(r"NV Power Mode:\s*(\S+)", answer.text) if answer else None
    return found.group(1) if found else ""
