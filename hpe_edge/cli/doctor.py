"""Command doctor: check of the installation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hpe_edge.doctor.report import examine
from hpe_edge.util.console import show
from hpe_edge.util.shell import CommandParser

_DESCRIPTION = """\
Check the installation: list the hardware and packages of this machine, the features of hpe_edge that work here, and
what to install for the others. The exit status is always 0.
"""


@dataclass(frozen=True)
class DoctorOptions:
    """Arguments of ``hpe-edge doctor``.

    Attributes:
        json: print JSON instead of text.
    """

    json: bool


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge doctor``; returns the exit status."""
    parser = CommandParser(prog="hpe-edge doctor", description=_DESCRIPTION)
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor(DoctorOptions(**vars(parser.parse_args(argv))))
    return 0


def doctor(options: DoctorOptions) -> None:
    """Examine this machine and print the findings."""
    findings = examine()
    show(findings.to_json() if options.json else findings.to_text())
