"""Suite ``browser``: the JavaScript library in Node and in Chromium beside PoseEngine, one face and several.

Node runs on one thread; Chromium on one, as on a server of files without headers, and on all cores. Each times itself,
one after the other. Poses are compared with PoseEngine's.
"""

from __future__ import annotations

import json
import os
import queue
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.browser.page_server import ISOLATED, serving_page
from benchmarks.harness.suite import Suite, path_option
from benchmarks.harness.timing import Effort, Result
from export.browser.runtime import find_node, find_runtime
from export.browser.site import page_files
from hpe_edge import PoseEngine, open_detector
from hpe_edge.errors import BackendError
from hpe_edge.models import DEFAULT
from hpe_edge.samples import read_photo

COUNTS = (1, 8)
CHROMIUM_S = 900.0

_HERE = Path(__file__).parent
_BOX = (181.0, 88.0, 269.0, 178.0)  # of the sample's face


@dataclass(frozen=True)
class Options:
    detector: Path | None = path_option("of hpe-edge export detector; default: finding is left out", None, "FILE")


@dataclass(frozen=True)
class Work:
    """One frame, its boxes, and the times of a run."""

    frame: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    runs: int
    detector: Path | None

    def plan(self, threads: int) -> str:
        """JSON for measure.mjs."""
        height, width = self.frame.shape[:2]
        plan = {"width": width, "height": height, "boxes": self.boxes.tolist(), "counts": COUNTS, "runs": self.runs}
        return json.dumps(plan | {"threads": threads, "detector": self.detector is not None})

    def rgba(self) -> bytes:
        """Pixels as canvases hold them."""
        return np.asarray(cv2.cvtColor(self.frame, cv2.COLOR_BGR2RGBA)).tobytes()


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    """Run Node, then Chromium on one and on all threads."""
    work = _work(5 if effort.quick else 40, options.detector)
    runtime = find_runtime()
    cores = os.cpu_count() or 1
    yield from _results(work, "Node", 1, _in_node(work, runtime))
    for threads in sorted({1, cores}):
        yield from _results(work, "Chromium", threads, _in_chromium(work, runtime, threads))


def _work(runs: int, detector: Path | None) -> Work:
    frame = cv2.copyMakeBorder(read_photo(), 104, 104, 384, 384, cv2.BORDER_REPLICATE)  # 1280 x 720
    moved = np.random.default_rng(0).uniform(-12, 12, (max(COUNTS), 4)) * (np.arange(max(COUNTS)) > 0)[:, None]
    boxes = np.array(_BOX, np.float32) + np.array([384, 104, 384, 104]) + moved
    return Work(np.asarray(frame, np.uint8), boxes.astype(np.float32), runs, detector)


def _in_node(work: Work, runtime: Path) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        plan, pixels = Path(folder) / "plan.json", Path(folder) / "frame.rgba"
        plan.write_text(work.plan(1), encoding="utf-8")
        pixels.write_bytes(work.rgba())
        command = [find_node(), str(_HERE / "measure_in_node.mjs"), str(runtime), str(plan), str(pixels), str(DEFAULT)]
        command += [] if work.detector is None else [str(work.detector)]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise BackendError(f"Node failed: {_reason(done.stderr)}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _reason(stderr: str) -> str:
    """Find the error's own line in what Node prints: its place, the code there, the error, the stack."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return next((line for line in lines if re.match(r"\w*Error\b", line)), lines[-1] if lines else "it said nothing")


def _in_chromium(work: Work, runtime: Path, threads: int) -> dict[str, Any]:
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise BackendError("this needs a browser: apt-get install chromium")
    # Chromium's children may write for a moment after its end.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        pixels = Path(folder) / "frame.rgba"
        pixels.write_bytes(work.rgba())
        page = page_files(runtime)
        files = {f"export/browser/{name}": path for name, path in page.items() if name.startswith("js/")}
        files |= {name: path for name, path in page.items() if name.startswith("ort/")}
        files |= {f"benchmarks/browser/{name}": _HERE / name for name in ("measure.html", "measure.mjs")}
        files |= {"input/plan.json": work.plan(threads), "input/frame.rgba": pixels, "input/model.onnx": DEFAULT}
        if work.detector is not None:
            files["input/detector.onnx"] = work.detector
        with serving_page(files, ISOLATED if threads > 1 else None) as server:
            sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
            options = ("--headless", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage")
            profile = f"--user-data-dir={folder}/profile"
            command = [program, *options, *sandbox, profile, f"{server.url}benchmarks/browser/measure.html"]
            browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                found: dict[str, Any] = json.loads(server.posted.get(timeout=CHROMIUM_S))
            except queue.Empty:
                raise BackendError(f"Chromium did not finish within {CHROMIUM_S:.0f} s") from None
            finally:
                browser.terminate()
                browser.wait()
    if "error" in found:
        raise BackendError(f"Chromium failed: {found['error']}")
    return found


def _results(work: Work, where: str, threads: int, found: dict[str, Any]) -> Iterator[Result]:
    with PoseEngine(threads=threads) as engine:
        for each in found["poses"]:
            boxes = work.boxes[: each["count"]]
            angles = engine(work.frame, boxes).angles
            figures = {"largest_difference_deg": float(np.abs(np.array(each["angles"]) - angles).max())}
            for name in ("whole", "crop", "network", "decode"):
                figures |= _spread(name, each[f"{name}_ms"])
            figures |= _spread("engine", _times_ms(lambda boxes=boxes: engine(work.frame, boxes), work.runs))  # type: ignore[misc]
            yield Result("poses", {"where": where, "threads": threads, "faces": each["count"]}, figures=figures)
    finding = found["finding"]
    if finding is None or work.detector is None:
        return
    detector = open_detector(work.detector, threads=threads)
    figures = {
        "faces": finding["faces"],
        **_spread("frame", finding["frame_ms"]),
        **_spread("detector", _times_ms(lambda: detector(work.frame), work.runs)),
    }
    yield Result("finding", {"where": where, "threads": threads, "width": 1280, "height": 720}, figures=figures)


def _spread(name: str, times_ms: Sequence[float]) -> dict[str, float]:
    """Return percentiles, and the fastest call: on a busy machine longer calls are interrupted, in a browser most."""
    fastest, p10, median, p90 = np.percentile(times_ms, (0, 10, 50, 90)).tolist()
    return {
        f"{name}_fastest_ms": fastest,
        f"{name}_p10_ms": p10,
        f"{name}_median_ms": median,
        f"{name}_p90_ms": p90,
    }


def _times_ms(call: Callable[[], object], runs: int) -> list[float]:
    """Return the times of single calls in ms."""
    times = []
    for run in range(-3 - runs // 10, runs):
        start = time.perf_counter()
        call()
        if run >= 0:
            times.append(1e3 * (time.perf_counter() - start))
    return times


SUITE = Suite("browser", "the JavaScript library in Node and Chromium beside PoseEngine", _run, Options)
