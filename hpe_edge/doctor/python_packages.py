"""Probes of the Python packages that parts of hpe_edge need."""

from __future__ import annotations

from hpe_edge.doctor.finding import Finding
from hpe_edge.doctor.machine import Machine
from hpe_edge.doctor.system_packages import listed, named

_EXPORT = ("torch", "onnx", "onnxsim", "safetensors", "h5py")


def probe_export(machine: Machine) -> Finding:
    """The packages that converting checkpoints needs.

    Facts: ``python``: those that are there; ``absent``: names of the others.
    """
    packages = machine.packages()
    there = {name: packages[name] for name in _EXPORT if name in packages}
    absent = [name for name in _EXPORT if name not in packages]
    facts = {"python": there, "absent": absent}
    if absent:
        return Finding("missing", f"{', '.join(absent)} missing" + (f"; {listed(there)}" if there else ""), facts)
    return Finding("found", listed(there), facts)


def probe_web(machine: Machine) -> Finding:
    """The web server of the live page."""
    python = named(machine.packages(), "aiohttp")
    return Finding("found" if python else "missing", listed(python) or "none", {"python": python})


def probe_opencv(machine: Machine) -> Finding:
    """OpenCV: whether it can be imported, and what it was built with.

    Facts: those of the trial opencv_build, and ``packages``.
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
