"""Suite ``cameras``: several cameras at one engine, through the batcher and one frame at a time.

All cameras show the same video, each from another frame on, decoded beforehand. ``throughput`` gives every alternative
the same frames as fast as it takes them. ``live`` plays them at the cameras' own rate to streams that drop the oldest
frame, checks that each result is right and in order, and ends with work in flight.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.load import all_at_once, resident_kb
from benchmarks.harness.suite import BudgetLine, Suite, option, path_option, positive
from benchmarks.harness.timing import FEW_RUNS, Alternative, Case, Effort, Result, measure
from benchmarks.suites.video import growth_line
from hpe_edge.batching.batcher import DynamicBatcher
from hpe_edge.batching.camera_stream import CameraStream
from hpe_edge.boxes.boxes_csv import BoxesFile
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import SourceError
from hpe_edge.poses import Poses
from hpe_edge.sources.open_source import open_source
from hpe_edge.util.cores import usable_cores

FRAMES, QUICK_FRAMES = 100, 6  # of the video; 720p takes 2.8 MB each
CAMERAS, FPS = 8, 30.0
LIVE_S, QUICK_LIVE_S = 60.0, 1.0
TOLERANCES = {"angles_deg": 1e-2}  # a batch of another size is added up in another order
CAPACITY, WARMUP_FACES = 2, 8
SAMPLES, WARM = 40, 0.2  # of the memory, after that share of the live run, when every pool and queue is filled
SHARE_LIMIT = 0.9  # of the answered frames, of the worst served camera beside the best


@dataclass(frozen=True)
class Options:
    model: Path = path_option("made by export.onnx", metavar="MODEL.onnx")
    video: Path = path_option("shown by every camera")
    boxes: Path = path_option("its faces, as hpe-edge run --csv writes")
    cameras: int = option(f"default {CAMERAS}", CAMERAS, type=positive, metavar="N")
    workers: int | None = option("of the batcher; default: a core each", None, type=positive, metavar="N")
    max_delay_ms: float = option("of the batcher; default 5", 5.0, type=float, metavar="MS")


class Site:
    """The cameras and the engines."""

    def __init__(self, options: Options, frames: int) -> None:
        boxes = BoxesFile(options.boxes, "video")
        video = itertools.islice(open_source(options.video), frames)
        self.shown = [(frame.image, boxes(frame)) for frame in video]
        if not any(len(found) for _, found in self.shown):
            raise SourceError(f"{options.boxes} has no box in {options.video.name}'s first {len(self.shown)} frames")
        self.cameras, self.max_delay_ms = options.cameras, options.max_delay_ms
        self.workers = options.workers or usable_cores()
        self.engine = PoseEngine(options.model, threads=1)
        self.engine_all_cores = PoseEngine(options.model)
        for engine in (self.engine, self.engine_all_cores):
            engine.warmup(WARMUP_FACES)

    def close(self) -> None:
        """Free the engines."""
        self.engine.close()
        self.engine_all_cores.close()

    def index(self, camera: int, number: int) -> int:
        """Return which frame of the video a camera shows."""
        return (camera * len(self.shown) // self.cameras + number) % len(self.shown)

    def open_batcher(self) -> DynamicBatcher:
        """Open a batcher over the engine of one thread."""
        return DynamicBatcher(self.engine, max_delay_ms=self.max_delay_ms, workers=self.workers)

    def batched(self) -> list[list[Poses]]:
        """Run every camera's frames through the batcher, as fast as it takes them."""
        with self.open_batcher() as batcher:
            streams = [batcher.stream(capacity=CAPACITY) for _ in range(self.cameras)]

            def produce(camera: int) -> None:
                for number in range(len(self.shown)):
                    streams[camera].submit(*self.shown[self.index(camera, number)])
                streams[camera].close()

            found: list[list[Poses]] = [[] for _ in streams]

            def consume(camera: int) -> None:
                found[camera] = [result.poses for result in streams[camera]]

            all_at_once([partial(job, camera) for job in (produce, consume) for camera in range(self.cameras)])
        return found

    def one_by_one(self, engine: PoseEngine) -> list[list[Poses]]:
        """Run the same frames one after the other, in the cameras' order."""
        found: list[list[Poses]] = [[] for _ in range(self.cameras)]
        for number in range(len(self.shown)):
            for camera, of_one in enumerate(found):
                of_one.append(engine(*self.shown[self.index(camera, number)]))
        return found

    def a_thread_each(self) -> list[list[Poses]]:
        """Run each camera's frames one after the other, all cameras at the same time."""
        found: list[list[Poses]] = [[] for _ in range(self.cameras)]

        def work(camera: int) -> None:
            for number in range(len(self.shown)):
                found[camera].append(self.engine(*self.shown[self.index(camera, number)]))

        all_at_once([partial(work, camera) for camera in range(self.cameras)])
        return found


def _answer(found: list[list[Poses]]) -> dict[str, NDArray[np.float32]]:
    return {"angles_deg": np.concatenate([poses.angles for of_one in found for poses in of_one])}


class Live:
    """One run at the cameras' own rate for so many seconds, with the expected angles of each frame of the video."""

    def __init__(self, site: Site, seconds: float, expected: Sequence[NDArray[np.float32]]) -> None:
        self._site, self._seconds, self._expected = site, seconds, expected
        self._frames = round(seconds * FPS)
        # Allocated now, so that growth of the memory is the batcher's.
        self._latencies_ms = np.full((site.cameras, self._frames), np.nan)
        self._answered = [0] * site.cameras
        self.disordered = self.failed = self.wrong = 0
        self.resident_kb: list[float | None] = []
        self.streams: list[CameraStream] = []
        self._guard = threading.Lock()

    def run(self) -> None:
        """Play, watch the memory, and end with work in flight."""
        site = self._site
        with site.open_batcher() as batcher:
            self.streams = [batcher.stream(capacity=CAPACITY, on_full="drop_oldest") for _ in range(site.cameras)]
            self._start_s = time.perf_counter()
            playing, consuming = (
                [threading.Thread(target=work, args=(camera,)) for camera in range(site.cameras)]
                for work in (self._play, self._consume)
            )
            for thread in (*consuming, *playing):
                thread.start()
            for sample in range(SAMPLES):
                self._sleep_until(self._seconds * (WARM + (1 - WARM) * sample / SAMPLES))
                self.resident_kb.append(resident_kb())
            for thread in playing:
                thread.join()
        for thread in consuming:
            thread.join()

    def _sleep_until(self, at_s: float) -> None:
        time.sleep(max(0.0, self._start_s + at_s - time.perf_counter()))

    def _play(self, camera: int) -> None:
        site = self._site
        for number in range(self._frames):
            self._sleep_until((number + camera / site.cameras) / FPS)  # cameras are not in step
            index = site.index(camera, number)
            self.streams[camera].submit(*site.shown[index], tag=(index, time.perf_counter()))

    def _consume(self, camera: int) -> None:
        last = -1
        for result in self.streams[camera]:
            index, brought_s = result.tag
            self._latencies_ms[camera, self._answered[camera]] = 1e3 * (time.perf_counter() - brought_s)
            self._answered[camera] += 1
            in_order = result.number > last and index == self._site.index(camera, result.number)
            last = result.number
            right = result.error is None and _close(result.poses.angles, self._expected[index])
            with self._guard:
                self.disordered += not in_order
                self.failed += result.error is not None
                self.wrong += not right

    def figures(self) -> dict[str, float | None]:
        """Return counts and latencies by camera, and over all."""
        figures: dict[str, float | None] = {}
        answered = self._answered
        submitted, dropped = ([getattr(s, what) for s in self.streams] for what in ("submitted", "dropped"))
        for camera, of_one in enumerate(self._latencies_ms):
            name = f"camera_{camera + 1}"
            counts = {"submitted": submitted, "answered": answered, "dropped": dropped}
            figures |= {f"{name}_{what}": values[camera] for what, values in counts.items()}
            own = of_one[: answered[camera]]
            for p in (50, 90, 99):
                figures[f"{name}_p{p}_ms"] = round(float(np.percentile(own, p)), 3) if len(own) else None
        known = [kb for kb in self.resident_kb if kb is not None]
        quarters = [float(np.median(part)) for part in np.array_split(known, 4)] if len(known) == SAMPLES else []
        figures |= {"answered_least": min(answered), "answered_most": max(answered)}
        figures |= {"lost": sum(submitted) - sum(answered) - sum(dropped), "out_of_order": self.disordered}
        figures |= {"failed": self.failed, "wrong": self.wrong}
        figures |= {f"resident_quarter_{k + 1}_kb": quarters[k] if quarters else None for k in range(4)}
        return {**figures, "growth_kb": quarters[-1] - quarters[0] if quarters else None}


def _close(got: NDArray[np.float32], wanted: NDArray[np.float32]) -> bool:
    return got.shape == wanted.shape and bool(np.abs(got - wanted).max(initial=0.0) <= TOLERANCES["angles_deg"])


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    site = Site(options, QUICK_FRAMES if effort.quick else FRAMES)
    try:
        parameters: dict[str, str | int] = {
            "model": site.engine.spec.architecture,
            "video": options.video.name,
            "cameras": site.cameras,
            "workers": site.workers,
            "max_delay_us": round(1e3 * site.max_delay_ms),
            "max_faces": site.engine.batch,
            "frames_each": len(site.shown),
            "faces_each": sum(len(boxes) for _, boxes in site.shown),
        }
        one, every = partial(site.one_by_one, site.engine), partial(site.one_by_one, site.engine_all_cores)
        others = (
            ("one at a time", "one after the other, one thread", one),
            ("one at a time, all cores", "one after the other, the network on all cores", every),
            ("a thread per camera", "plain calls from as many threads", site.a_thread_each),
        )
        alternatives = [Alternative("batcher", "all cameras through DynamicBatcher", site.batched, _answer)]
        alternatives += [Alternative(name, what, call, _answer, TOLERANCES) for name, what, call in others]
        yield measure(Case("throughput", parameters, alternatives), effort if effort.quick else FEW_RUNS)
        seconds = QUICK_LIVE_S if effort.quick else LIVE_S
        live = Live(site, seconds, [site.engine(frame, boxes).angles for frame, boxes in site.shown])
        live.run()
        yield Result("live", {**parameters, "fps": int(FPS), "seconds": int(seconds)}, figures=live.figures())
    finally:
        site.close()


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    throughput, live = results
    by = live.figures
    ratio = throughput.row("one at a time").ratio.median
    least, most = by["answered_least"], by["answered_most"]
    bad = [f"{by[what]:g} {what.replace('_', ' ')}" for what in ("lost", "out_of_order", "failed", "wrong") if by[what]]
    assert least is not None and most is not None
    fair = least >= min(SHARE_LIMIT * most, most - 1)
    share = f">= {SHARE_LIMIT:g} times as many frames, or one fewer"
    return [
        BudgetLine(
            "results of the live run", "each in order, right, none lost", ", ".join(bad) or "all of it", not bad
        ),
        BudgetLine("the worst served camera beside the best", share, f"{least:g} and {most:g}", fair),
        growth_line(f"resident memory over {live.parameters['seconds']} s", by["growth_kb"]),
        BudgetLine("one frame at a time beside the batcher", "none is set", f"{ratio:.2f} times as long", None),
    ]


SUITE = Suite("cameras", "several cameras at one engine: throughput, fairness, order", _run, Options, _budget)
