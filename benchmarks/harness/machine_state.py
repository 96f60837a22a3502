"""What may spoil a run: other programs on the machine, heat, and clocks that are held down.

The state is taken before the first case, after each one, while the machine is still as warm and its clocks as high as
the case left them, and at the end. Between those nothing runs beside the benchmark.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hpe_edge.doctor.machine import Machine, ThisMachine

State = dict[str, Any]

BUSY_LOAD = 0.5  # load average over the cores, at the start
BUSY_PERCENT = 10.0  # of all processor time, for other programs or the hypervisor, while it ran
PINNED_SLACK = 0.97  # a clock whose minimum is its maximum reads a little less than that at times

_COOLING_BY_SLOWING = re.compile(r"cpufreq|devfreq|throttle|^Processor$")  # the others are fans and alarms
_GPU_FIELDS = ("name", "temperature.gpu", "clocks.sm", "clocks.max.sm", "clocks_throttle_reasons.active")
# Bits of NVML's nvmlClocksThrottleReasons that say that a clock is held down; idling and settings of the user do not.
_GPU_REASONS = {0x4: "power cap", 0x8: "slowdown", 0x20: "heat", 0x40: "heat", 0x80: "power brake"}


class Watch:
    """Takes states in the course of a run and draws the conclusions."""

    def __init__(self, root: Path = Path("/"), machine: Machine | None = None) -> None:
        """Take the first state.

        Args:
            root: the folder in which ``sys`` and ``proc`` lie.
            machine: answers commands; None for this one.
        """
        self._root, self._machine = root, machine or ThisMachine()
        self._cores = int(self._machine.system()["cores"] or 1)
        self.states = [machine_state(root, self._machine)]
        self._times = [_processor_seconds(root)]

    def look(self) -> None:
        """Take a state; right after a case."""
        self.states.append(machine_state(self._root, self._machine))
        self._times.append(_processor_seconds(self._root))

    def conditions(self) -> dict[str, Any]:
        """The first state, the last, how hot it became, and who else had the processor; for JSON."""
        hottest: dict[str, float] = {}
        for state in self.states:
            for zone, found in state["temperatures"].items():
                hottest[zone] = max(hottest.get(zone, -273.0), found["celsius"])
        return {
            "before": self.states[0],
            "after": self.states[-1],
            "hottest_celsius": hottest,
            **_shares(self._times[0], self._times[-1]),
        }

    def warnings(self) -> list[str]:
        """Why figures may be worse than the machine allows, each in a sentence."""
        return [*busy_at_start(self.states[0], self._cores), *busy_meanwhile(self.conditions()), *held(self.states)]


def machine_state(root: Path = Path("/"), machine: Machine | None = None) -> State:
    """Plain data for JSON; empty where this system does not tell."""
    return {
        "load_average": _load_average(root),
        "temperatures": _temperatures(root / "sys/class/thermal"),
        "clocks": _clocks(root / "sys"),
        "slowed_by": _cooling(root / "sys/class/thermal"),
        "throttle_counts": _throttle_counts(root / "sys"),
        "gpus": _gpus(machine or ThisMachine()),
    }


def busy_at_start(state: State, cores: int) -> list[str]:
    """A warning where others were at work already."""
    load = state["load_average"]
    if not load or load[0] <= BUSY_LOAD * cores:
        return []
    return [f"the machine was busy at the start: load average {load[0]:.2f} on {cores} cores"]


def busy_meanwhile(conditions: Mapping[str, Any]) -> list[str]:
    """A warning where others took processor time while the cases ran."""
    who = {"other_programs_percent": "other programs", "steal_percent": "other machines on this host"}
    return [
        f"{name} took {conditions[key]:.0f} % of the processor time while this ran"
        for key, name in who.items()
        if conditions[key] is not None and conditions[key] > BUSY_PERCENT
    ]


def held(states: Sequence[State]) -> list[str]:
    """Warnings where the machine throttles: each sign once, whenever it was seen.

    A clock that follows the load says nothing by itself. These do: heat at a zone's passive trip point; a cooling
    device that slows; a counter of throttling that went up; a clock's limit that went down; a clock fixed by equal
    limits that runs below them; a GPU that names a reason.
    """
    found: dict[str, str] = {}  # by what it is about
    first = states[0]
    for state in states:
        for zone, heat in state["temperatures"].items():
            passive = heat["passive_celsius"]
            if passive is not None and heat["celsius"] >= passive:
                found.setdefault(zone, f"{zone} is at {heat['celsius']:.0f} °C, its limit is {passive:.0f} °C")
        for name, level in state["slowed_by"].items():
            if level > 0:
                found.setdefault(name, f"{name} is held down by heat (cooling state {level})")
        for name, count in state["throttle_counts"].items():
            if count > first["throttle_counts"].get(name, count):
                found.setdefault(name, f"{name} went up: the machine was throttled while this ran")
        for name, clock in state["clocks"].items():
            before = first["clocks"].get(name, clock)["max_mhz"]
            if clock["max_mhz"] < before:
                found.setdefault(name, f"{name} was limited to {clock['max_mhz']:g} of {before:g} MHz")
            elif _fixed(clock) and clock["is_cpu"] and clock["current_mhz"] < PINNED_SLACK * clock["max_mhz"]:
                slow = f"{name} is fixed at {clock['max_mhz']:g} MHz but runs at {clock['current_mhz']:g} MHz"
                found.setdefault(name, slow)
        for number, gpu in enumerate(state["gpus"]):
            why = {reason for bit, reason in _GPU_REASONS.items() if gpu["throttle_reasons"] & bit}
            if why:
                found.setdefault(f"gpu {number}", f"GPU {number} ({gpu['name']}) is slowed by {', '.join(sorted(why))}")
    return [f"throttling: {said}" for said in found.values()]


def _fixed(clock: Mapping[str, Any]) -> bool:
    return bool(clock["min_mhz"] == clock["max_mhz"])  # as jetson_clocks leaves it


def _load_average(root: Path) -> list[float]:
    return [float(value) for value in _text(root / "proc/loadavg").split()[:3]]


def _temperatures(thermal: Path) -> dict[str, dict[str, float | None]]:
    found: dict[str, dict[str, float | None]] = {}
    for zone in sorted(thermal.glob("thermal_zone*")):
        millidegrees = _number(zone / "temp")  # a powered-down part's zone does not answer
        if millidegrees is None:
            continue
        trips = [
            value
            for file in zone.glob("trip_point_*_type")
            if _text(file) == "passive"
            and (value := _number(file.with_name(file.name.replace("_type", "_temp")))) is not None
            and value > 0  # not in use
        ]
        name = _unused(found, _text(zone / "type") or zone.name)
        found[name] = {"celsius": millidegrees / 1000, "passive_celsius": min(trips) / 1000 if trips else None}
    return found


def _clocks(sys: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for folder in sorted((sys / "devices/system/cpu/cpufreq").glob("policy*")):
        files = ("scaling_cur_freq", "scaling_min_freq", "scaling_max_freq", "cpuinfo_max_freq")  # kHz
        values = [_number(folder / name) for name in files]
        _add_clock(found, f"cpu {folder.name}", values, 1e-3, _text(folder / "scaling_governor"), is_cpu=True)
    for folder in sorted((sys / "class/devfreq").glob("*")):
        values = [_number(folder / name) for name in ("cur_freq", "min_freq", "max_freq")]  # Hz
        rates = [float(rate) for rate in _text(folder / "available_frequencies").split()]
        _add_clock(found, folder.name, [*values, max(rates, default=None)], 1e-6, _text(folder / "governor"))
    return found


def _add_clock(
    clocks: dict[str, dict[str, Any]],
    name: str,
    values: Sequence[float | None],
    to_mhz: float,
    governor: str,
    is_cpu: bool = False,
) -> None:
    mhz = [None if value is None else round(value * to_mhz, 3) for value in values]
    current, low, high, hardware = mhz
    if current is not None and low is not None and high is not None:
        clocks[name] = {
            "current_mhz": current,
            "min_mhz": low,
            "max_mhz": high,
            "hardware_max_mhz": hardware,
            "governor": governor,
            "is_cpu": is_cpu,
        }


def _cooling(thermal: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for device in sorted(thermal.glob("cooling_device*")):
        kind, level = _text(device / "type"), _number(device / "cur_state")
        if _COOLING_BY_SLOWING.search(kind) and level is not None:
            found[_unused(found, kind)] = level
    return found


def _throttle_counts(sys: Path) -> dict[str, float]:
    """Events since the start of the system: a Jetson's over-current and low voltage, an x86 processor's heat."""
    found: dict[str, float] = {}
    for file in sorted((sys / "class/hwmon").glob("hwmon*/oc*_event_cnt")):
        found[file.name] = _number(file) or 0.0
    for kind in ("core", "package"):
        files = (sys / "devices/system/cpu").glob(f"cpu[0-9]*/thermal_throttle/{kind}_throttle_count")
        counts = [value for file in files if (value := _number(file)) is not None]
        if counts:
            found[f"{kind}_throttle_count"] = max(counts)
    return found


def _gpus(machine: Machine) -> list[dict[str, Any]]:
    answer = machine.run("nvidia-smi", f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits")
    if answer is None or answer.status != 0:
        return []
    found = []
    for line in answer.text.splitlines():
        name, *rest = (part.strip() for part in line.split(","))
        try:
            celsius, mhz, most = (float(value) for value in rest[:3])
            found.append(
                {
                    "name": name,
                    "celsius": celsius,
                    "current_mhz": mhz,
                    "max_mhz": most,
                    "throttle_reasons": int(rest[3], 16),
                }
            )
        except (ValueError, IndexError):  # a Jetson's nvidia-smi says [N/A]
            continue
    return found


def _processor_seconds(root: Path) -> dict[str, float] | None:
    """Since the start: all processors' time, what was idle and stolen of it, and this process's own."""
    line = _text(root / "proc/stat").partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    ticks = os.sysconf("SC_CLK_TCK")
    user, nice, system, idle, waiting, interrupts, soft, steal = (int(value) / ticks for value in line[1:9])
    own = os.times()
    return {
        "all": user + nice + system + idle + waiting + interrupts + soft + steal,
        "idle": idle + waiting,
        "steal": steal,
        "own": own.user + own.system + own.children_user + own.children_system,
    }


def _shares(start: Mapping[str, float] | None, end: Mapping[str, float] | None) -> dict[str, float | None]:
    """Of the time of all processors, in percent."""
    if start is None or end is None or end["all"] <= start["all"]:
        return {"other_programs_percent": None, "steal_percent": None}
    spent = {name: end[name] - start[name] for name in start}
    others = max(spent["all"] - spent["idle"] - spent["steal"] - spent["own"], 0.0)
    return {
        "other_programs_percent": round(100 * others / spent["all"], 1),
        "steal_percent": round(100 * spent["steal"] / spent["all"], 1),
    }


def _unused(names: Mapping[str, Any], name: str) -> str:
    """The name, numbered where it is taken."""
    return name if name not in names else f"{name} {sum(other.startswith(name) for other in names) + 1}"


def _text(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(file: Path) -> float | None:
    try:
        return float(_text(file))
    except ValueError:
        return None
