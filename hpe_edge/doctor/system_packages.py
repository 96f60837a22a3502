"""What Debian's packages and the dynamic loader know of a library."""

from __future__ import annotations

import re

from hpe_edge.doctor.machine import Machine


def debian_version(machine: Machine, package: str) -> str:
    """The version of an installed Debian package; empty where it is not installed."""
    answer = machine.run("dpkg-query", "-W", "-f", "${db:Status-Status} ${Version}", package)
    state, _, version = answer.text.partition(" ") if answer and answer.status == 0 else ("", "", "")
    return version.strip() if state == "installed" else ""


def library_majors(machine: Machine, name: str) -> list[int]:
    """The first version numbers under which the loader knows a library: [8] for libcudnn.so.8."""
    answer = machine.run("ldconfig", "-p") or machine.run("/sbin/ldconfig", "-p")  # sbin is not in every PATH
    listed = answer.text if answer else ""
    return sorted({int(major) for major in re.findall(rf"^\s*{re.escape(name)}\.so\.(\d+)\b", listed, re.MULTILINE)})


def named(packages: dict[str, str], pattern: str) -> dict[str, str]:
    """Python packages whose whole name matches."""
    return {name: version for name, version in sorted(packages.items()) if re.fullmatch(pattern, name)}


def listed(packages: dict[str, str]) -> str:
    """Packages with their versions, in words."""
    return ", ".join(f"{name} {version}" for name, version in packages.items())
