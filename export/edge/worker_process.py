"""Converters and their runtimes in a process of their own, which may print, hang or crash."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.edge.targets import Target
from hpe_edge.errors import BackendError, InputError, ModelError

LIMIT_S = 900.0  # of one process; the slowest here, rknn-toolkit2 with a ResNet-50, took 60
_SCRIPT = Path(__file__).resolve().with_name("workers") / "run_worker.py"
_LAST_LINES = 3  # of the log, in messages
_NOISE = re.compile(r"\x1b\[[0-9;]*m|[^\r\n]*\r(?!\n)")  # colours, and progress bars that were drawn over


@dataclass(frozen=True)
class Pass:
    """Crops to run: ``[N, 3, size, size]`` of a .npy file, in batches, and the .npz file for the outputs."""

    crops: str
    batch: int
    answers: str


@dataclass(frozen=True)
class Job:
    """Work of one process. Files are named relative to its folder.

    Attributes:
        worker: module of :mod:`export.edge.workers`.
        model: the ONNX file.
        files: to write, or written before, in the order of the target's suffixes.
        input, size: the ONNX file's input.
        outputs: names in the spec's order.
        graph_outputs: names in the graph's order.
        convert: write the files; otherwise they are there.
        fp16: with FP16 weights.
        platform: the chip, of ``rknn``.
        settings: of the runtime.
        fixed_batch: the file takes batches of ``batch`` alone.
        batch: of the timed runs.
        passes: crops to run.
        timed_runs: runs of random numbers to time.
        report: the JSON file to write.
    """

    worker: str
    model: str
    files: tuple[str, ...]
    input: str
    size: int
    outputs: tuple[str, ...]
    graph_outputs: tuple[str, ...]
    convert: bool
    fp16: bool
    platform: str
    settings: dict[str, str | bool]
    fixed_batch: bool
    batch: int
    passes: tuple[Pass, ...] = ()
    timed_runs: int = 0
    report: str = "report.json"


@dataclass
class WorkerProcess:
    """Jobs for a target in one folder.

    Attributes:
        target: the library.
        python: of the environment with its packages; None: this one.
        folder: for all files, and the logs.
        operators: operator types of the graph.
        log: of all jobs so far.
    """

    target: Target
    python: Path | None
    folder: Path
    operators: frozenset[str]
    log: str = field(default="", init=False)

    def run(self, job: Job, doing: str) -> dict[str, Any]:
        """Run a job and return its report.

        Args:
            job: the work.
            doing: names it in messages, such as ``"converting model.onnx"``.

        Raises:
            InputError: ``python`` cannot be started.
            BackendError: a package is missing, or the process crashed or did not end.
            ModelError: the converter or the runtime refuses the model.
        """
        report, log = self.folder / job.report, self.folder / "log.txt"
        report.unlink(missing_ok=True)
        (self.folder / "job.json").write_text(json.dumps(asdict(job)), encoding="utf-8")
        status = self._start(log, doing)
        text = _NOISE.sub("", log.read_bytes().decode("utf-8", "replace"))
        self.log += text
        if status < 0:
            raise BackendError(
                f"{doing} for {self.target.library} crashed with {signal.Signals(-status).name}; nothing was written. "
                f"{self._refusal(text) or _last(text)}"
            )
        found = json.loads(report.read_text(encoding="utf-8")) if status == 0 and report.is_file() else {}
        if "missing" in found:
            raise BackendError(
                f"{doing} for {self.target.library} needs {' and '.join(self.target.packages)}, which cannot be "
                f"imported by {self.python or sys.executable} ({found['missing']}); run: {self.target.installation()}"
            )
        if not found or "error" in found:
            error = str(found.get("error", f"status {status}"))
            if error.startswith("Traceback"):  # rknn-toolkit2's own
                error = error.splitlines()[-1]
            raise ModelError(
                f"{doing} for {self.target.library} failed ({' '.join(error.split())}); nothing was written. "
                f"{self._refusal(f'{text}{chr(10)}{error}') or _last(text)}"
            )
        if refusal := self._refusal(text):
            raise ModelError(f"{doing} for {self.target.library} failed; nothing was written. {refusal}")
        return found

    def answers(self, each: Pass) -> list[NDArray[np.float32]]:
        """The outputs of a pass that was run, in the spec's order."""
        with np.load(self.folder / each.answers) as arrays:
            return [arrays[name] for name in arrays.files]

    def _start(self, log: Path, doing: str) -> int:
        environment = dict(os.environ)
        if self.python is not None:  # another Python cannot use this one's packages
            for name in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"):
                environment.pop(name, None)
        # The process starts in another folder. Links stay: by the one in its bin folder, Python finds an environment.
        command = [str(Path(self.python or sys.executable).absolute()), str(_SCRIPT), "job.json"]
        with log.open("wb") as output:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=self.folder,
                    env=environment,
                    start_new_session=True,
                )
            except OSError as error:
                raise InputError(
                    f"--python {self.python} cannot be started ({error.strerror}); name the Python of an environment, "
                    f"such as {self.target.worker.partition('_')[0]}/bin/python"
                ) from None
            try:
                return process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                raise BackendError(
                    f"{doing} for {self.target.library} did not end within {LIMIT_S:g} s and was stopped; nothing was "
                    f"written. {_last(log.read_bytes().decode('utf-8', 'replace'))}"
                ) from None
            finally:
                with contextlib.suppress(ProcessLookupError):  # the children of one that crashed end as well
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                assert process.stdin is not None
                process.stdin.close()

    def _refusal(self, log: str) -> str:
        """The operators that a log names as refused, in a sentence."""
        found = [name for pattern in self.target.refused for name in re.findall(pattern, log, re.MULTILINE)]
        names = sorted({name for text in found for name in re.findall(r"\w+", text)})
        lower = {name.lower().removeprefix("onnx_") for name in names}  # onnx2tf calls Scaler ONNX_SCALER
        known = sorted(each for each in self.operators if each.lower() in lower) or names
        if not known:
            return ""
        return (
            f"Its converter has no {' and no '.join(known)}: choose another --to, or export the model without "
            f"{'it' if len(known) == 1 else 'them'}"
        )


def _last(log: str) -> str:
    lines: Sequence[str] = [line.strip() for line in _NOISE.sub("", log).splitlines() if line.strip()]
    return f"Its last lines: {' | '.join(lines[-_LAST_LINES:])[-600:]}" if lines else "It printed nothing"
