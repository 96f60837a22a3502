"""The command doctor: looks at the machine and says what was found, for people or as JSON."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from hpe_edge.doctor.abilities import Ability, Lack, abilities
from hpe_edge.doctor.finding import Finding
from hpe_edge.doctor.look import Findings, look
from hpe_edge.doctor.machine import Machine, ThisMachine
from hpe_edge.util.console import show
from hpe_edge.version import __version__

FORMAT = 1  # of the JSON; rises when a field changes its meaning or goes
_WIDTH = 110
_LABELS = {
    "processor": "processor",
    "native": "compiled code",
    "jetson": "Jetson",
    "gpu": "NVIDIA GPU",
    "cuda": "CUDA",
    "cudnn": "cuDNN",
    "tensorrt": "TensorRT",
    "cuda_python": "cuda-python",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "opencv": "OpenCV",
    "display": "display",
    "export": "export tools",
    "web": "web server",
}


def doctor_command(as_json: bool) -> int:
    """Run the command; the exit status is 0 whatever was found."""
    machine = ThisMachine()
    has = look(machine)
    can = abilities(has)
    show(json.dumps(document(machine, has, can), indent=2) if as_json else describe(machine, has, can))
    return 0


def document(machine: Machine, has: Findings, can: list[Ability]) -> dict[str, Any]:
    """All of it for programs.

    Returns:
        ``format``; ``hpe_edge``, ``python``, ``system``, ``machine``; ``has``: by name ``status`` (found, missing or
        broken), ``text`` and ``facts``; ``can``: ``name``, ``use``, ``able`` and ``lacks`` with ``why`` and ``todo``.
    """
    system = machine.system()
    return {
        "format": FORMAT,
        "hpe_edge": __version__,
        **{name: system[name] for name in ("python", "system", "machine")},
        "has": {name: {"status": f.status, "text": f.text, "facts": f.facts} for name, f in has.items()},
        "can": [
            {
                "name": ability.name,
                "use": ability.use,
                "able": ability.able,
                "lacks": [{"why": lack.why, "todo": list(lack.todo)} for lack in ability.lacks],
            }
            for ability in can
        ],
    }


def describe(machine: Machine, has: Findings, can: list[Ability]) -> str:
    """All of it for people."""
    system = machine.system()
    lines = [f"hpe_edge {__version__}, Python {system['python']}, {system['system']} {system['machine']}", ""]
    lines.append("this machine has")
    for name, label in _LABELS.items():
        lines += _wrapped(f"  {label:<14}", _in_words(has[name]))
    lines += ["", "hpe_edge can"]
    said: set[Lack] = set()
    for ability in can:
        lines += _wrapped("  yes  " if ability.able else "  no   ", f"{ability.name}: {ability.use}")
        for lack in ability.lacks:
            lines += _wrapped("         because ", lack.why)
            for step in ("as above",) if lack in said and lack.todo else lack.todo:
                lines += _wrapped("         do:     ", step)
            said.add(lack)
    return "\n".join(lines)


def _in_words(finding: Finding) -> str:
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
