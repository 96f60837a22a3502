"""The steps of both parts, in order; what is promised to them fits into one call."""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from tools.gpu_day.step import Step

BUDGET_S = 285.0  # of a call of five minutes

_HERE = "tools.gpu_day.programs"
_CUDA_TESTS = "build/gpu_day/native/tests/native/cuda_tests"
_ORACLES = ["tests/ops/test_crop_normalize.py", "tests/ops/test_warp_normalize.py", "tests/ops/test_decode.py"]
# ONNX Runtime looks for pip's CUDA libraries beside itself, and for CUDA 13 under names of CUDA 12.
_LIBRARIES = sorted(map(str, Path(sysconfig.get_path("purelib")).glob("nvidia/*/lib")))
_ONNXRUNTIME = {
    "PYTHONPATH": "{work}/onnxruntime",
    "LD_LIBRARY_PATH": os.pathsep.join([*_LIBRARIES, "/usr/local/cuda/lib64"]),
}


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _pytest(*arguments: str, processes: int = 1) -> list[str]:
    parallel = ["-n", str(processes)] if processes > 1 and importlib.util.find_spec("xdist") else []
    return _python("pytest", "-p", "no:cacheprovider", *parallel, *arguments)


def _sanitizer(tool: str, *arguments: str, program: Sequence[str] = (_CUDA_TESTS,)) -> list[str]:
    return ["compute-sanitizer", "--tool", tool, *arguments, "--error-exitcode", "1", *program]


def _sanitized(tool: str, promised_s: float, *arguments: str) -> Step:
    command = _sanitizer(tool, *arguments)
    return Step(tool, command, promised_s, needs=("build",), program="compute-sanitizer")


def _benchmark(name: str, suite: str, promised_s: float, *arguments: str, overhead_s: float = 15.0) -> Step:
    command = _python("benchmarks", suite, *arguments, "--json", f"{{folder}}/{name}.json")
    results = (f"{name}.json",)
    return Step(name, command, promised_s, ("build",), results=results, is_benchmark=True, overhead_s=overhead_s)


_MACHINE = Step("machine", _python(f"{_HERE}.machine", "{folder}/machine.json"), 10, results=("machine.json",))
_BUILD = Step("build", _python(f"{_HERE}.build"), 70)

PART1 = (
    _MACHINE,
    _BUILD,
    Step("native", [_CUDA_TESTS], 10, needs=("build",)),
    Step("doctor", _python("hpe_edge", "doctor"), 20, needs=("build",)),
    Step("on_gpu", _pytest("tests/cuda/test_on_gpu.py", processes=4), 30, needs=("build",)),
    Step("oracles", _pytest("-k", "cuda and not emulated", *_ORACLES, processes=8), 40, needs=("build",)),
    _sanitized("memcheck", 20, "--leak-check", "full"),
    _sanitized("racecheck", 20, "--racecheck-report", "all"),
    _sanitized("initcheck", 15),
    _sanitized("synccheck", 15),
    Step(
        "memcheck_oracles",
        _sanitizer("memcheck", program=_pytest("-x", "-k", "cuda and not emulated", *_ORACLES)),
        20,
        needs=("build", "oracles"),
        program="compute-sanitizer",
    ),
)

PART2 = (
    _MACHINE,
    _BUILD,
    _benchmark("frame-to-angles", "frame-to-angles", 45, "--seconds", "{seconds}"),
    _benchmark("cuda", "cuda", 60, "--seconds", "{seconds}"),
    _benchmark("engine", "engine", 35, "--calls", "20000"),
    Step(
        "onnxruntime",
        _python(f"{_HERE}.unpack", ".gpu_day/onnxruntime-cuda.tar.xz", "build/gpu_day/onnxruntime"),
        15,
        carried="onnxruntime-cuda.tar.xz",
    ),
    Step(
        "onnxruntime_tests",
        _pytest("-k", "engine and cuda", "tests/cuda/test_on_gpu.py"),
        10,
        needs=("build", "onnxruntime"),
        environment=_ONNXRUNTIME,
    ),
    Step(
        "onnxruntime_bench",
        _python("hpe_edge", "bench", "--device", "cuda", "--seconds", "1", "--json", "{folder}/bench.json"),
        15,
        needs=("build", "onnxruntime"),
        results=("bench.json",),
        environment=_ONNXRUNTIME,
    ),
    Step(
        "rtx",
        _python(f"{_HERE}.rtx_probe", ".gpu_day/rtx.tar.xz", "build/gpu_day/rtx", "{folder}/rtx.json"),
        15,
        needs=("build",),
        carried="rtx.tar.xz",
        results=("rtx.json",),
    ),
)

PARTS = {"part1": PART1, "part2": PART2}
