"""Script that converts or runs a model in another Python: ``python run_worker.py JOB.json``.

It writes its results to the job's report and ends with status 0, with the error in the report if the converter raised
one. Converters print at will, so standard output and error are a log.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Arrays = list[Any]
Run = Callable[[Any], Arrays]


def main() -> None:
    """Do the job."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    report: dict[str, Any] = {}
    try:
        import numpy  # noqa: F401

        worker = importlib.import_module(job["worker"])
        if job["convert"]:
            report |= worker.convert(job)
        if job["passes"] or job["timed_runs"]:
            run = worker.load(job)
            for each in job["passes"]:
                _answer(run, job, each)
            report["run_s"] = _times(run, job) if job["timed_runs"] else []
    except ImportError as error:
        report["missing"] = f"{error}"
    except Exception as error:
        report["error"] = f"{error}" or type(error).__name__
    Path(job["report"]).write_text(json.dumps(report), encoding="utf-8")
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)  # of libraries in C
    os._exit(0)  # the job is done, whatever a library does when it is unloaded


def _answer(run: Run, job: dict[str, Any], each: dict[str, Any]) -> None:
    """Run all crops of a pass; a fixed batch is filled with zeros."""
    import numpy as np

    crops, batch = np.load(each["crops"]), each["batch"]
    parts: list[Arrays] = []
    for at in range(0, len(crops), batch):
        rows = crops[at : at + batch]
        if job["fixed_batch"] and len(rows) < batch:
            given = np.concatenate([rows, np.zeros_like(rows[:1]).repeat(batch - len(rows), axis=0)])
        else:
            given = rows
        parts.append([np.array(array[: len(rows)], np.float32) for array in run(np.ascontiguousarray(given))])
    names = [f"output_{index}" for index in range(len(job["outputs"]))]
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    arrays: dict[str, Any] = dict(zip(names, columns, strict=True))
    np.savez(each["answers"], **arrays)


def _times(run: Run, job: dict[str, Any]) -> list[float]:
    """Seconds of single runs of one batch, after a warm-up."""
    import numpy as np

    rng = np.random.default_rng(0)
    batch = rng.standard_normal((job["batch"], 3, job["size"], job["size"])).astype(np.float32)
    times = []
    for index in range(-max(3, job["timed_runs"] // 10), job["timed_runs"]):
        start = time.perf_counter()
        run(batch)
        if index >= 0:
            times.append(time.perf_counter() - start)
    return times


def _end_with_parent() -> None:
    """Kill this process and its children when the process that started it has gone, which closes standard input."""
    os.read(0, 1)  # sys.stdin has a lock, without which Python does not end
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
