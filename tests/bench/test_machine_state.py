"""The machine's state, on folders that look like a Jetson's and a PC's, and what is concluded from it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from made_up_machine import MadeUpMachine, desktop, jetson_orin

from benchmarks.report.tables import clocks
from hpe_edge.bench.environment import environment
from hpe_edge.bench.machine_state import Watch, machine_state

ZONE = "sys/class/thermal/thermal_zone0"
POLICY = "sys/devices/system/cpu/cpufreq/policy0"
GPU = "sys/class/devfreq/17000000.gpu"
ALERT = "sys/class/thermal/cooling_device2"
EVENTS = "sys/class/hwmon/hwmon4/oc3_event_cnt"
SMI = (
    "nvidia-smi --query-gpu=name,temperature.gpu,clocks.sm,clocks.max.sm,clocks_throttle_reasons.active "
    "--format=csv,noheader,nounits"
)


def write(root: Path, **files: object) -> None:
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")


@pytest.fixture
def board(tmp_path: Path) -> Path:
    """A Jetson after jetson_clocks, at rest."""
    files: dict[str, object] = {
        f"{ZONE}/type": "cpu-thermal",
        f"{ZONE}/temp": 48500,
        f"{ZONE}/trip_point_0_type": "critical",
        f"{ZONE}/trip_point_0_temp": 104500,
        f"{ZONE}/trip_point_1_type": "passive",
        f"{ZONE}/trip_point_1_temp": 99000,
        f"{ZONE}/trip_point_2_type": "active",  # from where on the fan turns
        f"{ZONE}/trip_point_2_temp": 46000,
        "sys/class/thermal/thermal_zone1/type": "cv0-thermal",  # switched off: it has no temperature
        "sys/class/thermal/cooling_device0/type": "pwm-fan",
        "sys/class/thermal/cooling_device0/cur_state": 3,
        f"{ALERT}/type": "cpu-throttle-alert",
        f"{ALERT}/cur_state": 0,
        f"{POLICY}/scaling_cur_freq": 1728000,
        f"{POLICY}/scaling_min_freq": 1728000,
        f"{POLICY}/scaling_max_freq": 1728000,
        f"{POLICY}/cpuinfo_max_freq": 1728000,
        f"{POLICY}/scaling_governor": "schedutil",
        f"{GPU}/cur_freq": 306000000,
        f"{GPU}/min_freq": 1020000000,
        f"{GPU}/max_freq": 1020000000,
        f"{GPU}/available_frequencies": "306000000 612000000 1020000000",
        f"{GPU}/governor": "nvhost_podgov",
        EVENTS: 27,
        "proc/loadavg": "0.10 0.20 0.30 1/200 4000",
        "proc/stat": "cpu 100 0 50 1000 0 0 0 0 0 0",
    }
    write(tmp_path, **files)
    return tmp_path


def test_a_board_at_rest(board: Path) -> None:
    machine = MadeUpMachine()
    state = machine_state(board, machine)
    assert state["load_average"] == [0.1, 0.2, 0.3]
    assert state["temperatures"] == {"cpu-thermal": {"celsius": 48.5, "passive_celsius": 99.0}}
    assert state["clocks"]["cpu policy0"] == {
        "current_mhz": 1728.0,
        "min_mhz": 1728.0,
        "max_mhz": 1728.0,
        "hardware_max_mhz": 1728.0,
        "governor": "schedutil",
        "is_cpu": True,
    }
    assert state["clocks"]["17000000.gpu"]["hardware_max_mhz"] == 1020.0
    assert state["slowed_by"] == {"cpu-throttle-alert": 0}  # the fan slows nothing
    assert state["throttle_counts"] == {"oc3_event_cnt": 27}
    watch = Watch(board, machine)
    watch.look()
    assert watch.warnings() == []


@pytest.mark.parametrize(
    ("file", "value", "fragment"),
    [
        (f"{ZONE}/temp", 99500, "cpu-thermal is at 100 °C, its limit is 99 °C"),
        (f"{ALERT}/cur_state", 1, "cpu-throttle-alert is held down by heat"),
        (EVENTS, 29, "oc3_event_cnt went up"),
        (f"{POLICY}/scaling_max_freq", 1190400, "cpu policy0 was limited to 1190.4 of 1728 MHz"),
        (f"{POLICY}/scaling_cur_freq", 883200, "cpu policy0 is fixed at 1728 MHz but runs at 883.2 MHz"),
        (f"{GPU}/max_freq", 612000000, "17000000.gpu was limited to 612 of 1020 MHz"),
    ],
)
def test_a_board_that_throttles_for_a_while(board: Path, file: str, value: int, fragment: str) -> None:
    watch = Watch(board, MadeUpMachine())
    rest = (board / file).read_text()
    write(board, **{file: value})
    watch.look()
    if file != EVENTS:  # a counter stays where it is
        (board / file).write_text(rest)
    watch.look()
    (warning,) = watch.warnings()
    assert warning.startswith("throttling: ")
    assert fragment in warning
    if "temp" in file:
        assert watch.conditions()["hottest_celsius"] == {"cpu-thermal": 99.5}
        assert watch.conditions()["after"]["temperatures"]["cpu-thermal"]["celsius"] == 48.5


def test_a_clock_that_follows_the_load_is_no_sign(board: Path) -> None:
    fixed = clocks(machine_state(board, MadeUpMachine()))
    assert fixed == "cpu fixed at 1728 MHz, 17000000.gpu fixed at 1020 MHz"
    write(board, **{f"{POLICY}/scaling_min_freq": 115200, f"{POLICY}/scaling_cur_freq": 729600})
    watch = Watch(board, MadeUpMachine())
    assert watch.warnings() == []
    assert clocks(watch.states[0]).startswith("cpu 115.2 to 1728 MHz by schedutil, ")


def test_a_busy_machine(board: Path) -> None:
    write(board, **{"proc/loadavg": "4.10 3.00 2.00 5/200 4000"})  # on the made-up machine's eight cores
    (warning,) = Watch(board, MadeUpMachine()).warnings()
    assert warning == "the machine was busy at the start: load average 4.10 on 8 cores"


@pytest.mark.parametrize(
    ("stat", "wanted"),
    [
        # user nice system idle iowait irq softirq steal, 1000 ticks after the start
        ("cpu 100 0 50 2000 0 0 0 0 0 0", (0.0, 0.0)),
        ("cpu 400 0 150 1550 50 0 0 0 0 0", (40.0, 0.0)),
        ("cpu 100 0 50 1800 0 0 0 200 0 0", (0.0, 20.0)),
    ],
)
def test_who_had_the_processor(
    board: Path, monkeypatch: pytest.MonkeyPatch, stat: str, wanted: tuple[float, float]
) -> None:
    monkeypatch.setattr(os, "times", lambda: os.times_result((0.0, 0.0, 0.0, 0.0, 0.0)))
    watch = Watch(board, MadeUpMachine())
    write(board, **{"proc/stat": stat})
    watch.look()
    found = watch.conditions()
    assert (found["other_programs_percent"], found["steal_percent"]) == wanted
    assert len(watch.warnings()) == sum(share > 10 for share in wanted)


def test_a_pc_counts_its_throttling(tmp_path: Path) -> None:
    folder = "sys/devices/system/cpu"
    counts = {f"{folder}/cpu{i}/thermal_throttle/core_throttle_count": i for i in (0, 3, 10)}
    write(tmp_path, **counts)
    assert machine_state(tmp_path, MadeUpMachine())["throttle_counts"] == {"core_throttle_count": 10}


@pytest.mark.parametrize(("reasons", "said"), [("0x0000000000000001", []), ("0x0000000000000024", ["heat, power cap"])])
def test_a_gpu_names_its_reasons(tmp_path: Path, reasons: str, said: list[str]) -> None:
    machine = MadeUpMachine(commands={SMI: f"NVIDIA GeForce RTX 4090, 71, 2520, 3105, {reasons}\n"})
    watch = Watch(tmp_path, machine)
    assert watch.states[0]["gpus"][0]["celsius"] == 71
    assert watch.warnings() == [
        f"throttling: GPU 0 (NVIDIA GeForce RTX 4090) is slowed by {reasons}" for reasons in said
    ]


def test_a_gpu_that_does_not_tell(tmp_path: Path) -> None:
    machine = MadeUpMachine(commands={SMI: "Orin (nvgpu), [N/A], [N/A], [N/A], [N/A]\n"})
    assert machine_state(tmp_path, machine)["gpus"] == []


def test_nothing_is_known(tmp_path: Path) -> None:
    watch = Watch(tmp_path, MadeUpMachine())
    assert watch.warnings() == []
    assert watch.conditions()["steal_percent"] is None


@pytest.mark.parametrize(
    ("machine", "software", "board"),
    [
        (
            desktop(),
            {"tensorrt": "10.9.0.34", "openvino": "2025.3.0", "driver": "570.133.07", "driver_cuda": "12.8"},
            None,
        ),
        (
            jetson_orin(),
            {"tensorrt": "10.3.0.30-1+cuda12.5", "openvino": None, "driver": None, "driver_cuda": "12.6"},
            {
                "model": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
                "l4t": "36.4.3",
                "jetpack": "6.2.1+b38",
                "power_mode": "25W",
                "cuda": "12.6",
                "python": "3.10",
                "tensorrt": "10.3",
            },
        ),
    ],
    ids=["desktop", "jetson"],
)
def test_the_environment_has_what_the_doctor_finds(
    machine: MadeUpMachine, software: dict[str, Any], board: dict[str, Any] | None
) -> None:
    found = environment(machine)
    assert {name: found["software"][name] for name in software} == software
    assert found["hardware"]["board"] == board
    assert found["hardware"]["gpus"] == machine.trial("cuda_driver")["devices"]
