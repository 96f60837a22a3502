"""Probe of OpenVINO: which version, and which devices it finds and can run on."""

from __future__ import annotations

from hpe_edge.doctor.finding import Finding
from hpe_edge.doctor.machine import Machine
from hpe_edge.doctor.onnx_runtime import problem_of
from hpe_edge.doctor.system_packages import listed, named


def probe_openvino(machine: Machine) -> Finding:
    """OpenVINO, with a run of one node on every device that it finds.

    Facts: ``packages``; ``version``; ``devices`` as the trial openvino_session gives them. A device that does not work
    is named in the text; the CPU has to.
    """
    packages = named(machine.packages(), "openvino")
    tried = machine.trial("openvino_session")
    if "absent" in tried:
        return Finding("missing", "none", {"packages": packages})
    devices = tried.get("devices", {})
    facts = {"packages": packages, "version": tried.get("version", ""), "devices": devices}
    cpu = devices.get("CPU", {"problem": problem_of(tried)})
    if cpu["problem"]:
        return Finding("broken", f"{listed(packages) or 'openvino'} does not run: {cpu['problem']}", facts)
    said = [
        f"{device} does not work: {each['problem']}"
        if each["problem"]
        else f"{device} ({', '.join(each['precisions'])})"
        for device, each in devices.items()
    ]
    return Finding("found", f"{listed(packages) or facts['version']}, on {'; '.join(said)}", facts)
