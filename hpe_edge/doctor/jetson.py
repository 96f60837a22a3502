"""Probe of a Jetson: module, JetPack, power mode."""

from __future__ import annotations

import re

from hpe_edge.doctor.finding import Finding
from hpe_edge.doctor.machine import Machine
from hpe_edge.doctor.system_packages import debian_version

# Jetson Linux (L4T) by its first number to JetPack's, from NVIDIA's archive of JetPack releases
_JETPACK_OF_L4T = {"32": "4", "34": "5", "35": "5", "36": "6", "38": "7", "39": "7"}


def probe_jetson(machine: Machine) -> Finding:
    """Whether this is a Jetson, and how it is set up.

    Facts: ``model``, ``l4t`` (36.4.3), ``jetpack`` (6.2.1+b38, or only its first number where the package
    nvidia-jetpack is not installed), ``power_mode``; empty where unknown.
    """
    release = machine.read("/etc/nv_tegra_release") or ""
    model = (machine.read("/proc/device-tree/model") or "").strip("\0 \n")
    if not release and "jetson" not in model.lower():
        return Finding("missing", "no, this is another kind of machine")
    found = re.search(r"R(\d+) \(release\), REVISION: ([\d.]+)", release)
    l4t = f"{found.group(1)}.{found.group(2)}" if found else ""
    jetpack = debian_version(machine, "nvidia-jetpack")
    said = f"JetPack {jetpack}"
    if not jetpack:
        jetpack = _JETPACK_OF_L4T.get(found.group(1), "") if found else ""
        said = f"JetPack {jetpack}, going by L4T" if jetpack else "JetPack unknown"
    mode = _power_mode(machine)
    parts = [model or "Jetson", said, f"L4T {l4t}" if l4t else "L4T unknown"]
    parts.append(f"power mode {mode} (others: nvpmodel -p --verbose)" if mode else "power mode unknown")
    return Finding("found", ", ".join(parts), {"model": model, "l4t": l4t, "jetpack": jetpack, "power_mode": mode})


def _power_mode(machine: Machine) -> str:
    answer = machine.run("nvpmodel", "-q")
    found = re.search(r"NV Power Mode:\s*(\S+)", answer.text) if answer else None
    return found.group(1) if found else ""
