"""Probes of the computer itself: processor, hpe_edge's compiled module, display."""

from __future__ import annotations

import re

from hpe_edge.doctor.finding import Finding
from hpe_edge.doctor.machine import Machine


def probe_processor(machine: Machine) -> Finding:
    """The processor, and how many cores of it may be used."""
    system = machine.system()
    name = re.search(r"^model name\s*:\s*(.+)$", machine.read("/proc/cpuinfo") or "", re.MULTILINE)
    model = name.group(1).strip() if name else ""
    cores = system["cores"]
    text = f"{model or system['machine']}, {cores} {'core' if cores == 1 else 'cores'}"
    return Finding("found", text, {"model": model, "machine": system["machine"], "cores": cores})


def probe_native(machine: Machine) -> Finding:
    """hpe_edge's compiled module, with the instruction sets that it uses here."""
    tried = machine.trial("native_module")
    if "problem" in tried:
        return Finding("broken", f"hpe_edge's compiled module does not load: {tried['problem']}")
    cuda = tried["cuda"]
    built = f"built with CUDA {cuda // 1000}.{cuda % 1000 // 10}" if cuda else "built without CUDA"
    facts = {"isa": tried["isa"], "cuda_runtime": cuda, "no_gpu": tried["no_gpu"]}
    return Finding("found", f"{', '.join(tried['isa'])}; {built}", facts)


def probe_display(machine: Machine) -> Finding:
    """A display that windows could open on."""
    for name in ("WAYLAND_DISPLAY", "DISPLAY"):
        value = machine.variable(name)
        if value:
            return Finding("found", f"{name}={value}", {"variable": name, "value": value})
    return Finding("missing", "none: neither DISPLAY nor WAYLAND_DISPLAY is set")
