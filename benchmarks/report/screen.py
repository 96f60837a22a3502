"""The results as tables for the screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.suite import BudgetLine
from benchmarks.harness.timing import Result, Row, describe

_PROGRAMS = ("python", "numpy", "opencv", "onnxruntime", "openvino", "tensorrt", "nvcc")
_BOARD = {"JetPack": "jetpack", "Jetson Linux": "l4t", "power mode": "power_mode"}


def heading(suite: str, environment: Mapping[str, Any]) -> str:
    """Where it runs, in a few lines."""
    lines = "times are medians with p10..p90, on one thread (video, cameras: all); 'times' is over the first row's"
    return "\n".join([f"{suite}; {lines}", *(f"{name}: {said}" for name, said in facts(environment).items())])


def facts(environment: Mapping[str, Any]) -> dict[str, str]:
    """What a run ran on, in words by topic. Documents of schema 1 have fewer of them."""
    hardware, software, git = environment["hardware"], environment["software"], environment["git"]
    commit = "unknown" if git["commit"] is None else git["commit"][:12] + (", with changes" if git["dirty"] else "")
    found = {
        "processor": f"{hardware['cpu']}, {hardware['cores_usable']} cores, {', '.join(hardware['hpe_edge_isa_names'])}"
    }
    board = hardware.get("board")
    if board:
        said = [f"{name} {board[key]}" for name, key in _BOARD.items() if board[key]]
        found["board"] = ", ".join([str(board["model"] or "Jetson"), *said])
    gpus = [f"{gpu['name']} (compute capability {gpu['capability']})" for gpu in hardware.get("gpus", [])]
    if gpus:
        driver = [f"driver {software['driver']}"] if software.get("driver") else []
        found["GPU"] = ", ".join([*gpus, *driver, f"serves CUDA {software.get('driver_cuda') or 'unknown'}"])
    return {
        **found,
        "hpe_edge": f"{software['hpe_edge']}, commit {commit}",
        "versions": ", ".join(versions(environment).values()),
    }


def versions(environment: Mapping[str, Any]) -> dict[str, str]:
    """The programs beside hpe_edge that were there, with their versions, by name."""
    software = environment["software"]
    return {name: f"{name} {software[name]}" for name in _PROGRAMS if software.get(name)}


def clocks(state: Mapping[str, Any]) -> str:
    """How clocks are set, in words: those of the processor together, the others by name. Empty where unknown."""
    found: dict[str, int] = {}
    for name, clock in state.get("clocks", {}).items():
        low, high = clock["min_mhz"], clock["max_mhz"]
        span = f"fixed at {high:g} MHz" if low == high else f"{low:g} to {high:g} MHz by {clock['governor']}"
        said = f"{'cpu' if clock['is_cpu'] else name} {span}"
        found[said] = found.get(said, 0) + 1
    return ", ".join(said if count == 1 else f"{count} x {said}" for said, count in found.items())


def table(result: Result) -> str:
    """One result: a line for each alternative."""
    lines = ["", f"{result.name}: {describe(result.parameters)}"]
    width = max((len(row.name) for row in result.rows), default=0)
    lines += [f"  {_line(row, width)}" for row in result.rows]
    lines += [f"  {name}: skipped, {reason}" for name, reason in result.skipped.items()]
    lines += [f"  {name} {'unknown' if value is None else f'{value:g}'}" for name, value in result.figures.items()]
    return "\n".join(lines)


def _line(row: Row, width: int) -> str:
    time = row.time_us
    spread = f"({time.p10:.1f} .. {time.p90:.1f})"
    line = f"{row.name:{width}} {time.median:10.1f} us {spread:24} {row.ratio.median:7.2f} times   {answers(row)}"
    return line.rstrip()


def answers(row: Row) -> str:
    """The difference that is nearest to its tolerance."""
    if not row.differences:
        return ""
    worst = max(row.differences.values(), key=lambda found: found.largest / (found.tolerance or 1.0))
    if worst.largest == 0:
        return "same answers"
    return f"answers within {worst.largest:.1e} ({worst.tolerance:.1e} allowed)"


def verdicts(lines: Sequence[BudgetLine]) -> str:
    """The budget, line by line."""
    words = {True: "met", False: "NOT met", None: "-"}
    rows = [f"  {words[line.met]:8} {line.what}: limit {line.limit}, found {line.found}" for line in lines]
    return "\n".join(["", "budget (for information):", *rows])
