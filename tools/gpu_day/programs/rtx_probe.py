"""Step: TensorRT-RTX on this GPU: its opinion of the carried engine, and a first run with the accuracy gate."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tools.gpu_day.programs.unpack import unpack
from tools.gpu_day.step import write_json


def main(archive: Path, folder: Path, result: Path) -> int:
    """Write the findings after each of them; returns 0 if the engine is valid and passes the gate."""
    unpack(archive, folder)
    sys.path.insert(0, str(folder))
    findings: dict[str, Any] = {}

    def note(name: str, value: object) -> None:
        findings[name] = value
        print(f"{name}: {value}", flush=True)
        write_json(result, findings)

    from hpe_edge.backends.tensorrt.load_tensorrt import load_tensorrt
    from hpe_edge.cuda.device import Device

    gpu = Device()  # without a driver TensorRT's runtime crashes when it is used
    note("gpu", f"{gpu.name}, compute capability {gpu.capability}")
    trt = load_tensorrt("tensorrt-rtx")
    note("tensorrt_rtx", trt.__version__)
    engine = folder / "model.rtx"
    if not engine.exists():
        note("engine", "none was carried")
        return 1
    with gpu:
        runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
        validity, diagnostics = runtime.get_engine_validity(engine.read_bytes())
        note("validity", str(validity))
        note("diagnostics", str(diagnostics))
    # In a process of its own: a crash of the library leaves the findings above.
    command = [sys.executable, "-m", "hpe_edge", "bench", str(engine), "--seconds", "0.5"]
    command += ["--json", str(result.with_name("rtx-bench.json"))]
    note("bench_exit_status", subprocess.run(command, env=_environment(folder)).returncode)
    return int(findings["bench_exit_status"] != 0)


def _environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])}


if __name__ == "__main__":
    raise SystemExit(main(*map(Path, sys.argv[1:4])))
