"""State of the machine: other programs, heat, and clocks that are held down.

The state is read before the first case, after each one, while the machine is still as warm as the case left it, and at
the end. Nothing runs beside the benchmark in between. Values are None or empty where the system does not report them.
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
PINNED_SLACK = 0.97  # a clock whose minimum is its maximum reads a little less than that at times

_SLOWING_DEVICES = re.compile(r"cpufreq|devfreq|throttle|^Processor$")  # the others are fans and alarms
_GPU_FIELDS = ("name", "temperature.gpu", "clocks.sm", "clocks.max.sm", "clocks_throttle_reasons.active")
# Bits of NVML's nvmlClocksThrottleReasons that say that a clock is held down; idling and settings of the user do not.
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
    """One of NVIDIA's GPUs; ``throttle_reasons`` are the bits of NVML's nvmlClocksThrottleReasons."""

    name: str
    celsius: float
    current_mhz: float
    max_mhz: float
    throttle_reasons: int


class State(TypedDict):
    """The machine at one time; throttle counts are events since the system started."""

    load_average: list[float]
    temperatures: dict[str, Temperature]
    clocks: dict[str, Clock]
    slowed_by: dict[str, float]
    throttle_counts: dict[str, float]
    gpus: list[GpuState]


class Conditions(TypedDict):
    """The machine in the course of a run; the percentages are shares of the time of all processors."""

    before: State
    after: State
    hottest_celsius: dict[str, float]
    other_programs_percent: float | None
    steal_percent: float | None


class Watch:
    """Reads states in the course of a run and draws the conclusions."""

    def __init__(self, root: Path = Path("/"), machine: Machine | None = None) -> None:
        """Read the first state; ``root`` holds ``sys`` and ``proc``, ``machine`` runs commands (default: this one)."""
        self._root, self._machine = root, machine or ThisMachine()
        self._cores = int(self._machine.system()["cores"] or 1)
        self.states = [machine_state(root, self._machine)]
        self._times = [_processor_seconds(root)]

    def look(self) -> None:
        """Read a state; right after a case."""
        self.states.append(machine_state(self._root, self._machine))
        self._times.append(_processor_seconds(self._root))

    def conditions(self) -> Conditions:
        """Return the first and the last state, the highest temperatures, and who else had the processor."""
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
        """Warn where other programs were running already."""
        load = self.states[0]["load_average"]
        if not load or load[0] <= BUSY_LOAD * self._cores:
            return []
        return [f"the machine was busy at the start: load average {load[0]:.2f} on {self._cores} cores"]

    def warnings(self) -> list[str]:
        """Return why figures may be worse than the machine allows, each in a sentence."""
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
        "load_average": [float(value) for value in _text(root / "proc/loadavg").split()[:3]],
        "temperatures": _temperatures(thermal),
        "clocks": _clocks(root / "sys"),
        "slowed_by": _cooling(thermal),
        "throttle_counts": _throttle_counts(root / "sys"),
        "gpus": _gpus(machine or ThisMachine()),
    }


def _held(state: State, first: State) -> Iterator[tuple[str, str]]:
    """Yield signs of throttling with the part that each is about.

    A clock that follows the load is none. These are: heat at a zone's passive trip point; a cooling device that slows;
    a counter of throttling that went up; a clock's limit that went down; a clock fixed by equal limits that runs below
    them; a GPU that names a reason.
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
        millidegrees = _number(zone / "temp")  # a powered-down part's zone does not answer
        if millidegrees is None:
            continue
        files = [file for file in zone.glob("trip_point_*_type") if _text(file) == "passive"]
        trips = [_number(file.with_name(file.name.replace("_type", "_temp"))) or 0.0 for file in files]
        lowest = min((trip for trip in trips if trip > 0), default=None)  # 0 or less is not in use
        name = _unused(found, _text(zone / "type") or zone.name)
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
        _add_clock(found, f"cpu {folder.name}", values, 1e-3, _text(folder / "scaling_governor"), is_cpu=True)
    for folder in sorted((sys / "class/devfreq").glob("*")):
        values = [_number(folder / name) for name in ("cur_freq", "min_freq", "max_freq")]  # Hz
        rates = [float(rate) for rate in _text(folder / "available_frequencies").split()]
        values.append(max(rates, default=None))
        _add_clock(found, folder.name, values, 1e-6, _text(folder / "governor"), is_cpu=False)
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
        kind, level = _text(device / "type"), _number(device / "cur_state")
        if _SLOWING_DEVICES.search(kind) and level is not None:
            found[_unused(found, kind)] = level
    return found


def _throttle_counts(sys: Path) -> dict[str, float]:
    """Count a Jetson's over-current and low voltage, and an x86 processor's heat."""
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
        except (ValueError, IndexError):  # a Jetson's nvidia-smi says [N/A]
            continue
        found.append(
            {"name": name, "celsius": celsius, "current_mhz": mhz, "max_mhz": most, "throttle_reasons": reasons}
        )
    return found


def _processor_seconds(root: Path) -> dict[str, float] | None:
    """Read the time since the start: of all processors, idle and stolen of it, and this process's own."""
    line = _text(root / "proc/stat").partition("\n")[0].split()
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
    """Return the name, numbered where it is taken."""
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
