"""Examination of a machine: all probes and the resulting features, as text or JSON."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import Any

from hpe_edge.doctor.abilities import Ability, abilities
from hpe_edge.doctor.host import (
    probe_detectors,
    probe_display,
    probe_jetson,
    probe_native,
    probe_processor,
    probe_python,
)
from hpe_edge.doctor.lacks import Findings, Lack
from hpe_edge.doctor.machine import Finding, Machine, ThisMachine, guarded
from hpe_edge.doctor.nvidia import (
    probe_cuda,
    probe_cuda_python,
    probe_cudnn,
    probe_gpu,
    probe_tensorrt,
    probe_tensorrt_rtx,
)
from hpe_edge.doctor.python_packages import probe_export, probe_onnx_runtime, probe_opencv, probe_openvino, probe_web
from hpe_edge.version import __version__

FORMAT = 1  # of the JSON; rises when a field changes its meaning or goes
_WIDTH = 110
_LABELS = {
    "processor": "processor",
    "python": "Python",
    "native": "compiled code",
    "jetson": "Jetson",
    "gpu": "NVIDIA GPU",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "tensorrt": "TensorRT",
    "tensorrt_rtx": "TensorRT-RTX",
    "cuda_python": "cuda-python",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "opencv": "OpenCV",
    "display": "display",
    "export": "export tools",
    "web": "web server",
    "detectors": "detectors",
}


@dataclass(frozen=True)
class Examination:
    """Result of an examination.

    Attributes:
        system: see :meth:`hpe_edge.doctor.machine.Machine.system`.
        has: the findings by name.
        can: the features of hpe_edge.
    """

    system: dict[str, Any]
    has: Findings
    can: list[Ability]

    def to_json(self) -> str:
        """Return the examination as JSON for programs.

        ``format``; ``hpe_edge``, ``python``, ``system``, ``machine``; ``has``: by name ``status`` (found, missing or
        broken), ``text`` and ``facts``; ``can``: ``name``, ``use``, ``able`` and ``lacks`` with ``why`` and ``todo``.
        """
        document = {
            "format": FORMAT,
            "hpe_edge": __version__,
            **{name: self.system[name] for name in ("python", "system", "machine")},
            "has": {name: {"status": f.status, "text": f.text, "facts": f.facts} for name, f in self.has.items()},
            "can": [
                {
                    "name": ability.name,
                    "use": ability.use,
                    "able": ability.able,
                    "lacks": [{"why": lack.why, "todo": list(lack.todo)} for lack in ability.lacks],
                }
                for ability in self.can
            ],
        }
        return json.dumps(document, indent=2)

    def to_text(self) -> str:
        """Return the examination as text for people."""
        system = self.system
        lines = [f"hpe_edge {__version__}, Python {system['python']}, {system['system']} {system['machine']}", ""]
        lines.append("this machine has")
        for name, label in _LABELS.items():
            lines += _wrapped(f"  {label:<14}", _finding_text(self.has[name]))
        lines += ["", "hpe_edge can"]
        printed: set[Lack] = set()
        for ability in self.can:
            lines += _wrapped("  yes  " if ability.able else "  no   ", f"{ability.name}: {ability.use}")
            for lack in ability.lacks:
                lines += _wrapped("         because ", lack.why)
                for step in ("as above",) if lack in printed and lack.todo else lack.todo:
                    lines += _wrapped("         do:     ", step)
                printed.add(lack)
        return "\n".join(lines)


def examine(machine: Machine | None = None) -> Examination:
    """Run all probes.

    Args:
        machine: None for this one.
    """
    machine = machine or ThisMachine()
    has = look(machine)
    return Examination(machine.system(), has, abilities(has))


def look(machine: Machine) -> Findings:
    """Return all findings by name, in the order of the report."""
    gpu = guarded(probe_gpu, machine)
    return {
        "processor": guarded(probe_processor, machine),
        "python": guarded(probe_python, machine),
        "native": guarded(probe_native, machine),
        "jetson": guarded(probe_jetson, machine),
        "gpu": gpu,
        "cuda": guarded(probe_cuda, machine),
        "cudnn": guarded(probe_cudnn, machine),
        "tensorrt": guarded(probe_tensorrt, machine),
        "tensorrt_rtx": guarded(probe_tensorrt_rtx, machine),
        "cuda_python": guarded(probe_cuda_python, machine),
        "onnxruntime": guarded(probe_onnx_runtime, machine, gpu),
        "openvino": guarded(probe_openvino, machine),
        "opencv": guarded(probe_opencv, machine),
        "display": guarded(probe_display, machine),
        "export": guarded(probe_export, machine),
        "web": guarded(probe_web, machine),
        "detectors": guarded(probe_detectors, machine),
    }


def _finding_text(finding: Finding) -> str:
    return f"PROBLEM: {finding.text}" if finding.status == "broken" else finding.text


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=start,
        subsequent_indent=" " * len(start),
        break_long_words=False,
        break_on_hyphens=False,
    )
