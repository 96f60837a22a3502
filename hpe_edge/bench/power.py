"""Energy of a call, from the machine's sensors: INA3221 chips of a Jetson, other hwmon meters, RAPL of x86.

Nothing is estimated: without a readable sensor there is no meter. Rails overlap (a board's input contains all others),
so the total is not the sum of all rails: it is the input if that is metered, else supplies known to be disjoint.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpe_edge.bench.machine_state import read_text

# Rails that make up the whole board, by NVIDIA's names; the first match wins. Nano, TX2, Xavier NX, Orin NX and Orin
# Nano meter the module's input. Thor also has an INA238 at its input; without a label, its rail is named after the
# chip. AGX Orin has two inputs and meters them as three rails; the fourth, VDDQ_VDD2_1V8AO, is fed by VIN_SYS_5V0, the
# 5 V part of the input. AGX Xavier's six rails have no known total. (Rail tables of NVIDIA's Jetson Linux Developer
# Guide.)
TOTALS = (("VDD_IN",), ("POM_5V_IN",), ("VIN",), ("ina238",), ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"))
_UNCONNECTED = "NC"
_INTERVAL_S = 0.01  # the chips average over some milliseconds, and each reading is a transfer over I2C


@dataclass(frozen=True)
class Sensor:
    """A rail that can be read.

    Attributes:
        rail: its name on the board.
        read: returns watts, or a counter's joules. Raises OSError or ValueError if it cannot be read.
        counter_range_joules: value at which a counter wraps; None for a power sensor.
    """

    rail: str
    read: Callable[[], float]
    counter_range_joules: float | None = None


@dataclass(frozen=True)
class Energy:
    """Energy of a call.

    Attributes:
        seconds: duration of the call.
        joules: by rail. Rails may overlap: do not add them up.
        total_rails: rails that add up to the total; empty if no total is known.
    """

    seconds: float
    joules: Mapping[str, float]
    total_rails: tuple[str, ...]

    @property
    def total_joules(self) -> float | None:
        """Energy of ``total_rails``: the board's input, or the processor packages; None if no total is known."""
        return sum(self.joules[rail] for rail in self.total_rails) if self.total_rails else None

    @property
    def mean_watts(self) -> float | None:
        """Mean power of the total; None if no total is known."""
        return None if self.total_joules is None else self.total_joules / self.seconds


class PowerMeter:
    """Reader of all sensors during a call."""

    def __init__(self, sensors: Sequence[Sensor], kind: str) -> None:
        """
        Args:
            sensors: one or more readable ones, each of another rail.
            kind: their description, for reports.
        """
        self.kind = kind
        self.rails = tuple(sensor.rail for sensor in sensors)
        self._sensors = sensors

    def measure(self, call: Callable[[], Any]) -> Energy:
        """Run the call once while a thread reads the sensors.

        Sensors are read every 10 ms, or as fast as they can be, so the call should take a second or more. A rail that
        stops responding is left out.
        """
        taken: list[list[tuple[float, float]]] = [[] for _ in self._sensors]
        done = threading.Event()
        self._sample(taken)
        thread = threading.Thread(target=self._sample_until, args=(done, taken), name="power", daemon=True)
        thread.start()
        try:
            start = time.perf_counter()
            call()
            end = time.perf_counter()
        finally:
            done.set()
            thread.join()
        self._sample(taken)  # so that the end lies between two readings
        joules = {
            sensor.rail: joules_between(np.array(readings), start, end, sensor.counter_range_joules)
            for sensor, readings in zip(self._sensors, taken, strict=True)
            if len(readings) > 1 and readings[0][0] <= start and readings[-1][0] >= end
        }
        return Energy(end - start, joules, total_rails(joules))

    def _sample_until(self, done: threading.Event, taken: list[list[tuple[float, float]]]) -> None:
        while not done.wait(_INTERVAL_S):
            self._sample(taken)

    def _sample(self, taken: list[list[tuple[float, float]]]) -> None:
        for sensor, readings in zip(self._sensors, taken, strict=True):
            try:
                value = sensor.read()
            except (OSError, ValueError):
                continue
            readings.append((time.perf_counter(), value))


def joules_between(
    readings: NDArray[np.float64], start: float, end: float, counter_range_joules: float | None = None
) -> float:
    """Integrate readings from ``start`` to ``end``; return joules.

    Args:
        readings: ``[N, 2]``: seconds in order, the first not after ``start`` and the last not before ``end``, and
            watts, or joules of a counter.
        start, end: in seconds.
        counter_range_joules: see :class:`Sensor`. The counter may wrap once between two readings.
    """
    times, values = readings.T
    if counter_range_joules is not None:
        steps = np.diff(values)
        steps[steps < 0] += counter_range_joules
        so_far = np.concatenate([[0.0], np.cumsum(steps)])
        return float(np.interp(end, times, so_far) - np.interp(start, times, so_far))
    inside = (times > start) & (times < end)
    at = np.concatenate([[start], times[inside], [end]])
    watts = np.interp(at, times, values)
    return float(np.sum(np.diff(at) * (watts[1:] + watts[:-1]) / 2))  # the trapezoidal rule


def total_rails(rails: Sequence[str] | Mapping[str, float]) -> tuple[str, ...]:
    """Return the rails that add up to the total; empty if it is not known."""
    packages = tuple(rail for rail in rails if rail.startswith("package-"))
    return next((total for total in TOTALS if all(rail in rails for rail in total)), packages)


def power_meter(root: Path = Path("/")) -> PowerMeter | None:
    """Create the meter of this machine's sensors; None if none can be read.

    Sensors of the board are preferred; RAPL, which meters the processor only, is the fallback.

    Args:
        root: parent folder of ``sys``.
    """
    found = (("board sensors", _board(root / "sys")), ("RAPL, processor packages only", _rapl(root / "sys")))
    for kind, sensors in found:
        readable = {sensor.rail: sensor for sensor in sensors if _answers(sensor)}
        if readable:
            return PowerMeter(list(readable.values()), kind)
    return None


def _answers(sensor: Sensor) -> bool:
    try:
        sensor.read()
    except (OSError, ValueError):
        return False
    return True


def _board(sys: Path) -> Iterator[Sensor]:
    drivers = sys / "bus/i2c/drivers"
    for folder in sorted(drivers.glob("ina3221*/*/hwmon/hwmon*")):
        for channel in (1, 2, 3):  # the chip's further inputs are shunt voltages and sums
            rail = read_text(folder / f"in{channel}_label")
            if rail and rail != _UNCONNECTED:
                millivolts, milliamperes = folder / f"in{channel}_input", folder / f"curr{channel}_input"
                yield Sensor(rail, partial(_product, 1e-6, millivolts, milliamperes))
    for folder in sorted(drivers.glob("ina3221*/*/iio[:_]device*")):  # up to JetPack 4
        for channel in (0, 1, 2):
            rail = read_text(folder / f"rail_name_{channel}")
            if rail and rail != _UNCONNECTED:
                yield Sensor(rail, partial(_product, 1e-3, folder / f"in_power{channel}_input"))
    for file in sorted((sys / "class/hwmon").glob("hwmon*/power*_input")):
        label = read_text(file.with_name(file.name.replace("_input", "_label"))) or read_text(file.with_name("name"))
        yield Sensor(label or file.parent.name, partial(_product, 1e-6, file))


def _rapl(sys: Path) -> Iterator[Sensor]:
    for folder in sorted((sys / "class/powercap").glob("intel-rapl:*")):  # AMD's processors, too
        rail, most = read_text(folder / "name"), read_text(folder / "max_energy_range_uj")
        if rail.startswith("package-") and most:
            yield Sensor(rail, partial(_product, 1e-6, folder / "energy_uj"), int(most) * 1e-6)


def _product(scale: float, *files: Path) -> float:
    return scale * math.prod(float(file.read_text()) for file in files)
