"""State of the machine: load of other programs, temperatures and throttled clocks.

The state is read before the first case, right after each one, while the machine is still warm, and at the end. Nothing
runs beside the benchmark in between. Values that the system does not report are None or empty.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from hpe_edge.doctor.machine import Machine, ThisMachine

BUSY_LOAD = 0.5  # load average over the cores, at the start
BUSY_PERCENT = 10.0  # of all processor time, for other programs or the hypervisor, while it ran
PINNED_SLACK = 0.97  # a fixed clock may read a little less than its limit

_SLOWING_DEVICES = re.compile(r"cpufreq|devfreq|throttle|^Processor$")  # others are fans and alarms
_GPU_FIELDS = ("name", "temperature.gpu", "clocks.sm", "clocks.max.sm", "clocks_throttle_reasons.active")
# Bits of NVML's nvmlClocksThrottleReasons for throttling; others are idling and settings of the user.
_GPU_REASONS = {0x4: "power cap", 0x8: "slowdown", 0x20: "heat", 0x40: "heat", 0x80: "power brake"}
_OTHERS = {"other_programs_percent": "other programs", "steal_percent": "other machines on this host"}


class Temperature(TypedDict):
    """A thermal zone and its lowest passive trip point."""

    celsius: float
    passive_celsius: float | None


class Clock(TypedDict):
    """A processor's or another device's clock and its limits."""

    current_mhz: float
    min_mhz: float
    max_mhz: float
    hardware_max_mhz: float | None
    governor: str
    is_cpu: bool


class GpuState(TypedDict):
    """NVIDIA GPU; ``throttle_reasons`` are the bits of NVML's nvmlClocksThrottleReasons."""

    name: str
    celsius: float
    current_mhz: float
    max_mhz: float
    throttle_reasons: int


class State(TypedDict):
    """State at one time; throttle counts are events since the system start."""

    load_average: list[float]
    temperatures: dict[str, Temperature]
    clocks: dict[str, Clock]
    slowed_by: dict[str, float]
    throttle_counts: dict[str, float]
    gpus: list[GpuState]


class Conditions(TypedDict):
    """State over a run; percentages are shares of the time of all processors."""

    before: State
    after: State
    hottest_celsius: dict[str, float]
    other_programs_percent: float | None
    steal_percent: float | None


class Watch:
    """Record of machine states over a run, and the warnings that follow from them."""

    def __init__(self, root: Path = Path("/"), machine: Machine | None = None) -> None:
        """Read the first state; ``root`` holds ``sys`` and ``proc``, ``machine`` runs commands (default: this one)."""
        self._root, self._machine = root, machine or ThisMachine()
        self._cores = int(self._machine.system()["cores"] or 1)
        self.states = [machine_state(root, self._machine)]
        self._times = [_processor_seconds(root)]

    def look(self) -> None:
        """Record a state; call right after a case."""
        self.states.append(machine_state(self._root, self._machine))
        self._times.append(_processor_seconds(self._root))

    def conditions(self) -> Conditions:
        """Return first and last state, highest temperatures, and the processor time of other programs."""
        hottest: dict[str, float] = {}
        for state in self.states:
            for zone, found in state["temperatures"].items():
                hottest[zone] = max(hottest.get(zone, -273.0), found["celsius"])
        others, steal = _shares(self._times[0], self._times[-1])
        return {
            "before": self.states[0],
            "after": self.states[-1],
            "hottest_celsius": hottest,
            "other_programs_percent": others,
            "steal_percent": steal,
        }

    def busy_at_start(self) -> list[str]:
        """Return a warning if other programs were running at the start."""
        load = self.states[0]["load_average"]
        if not load or load[0] <= BUSY_LOAD * self._cores:
            return []
        return [f"the machine was busy at the start: load average {load[0]:.2f} on {self._cores} cores"]

    def warnings(self) -> list[str]:
        """Return the reasons why results may be worse than the machine allows."""
        conditions: Mapping[str, Any] = self.conditions()
        busy = [
            f"{name} took {conditions[key]:.0f} % of the processor time while this ran"
            for key, name in _OTHERS.items()
            if conditions[key] is not None and conditions[key] > BUSY_PERCENT
        ]
        held = dict[str, str]()
        for state in self.states:
            for part, sign in _held(state, self.states[0]):
                held.setdefault(part, f"throttling: {sign}")
        return [*self.busy_at_start(), *busy, *held.values()]


def machine_state(root: Path = Path("/"), machine: Machine | None = None) -> State:
    """Read the state; see :class:`Watch` for the arguments."""
    thermal = root / "sys/class/thermal"
    return {
        "load_average": [float(value) for value in read_text(root / "proc/loadavg").split()[:3]],
        "temperatures": _temperatures(thermal),
        "clocks": _clocks(root / "sys"),
        "slowed_by": _cooling(thermal),
        "throttle_counts": _throttle_counts(root / "sys"),
        "gpus": _gpus(machine or ThisMachine()),
    }


def _held(state: State, first: State) -> Iterator[tuple[str, str]]:
    """Yield pairs of a part and a sign of its throttling.

    Signs are: a zone at its passive trip point; an active cooling device that slows; a throttle counter that went up; a
    clock limit that went down; a clock fixed by equal limits that runs below them; a throttle reason of a GPU. A clock
    that follows the load is not a sign.
    """
    for zone, heat in state["temperatures"].items():
        passive = heat["passive_celsius"]
        if passive is not None and heat["celsius"] >= passive:
            yield zone, f"{zone} is at {heat['celsius']:.0f} °C, its limit is {passive:.0f} °C"
    for name, level in state["slowed_by"].items():
        if level > 0:
            yield name, f"{name} is held down by heat (cooling state {level})"
    for name, count in state["throttle_counts"].items():
        if count > first["throttle_counts"].get(name, count):
            yield name, f"{name} went up: the machine was throttled while this ran"
    for name, clock in state["clocks"].items():
        high, before = clock["max_mhz"], first["clocks"].get(name, clock)["max_mhz"]
        fixed = clock["min_mhz"] == high  # as jetson_clocks leaves it
        if high < before:
            yield name, f"{name} was limited to {high:g} of {before:g} MHz"
        elif fixed and clock["is_cpu"] and clock["current_mhz"] < PINNED_SLACK * high:
            yield name, f"{name} is fixed at {high:g} MHz but runs at {clock['current_mhz']:g} MHz"
    for number, gpu in enumerate(state["gpus"]):
        why = {reason for bit, reason in _GPU_REASONS.items() if gpu["throttle_reasons"] & bit}
        if why:
            yield f"gpu {number}", f"GPU {number} ({gpu['name']}) is slowed by {', '.join(sorted(why))}"


def _temperatures(thermal: Path) -> dict[str, Temperature]:
    found: dict[str, Temperature] = {}
    for zone in sorted(thermal.glob("thermal_zone*")):
        millidegrees = _number(zone / "temp")  # zones of powered-down parts cannot be read
        if millidegrees is None:
            continue
        files = [file for file in zone.glob("trip_point_*_type") if read_text(file) == "passive"]
        trips = [_number(file.with_name(file.name.replace("_type", "_temp"))) or 0.0 for file in files]
        lowest = min((trip for trip in trips if trip > 0), default=None)  # 0 or less is not in use
        name = _unused(found, read_text(zone / "type") or zone.name)
        found[name] = {
            "celsius": millidegrees / 1000,
            "passive_celsius": None if lowest is None else lowest / 1000,
        }
    return found


def _clocks(sys: Path) -> dict[str, Clock]:
    found: dict[str, Clock] = {}
    for folder in sorted((sys / "devices/system/cpu/cpufreq").glob("policy*")):
        files = ("scaling_cur_freq", "scaling_min_freq", "scaling_max_freq", "cpuinfo_max_freq")  # kHz
        values = [_number(folder / name) for name in files]
        _add_clock(found, f"cpu {folder.name}", values, 1e-3, read_text(folder / "scaling_governor"), is_cpu=True)
    for folder in sorted((sys / "class/devfreq").glob("*")):
        values = [_number(folder / name) for name in ("cur_freq", "min_freq", "max_freq")]  # Hz
        rates = [float(rate) for rate in read_text(folder / "available_frequencies").split()]
        values.append(max(rates, default=None))
        _add_clock(found, folder.name, values, 1e-6, read_text(folder / "governor"), is_cpu=False)
    return found


def _add_clock(
    clocks: dict[str, Clock], name: str, values: Sequence[float | None], to_mhz: float, governor: str, *, is_cpu: bool
) -> None:
    current, low, high, hardware = (None if value is None else round(value * to_mhz, 3) for value in values)
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
        kind, level = read_text(device / "type"), _number(device / "cur_state")
        if _SLOWING_DEVICES.search(kind) and level is not None:
            found[_unused(found, kind)] = level
    return found


def _throttle_counts(sys: Path) -> dict[str, float]:
    """Read the counters of over-current and low voltage (Jetson) and of overheating (x86)."""
    found: dict[str, float] = {}
    for file in sorted((sys / "class/hwmon").glob("hwmon*/oc*_event_cnt")):
        found[file.name] = _number(file) or 0.0
    for kind in ("core", "package"):
        files = (sys / "devices/system/cpu").glob(f"cpu[0-9]*/thermal_throttle/{kind}_throttle_count")
        counts = [value for file in files if (value := _number(file)) is not None]
        if counts:
            found[f"{kind}_throttle_count"] = max(counts)
    return found


def _gpus(machine: Machine) -> list[GpuState]:
    answer = machine.run("nvidia-smi", f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits")
    found: list[GpuState] = []
    for line in answer.text.splitlines() if answer is not None and answer.status == 0 else ():
        name, *rest = (part.strip() for part in line.split(","))
        try:
            celsius, mhz, most = (float(value) for value in rest[:3])
            reasons = int(rest[3], 16)
        except (ValueError, IndexError):  # a Jetson's nvidia-smi prints [N/A]
            continue
        found.append(
            {"name": name, "celsius": celsius, "current_mhz": mhz, "max_mhz": most, "throttle_reasons": reasons}
        )
    return found


def _processor_seconds(root: Path) -> dict[str, float] | None:
    """Read seconds since the system start: all processors, idle, steal, and this process."""
    line = read_text(root / "proc/stat").partition("\n")[0].split()
    if len(line) < 9 or line[0] != "cpu":
        return None
    values = [int(value) / os.sysconf("SC_CLK_TCK") for value in line[1:9]]  # ..., 3 idle, 4 waiting, ..., 7 steal
    own = os.times()
    return {
        "all": sum(values),
        "idle": values[3] + values[4],
        "steal": values[7],
        "own": own.user + own.system + own.children_user + own.children_system,
    }


def _shares(start: Mapping[str, float] | None, end: Mapping[str, float] | None) -> tuple[float | None, float | None]:
    """Return the shares of other programs and of other machines, in percent."""
    if start is None or end is None or end["all"] <= start["all"]:
        return None, None
    spent = {name: end[name] - start[name] for name in start}
    others = max(spent["all"] - spent["idle"] - spent["steal"] - spent["own"], 0.0)
    return round(100 * others / spent["all"], 1), round(100 * spent["steal"] / spent["all"], 1)


def _unused(names: Mapping[str, Any], name: str) -> str:
    """Return the name, numbered if it is taken."""
    return name if name not in names else f"{name} {sum(other.startswith(name) for other in names) + 1}"


def read_text(file: Path) -> str:
    """Read a file of sysfs or procfs; empty if it cannot be read."""
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(file: Path) -> float | None:
    try:
        return float(read_text(file))
    except ValueError:
        return None
