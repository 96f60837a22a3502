"""Run of a part: its steps in order, within one budget of time, each result kept at once."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from tools.gpu_day.bounded import run_bounded
from tools.gpu_day.carrying.provenance import Provenance
from tools.gpu_day.step import (
    SKIP_STATUS,
    Outcome,
    Status,
    Step,
    find_program,
    read_outcome,
    write_json,
    write_outcome,
)

RESULTS = "benchmarks/results"
RESERVE_S = 5.0  # of the budget, for the last archive
LEAST_S = 3.0  # a step is not started for less
MOST_RESULT_BYTES = 8 << 20


class Day:
    """One part of the GPU day in a checkout.

    Args:
        part: its name, such as ``"part1"``.
        root: the checkout.
        carried: folder made by ``pack``.
        out: where the archive and the summary are written, after every step.
    """

    def __init__(self, part: str, root: Path, carried: Path, out: Path) -> None:
        self._part, self._root, self._carried, self._out = part, root, carried, out
        self._work = root / "build" / "gpu_day"
        self._folder = self._work / "results" / part
        self._provenance = Provenance(root, carried)
        self._outcomes: dict[str, Outcome] = {}
        self._documents: set[str] = set()
        self._warned = ""

    def run(self, steps: Sequence[Step], budget_s: float) -> list[Outcome]:
        """Run the steps, and print and write the summary; return the outcomes.

        A step may use all time but what later ones are promised. Steps that passed in an earlier call on the same
        sources are not run again.
        """
        end = time.monotonic() + budget_s - RESERVE_S
        print(f"{self._part}: {len(steps)} steps in {budget_s:g} s; {self._provenance.describe()}", flush=True)
        self._documents = {name for step in steps if step.is_benchmark for name in step.results}
        for index, step in enumerate(steps):
            later_s = sum(each.promised_s for each in steps[index + 1 :])
            left_s = end - time.monotonic()
            # A late start is shared: no step loses its turn to those before it.
            limit_s = max(left_s - later_s, left_s * step.promised_s / (step.promised_s + later_s))
            self._outcomes[step.name] = self._earlier(step) or self._run(step, limit_s)
            print(self._outcomes[step.name].line, flush=True)
            self._keep()
        outcomes = list(self._outcomes.values())
        print(f"\n{self.summary()}", flush=True)
        return outcomes

    def summary(self) -> str:
        """Return the outcomes as text."""
        passed = sum(outcome.status == "passed" for outcome in self._outcomes.values())
        lines = [outcome.line for outcome in self._outcomes.values()]
        head = f"{self._part} on {self._machine()}: {passed} of {len(lines)} steps passed"
        return "\n".join([head, self._provenance.describe(), *lines, *([self._warned] if self._warned else [])])

    def _earlier(self, step: Step) -> Outcome | None:
        outcome = read_outcome(self._folder / step.name / "outcome.json")
        if outcome is None or outcome.status != "passed" or not outcome.tree or outcome.tree != self._provenance.tree:
            return None
        return outcome

    def _run(self, step: Step, limit_s: float) -> Outcome:
        folder = self._folder / step.name
        shutil.rmtree(folder, ignore_errors=True)
        if reason := self._missing(step) or (f"no time is left for it ({limit_s:.1f} s)" if limit_s < LEAST_S else ""):
            return self._noted(step, "skipped", reason, None, 0.0, limit_s, [])
        command = step.filled_in(folder, limit_s)
        if step.program:
            command[0] = find_program(step.program) or command[0]
        self._noted(step, "running", "it was not ended", None, 0.0, limit_s, command)
        scratch = self._work / "scratch"
        try:
            scratch.mkdir(parents=True, exist_ok=True)
            ended = run_bounded(
                command,
                folder / "log.txt",
                limit_s,
                self._environment(step, scratch),
                self._root,
                meanwhile=self._keep,
            )
        except OSError as error:  # of the disk
            return self._noted(step, "failed", f"it could not be run: {error}", None, 0.0, limit_s, command)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)  # whatever filled the disk
        status: Status = "passed" if ended.exit_status == 0 else "failed"
        reason = "" if status == "passed" else ended.last_line or f"exit status {ended.exit_status}, no output"
        if ended.timed_out:
            status, reason = "timed out", f"killed after {limit_s:.0f} s; {reason}"
        elif ended.exit_status == SKIP_STATUS:
            status = "skipped"
        broken = self._check_results(step, folder)
        if broken and status == "passed":
            status, reason = "failed", broken
        reason = "; ".join(filter(None, (reason, ended.log_error)))
        return self._noted(step, status, reason, ended.exit_status, ended.seconds, limit_s, command)

    def _missing(self, step: Step) -> str:
        for name in step.needs:
            if (needed := self._outcomes.get(name)) is None or needed.status != "passed":
                return f"it needs {name}, which has not passed"
        if step.program and find_program(step.program) is None:
            return f"{step.program} is not installed"
        if step.carried and not (self._carried / step.carried).exists():
            return f"{self._carried.name}/{step.carried} was not carried"
        return ""

    def _environment(self, step: Step, scratch: Path) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(self._root), os.environ.get("PYTHONPATH"))))
        programs = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/local/cuda/bin"]
        own = {
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HPE_EDGE_REQUIRE_CUDA": "1",
            "HPE_EDGE_OFFLINE": "1",
            "TMPDIR": str(scratch),
            "PATH": os.pathsep.join(programs),
        }
        carried = {name: text.replace("{work}", str(self._work)) for name, text in step.environment.items()}
        if "PYTHONPATH" in carried:
            carried["PYTHONPATH"] = os.pathsep.join([carried["PYTHONPATH"], path])
        return {**os.environ, **own, **carried}

    def _check_results(self, step: Step, folder: Path) -> str:
        """Return an error for results that are missing, too large or no JSON; broken ones are renamed."""
        errors = []
        for name in step.results:
            path = folder / name
            try:
                if path.stat().st_size > MOST_RESULT_BYTES:
                    raise ValueError(f"larger than {MOST_RESULT_BYTES >> 20} MiB")
                document = json.loads(path.read_text())
                if self._provenance.fill_in(document) and (error := write_json(path, document)):
                    raise OSError(error)
            except FileNotFoundError:
                errors.append(f"{name} was not written")
            except (OSError, ValueError) as error:
                errors.append(f"{name} is not complete JSON ({error})")
                if path.exists():
                    path.replace(path.with_name(f"{name}.broken"))
        return "; ".join(errors)

    def _noted(
        self,
        step: Step,
        status: Status,
        reason: str,
        exit_status: int | None,
        seconds: float,
        limit_s: float,
        command: Sequence[str],
    ) -> Outcome:
        limit_s = round(max(limit_s, 0), 1)
        outcome = Outcome(step.name, status, reason, exit_status, seconds, limit_s, command, self._provenance.tree)
        self._warn(write_outcome(self._folder / step.name / "outcome.json", outcome))
        return outcome

    def _machine(self) -> str:
        """Return the GPU's name as files have it."""
        try:
            facts: dict[str, Any] = json.loads((self._folder / "machine" / "machine.json").read_text())
            return "-".join(str(facts["gpu"]).lower().split())
        except (OSError, ValueError, KeyError):
            return "no-gpu"

    def _keep(self) -> None:
        """Write summary and archive, laid out as they are to be committed; errors are noted only."""
        archive = self._out / f"gpu-day-{self._part}.tar.gz"
        temporary = archive.with_name(f".{archive.name}")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            (self._folder / "summary.txt").write_text(self.summary() + "\n")
            self._out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._folder / "summary.txt", self._out / f"gpu-day-{self._part}.txt")
            with tarfile.open(temporary, "w:gz", compresslevel=6) as packed:
                packed.add(self._folder, f"{RESULTS}/gpu_day/{self._machine()}/{self._part}", filter=self._placed)
            temporary.replace(archive)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            self._warn(f"{archive.name} could not be written: {error.strerror or error}")

    def _placed(self, entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        """Put the documents of finished benchmarks beside those of other machines; leave out links and large files."""
        if not entry.isdir() and not (entry.isfile() and entry.size <= MOST_RESULT_BYTES):
            return None
        step, name = PurePosixPath(entry.name).parts[-2:]
        outcome = self._outcomes.get(step)
        if name in self._documents and outcome is not None and outcome.status == "passed":
            entry.name = f"{RESULTS}/{self._machine()}-{name}"
        return entry

    def _warn(self, message: str) -> None:
        if message and message != self._warned:
            self._warned = message
            print(f"WARNING: {message}", flush=True)
