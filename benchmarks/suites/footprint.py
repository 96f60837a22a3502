"""How much memory a model takes: loaded and run in a process of its own, where nothing else was before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.harness.memory import resident_kb
from benchmarks.inputs.ways import Way

_RUNS = 3  # after which buffers and scratch memory are there


def footprint_kb(way: Way, path: Path, threads: int | None, faces: int) -> float | None:
    """What the engine adds to the resident memory, code of the backend's library included.

    Args:
        way: how it is run.
        path: the model.
        threads: see :class:`hpe_edge.PoseEngine`.
        faces: in a call.

    Returns:
        None where the system does not tell, or the engine does not start.
    """
    asked = json.dumps([way.backend, way.device, way.precision, str(path), threads, faces])
    done = subprocess.run([sys.executable, "-m", "benchmarks.suites.footprint", asked], capture_output=True, text=True)
    return float(done.stdout) if done.returncode == 0 and done.stdout.strip() else None


def _measure(way: Way, path: Path, threads: int | None, faces: int) -> float | None:
    import numpy as np

    before_kb = resident_kb()
    frame, boxes = np.zeros((64, 64, 3), np.uint8), [[16, 16, 48, 48]] * faces
    with way.open(path, threads) as engine:
        for _ in range(_RUNS):
            engine(frame, boxes)
        after_kb = resident_kb()
    return None if before_kb is None or after_kb is None else after_kb - before_kb


if __name__ == "__main__":
    backend, device, precision, model, threads, faces = json.loads(sys.argv[1])
    found = _measure(Way(backend, device, precision), Path(model), threads, faces)
    print("" if found is None else found)
