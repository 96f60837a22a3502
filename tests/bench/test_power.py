"""Power sensors, on folders that look like those of the boards."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import trapezoid

from hpe_edge.bench.power import joules_between, power_meter, total_rails

HWMON = "sys/bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
IIO = "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0"
RAPL = "sys/class/powercap"


def write(root: Path, files: dict[str, object]) -> None:
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")


def channel(number: int, label: str, millivolts: int, milliamperes: int, folder: str = HWMON) -> dict[str, object]:
    return {
        f"{folder}/in{number}_label": label,
        f"{folder}/in{number}_input": millivolts,
        f"{folder}/curr{number}_input": milliamperes,
    }


def test_no_sensor(tmp_path: Path) -> None:
    assert power_meter(tmp_path) is None


def test_an_orin_nano(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            **channel(1, "VDD_IN", 5000, 2400),
            **channel(2, "VDD_CPU_GPU_CV", 4900, 1000),
            **channel(3, "VDD_SOC", 4800, 500),
            f"{HWMON}/in4_input": 12,  # a shunt's voltage, beside the sum of the currents
            f"{HWMON}/curr4_input": 3900,
            f"{HWMON}/in7_label": "sum of shunt voltages",
        },
    )
    meter = power_meter(tmp_path)
    assert meter is not None
    assert meter.rails == ("VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC")
    energy = meter.measure(lambda: time.sleep(0.05))
    assert energy.joules == pytest.approx(
        {rail: watts * energy.seconds for rail, watts in zip(meter.rails, (12.0, 4.9, 2.4), strict=True)}
    )
    assert energy.total_rails == ("VDD_IN",)
    assert energy.mean_watts == pytest.approx(12.0)


def test_an_agx_orin_has_no_single_input(tmp_path: Path) -> None:
    other = HWMON.replace("1-0040/hwmon/hwmon3", "1-0041/hwmon/hwmon4")
    write(
        tmp_path,
        {
            **channel(1, "VDD_GPU_SOC", 19000, 200),
            **channel(2, "VDD_CPU_CV", 19000, 100),
            **channel(3, "VIN_SYS_5V0", 5000, 700),
            **channel(1, "NC", 0, 0, other),
            **channel(2, "VDDQ_VDD2_1V8AO", 5000, 300, other),
        },
    )
    meter = power_meter(tmp_path)
    assert meter is not None
    energy = meter.measure(lambda: time.sleep(0.02))
    assert set(energy.joules) == {"VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0", "VDDQ_VDD2_1V8AO"}
    assert energy.mean_watts == pytest.approx(3.8 + 1.9 + 3.5)  # the memory's is in the 5 V


def test_a_nano_with_jetpack_4(tmp_path: Path) -> None:
    names = ("POM_5V_IN", "POM_5V_GPU", "POM_5V_CPU")
    for number, (name, milliwatts) in enumerate(zip(names, (3200, 800, 900), strict=True)):
        write(tmp_path, {f"{IIO}/rail_name_{number}": name, f"{IIO}/in_power{number}_input": milliwatts})
    meter = power_meter(tmp_path)
    assert meter is not None
    energy = meter.measure(lambda: time.sleep(0.02))
    assert energy.total_rails == ("POM_5V_IN",)
    assert energy.mean_watts == pytest.approx(3.2)


def test_meters_in_microwatts(tmp_path: Path) -> None:
    folder = "sys/class/hwmon/hwmon5"
    write(tmp_path, {f"{folder}/name": "ina238", f"{folder}/power1_input": 41_000_000})
    write(tmp_path, {**channel(1, "VDD_GPU", 5000, 1000), **channel(2, "VIN_SYS_5V0", 5000, 1000)})
    meter = power_meter(tmp_path)
    assert meter is not None
    energy = meter.measure(lambda: time.sleep(0.02))
    assert energy.joules["ina238"] == pytest.approx(41 * energy.seconds)
    assert energy.total_rails == ("ina238",)


def test_rails_without_a_known_total(tmp_path: Path) -> None:
    write(tmp_path, {**channel(1, "GPU", 19000, 100), **channel(2, "CPU", 19000, 100), **channel(3, "SOC", 19000, 100)})
    meter = power_meter(tmp_path)
    assert meter is not None
    energy = meter.measure(lambda: time.sleep(0.02))
    assert len(energy.joules) == 3
    assert energy.total_rails == ()
    assert energy.total_joules is None
    assert energy.mean_watts is None


def test_a_disabled_channel_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {**channel(1, "VDD_IN", 5000, 1000), f"{HWMON}/in2_label": "VDD_SOC", f"{HWMON}/in2_input": ""})
    meter = power_meter(tmp_path)
    assert meter is not None
    assert meter.rails == ("VDD_IN",)


def test_a_rail_that_stops_answering_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {**channel(1, "VDD_IN", 5000, 1000), **channel(2, "VDD_SOC", 5000, 100)})
    meter = power_meter(tmp_path)
    assert meter is not None

    def work() -> None:
        time.sleep(0.05)
        (tmp_path / HWMON / "curr1_input").unlink()

    energy = meter.measure(work)
    assert set(energy.joules) == {"VDD_SOC"}
    assert energy.total_joules is None


def test_rapl_begins_again_at_its_range(tmp_path: Path) -> None:
    for number in (0, 1):
        folder = f"{RAPL}/intel-rapl:{number}"
        write(tmp_path, {f"{folder}/name": f"package-{number}", f"{folder}/max_energy_range_uj": 65_000_000})
        write(tmp_path, {f"{folder}/energy_uj": 64_000_000})
    write(tmp_path, {f"{RAPL}/intel-rapl:0:0/name": "core", f"{RAPL}/intel-rapl:0:0/energy_uj": 7})
    meter = power_meter(tmp_path)
    assert meter is not None
    assert meter.rails == ("package-0", "package-1")
    assert "processor" in meter.kind

    def work() -> None:
        time.sleep(0.05)
        write(tmp_path, {f"{RAPL}/intel-rapl:0/energy_uj": 500_000, f"{RAPL}/intel-rapl:1/energy_uj": 64_250_000})
        time.sleep(0.05)

    energy = meter.measure(work)
    assert energy.joules == pytest.approx({"package-0": 1.5, "package-1": 0.25})
    assert energy.total_joules == pytest.approx(1.75)


def test_a_call_that_fails_leaves_no_thread(tmp_path: Path) -> None:
    write(tmp_path, channel(1, "VDD_IN", 5000, 1000))
    meter = power_meter(tmp_path)
    assert meter is not None

    def fail() -> None:
        raise KeyError("of the call")

    with pytest.raises(KeyError, match="of the call"):
        meter.measure(fail)
    assert "power" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize(
    ("power", "energy"),
    [(lambda t: 3.0 + 0 * t, lambda t: 3 * t), (lambda t: 2 * t, lambda t: t**2)],
    ids=["constant", "ramp"],
)
def test_the_integral_is_exact_where_the_power_is_linear(
    power: Callable[[np.ndarray], np.ndarray], energy: Callable[[float], float]
) -> None:
    times = np.sort(np.random.default_rng(0).uniform(0, 10, 50))
    readings = np.stack([times, power(times)], axis=1)
    assert joules_between(readings, 2.0, 8.0) == pytest.approx(energy(8.0) - energy(2.0))


def test_the_integral_is_scipys() -> None:
    rng = np.random.default_rng(1)
    readings = np.stack([np.cumsum(rng.uniform(0.01, 0.1, 200)), rng.uniform(5, 30, 200)], axis=1)
    whole = joules_between(readings, readings[0, 0], readings[-1, 0])
    assert whole == pytest.approx(trapezoid(readings[:, 1], readings[:, 0]))


def test_the_input_comes_before_a_sum() -> None:
    assert total_rails(["VIN_SYS_5V0", "VDD_GPU_SOC", "VDD_CPU_CV", "VIN"]) == ("VIN",)
