"""Missing requirements of a feature, with the steps to solve them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hpe_edge.doctor.machine import Finding

Findings = dict[str, Finding]

SYSTEM_PACKAGES = "make the environment with `python3 -m venv --system-site-packages`, so that it sees the system's"


@dataclass(frozen=True)
class Lack:
    """Missing requirement of a feature.

    Attributes:
        why: the problem.
        todo: steps to solve it, in order; empty if there are none.
    """

    why: str
    todo: tuple[str, ...] = ()


def facts_of(has: Findings, name: str) -> dict[str, Any]:
    """Return the facts of a finding."""
    return has[name].facts


def native_lacks(has: Findings) -> list[Lack]:
    """Return why hpe_edge's compiled module does not load."""
    return [] if has["native"].found else [Lack(has["native"].text)]


def uninstall(finding: Finding) -> tuple[str, ...]:
    """Return the step that removes the packages of a finding; none if pip installed none."""
    packages = finding.facts.get("packages", {})
    return (f"pip uninstall -y {' '.join(packages)}",) if packages else ()
