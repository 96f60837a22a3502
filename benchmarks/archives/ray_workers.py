"""Suite ``ray``: videos on a Ray cluster of this machine beside the same work in one process.

A worker per core, each with one thread, writes Parquet; beside it one process with one thread, and one with all cores,
that only collect the rows. The three take turns. Ray's rows must be those of one thread, with every digit. Processor
times are those of all processes that take part. The start of the cluster is timed on its own. A job includes the start
of its workers; one of a frame per video is that and little more. ``resume`` is the scan of a folder with a file per
video.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from benchmarks.archives.ray_node import ray_node
from benchmarks.harness.suite import Suite, default_or, model_option, option, path_option, positive
from benchmarks.harness.timing import Effort, Result, WrongAnswerError
from hpe_edge.errors import BackendError
from hpe_edge.ray.parquet_schema import end_row, parquet_schema
from hpe_edge.sinks.records import Field, Row
from hpe_edge.util.cores import usable_cores

if TYPE_CHECKING:
    import pyarrow

ROUNDS, QUICK_FRAMES = 3, 4
FILES, QUICK_FILES = 300, 10
ROWS_OF_A_FILE = 10_500  # a minute of seven faces at 25 frames per second
TOLERANCE = 0.011  # pixels and degrees: a network with another number of threads adds in another order


@dataclass(frozen=True)
class Options:
    video: Path = path_option("with faces")
    detector: Path = path_option("SCRFD or YuNet", metavar="FILE.onnx")
    model: Path | None = model_option()
    videos: int = option("number of times that the video is read", 4, type=positive, metavar="N")
    frames: int | None = option("of each video; default: all", None, type=positive, metavar="N")


def run(options: Options, effort: Effort) -> Iterator[Result]:
    """Run the same videos in each way."""
    if find_spec("ray") is None:
        raise BackendError("the suite needs Ray; run pip install 'hpe-edge[ray]'")
    cores = usable_cores()
    work = {
        "model": str(default_or(options.model)),
        "detector": str(options.detector.absolute()),
        "frames": QUICK_FRAMES if effort.quick else options.frames,
    }
    clocks = {name: Clocks() for name in ("one_core", "all_cores", "ray", "smallest_job")}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        uris = [str(folder / f"{index}{options.video.suffix}") for index in range(options.videos)]
        for uri in uris:
            Path(uri).symlink_to(options.video.absolute())
        start_s = time.perf_counter()
        # One logical CPU more than there are cores, for the tasks that write.
        with ray_node(cores + 1) as node:
            cluster_start_s = time.perf_counter() - start_s

            def both_s() -> float:
                return time.process_time() + node.processes.processor_s()

            for turn in range(1 if effort.quick else ROUNDS):
                to = folder / f"{turn}"
                expected = clocks["one_core"].time(time.process_time, _in_one_process, uris, work, 1)
                on_all = clocks["all_cores"].time(time.process_time, _in_one_process, uris, work, cores)
                clocks["ray"].time(both_s, _on_ray, uris, work, cores, to)
                smallest = {**work, "frames": 1}, cores, folder / f"{turn} smallest"
                clocks["smallest_job"].time(both_s, _on_ray, uris, *smallest)
                _compare(expected, on_all, TOLERANCE)
                _compare(expected, _rows_in(to, uris), 0)
        files = list(to.glob("*.parquet"))
        bytes_per_row = sum(path.stat().st_size for path in files) / len(expected)
        in_store = _table(expected).nbytes / len(expected)
    frames, faces = (sum(int(row[name] or 0) for row in expected) for name in ("frames", "faces"))
    figures: dict[str, float | None] = {"cluster_start_s": round(cluster_start_s, 2)}
    for name, clock in clocks.items():
        figures |= {f"{name}_s": round(median(clock.wall_s), 2)}
        figures |= {f"{name}_processor_s": round(median(clock.processor_s), 2)}
    for name in ("one_core", "all_cores", "ray"):
        figures[f"{name}_frames_per_s"] = round(frames / median(clocks[name].wall_s), 2)
    figures |= {"parquet_bytes_per_row": round(bytes_per_row, 1), "arrow_bytes_per_row": round(in_store, 1)}
    yield Result(
        "videos",
        {
            "video": options.video.name,
            "detector": options.detector.stem,
            "videos": len(uris),
            "workers": cores,
            "frames": frames,
            "faces": faces,
        },
        figures=figures,
    )
    yield _resume(QUICK_FILES if effort.quick else FILES)


@dataclass
class Clocks:
    """Times of each round: by the clock, and of processors, which other programs change little."""

    wall_s: list[float] = field(default_factory=list)
    processor_s: list[float] = field(default_factory=list)

    def time(self, processor_s: Callable[[], float], job: Callable[..., Any], *arguments: Any) -> Any:
        """Run a job, note its times and return its result."""
        wall_s, used_s = time.perf_counter(), processor_s()
        result = job(*arguments)
        self.wall_s.append(time.perf_counter() - wall_s)
        self.processor_s.append(processor_s() - used_s)
        return result


def _in_one_process(uris: list[str], work: dict[str, Any], threads: int) -> list[Row]:
    from hpe_edge.ray import PosesOfVideos

    worker = PosesOfVideos(**work, threads=threads)
    return [row for uri in uris for row in worker({"uri": uri})]


def _on_ray(uris: list[str], work: dict[str, Any], workers: int, to: Path) -> None:
    import ray

    from hpe_edge.ray import PosesOfVideos

    videos = ray.data.from_items([{"uri": uri} for uri in uris], override_num_blocks=len(uris))
    pool = ray.data.ActorPoolStrategy(size=workers)
    rows = videos.flat_map(PosesOfVideos, fn_constructor_kwargs=work, num_cpus=1, compute=pool)
    rows.write_parquet(str(to), schema=parquet_schema())


def _rows_in(folder: Path, uris: list[str]) -> list[Row]:
    from pyarrow import parquet

    written = [row for path in sorted(folder.glob("*.parquet")) for row in parquet.read_table(path).to_pylist()]
    places = {uri: place for place, uri in enumerate(uris)}
    return sorted(written, key=lambda row: places[row["uri"]])


def _resume(files: int) -> Result:
    from pyarrow import parquet

    from hpe_edge.ray import PoseFolder

    clock = Clocks()
    with tempfile.TemporaryDirectory() as folder:
        uris = [f"{index}.mp4" for index in range(files)]
        for uri in uris:
            face = dict.fromkeys(parquet_schema().names) | {"uri": uri, "frame": 0, "face": 0, "yaw_deg": 0.0}
            end = end_row(uri, uri, frames=1, faces=ROWS_OF_A_FILE, error=None, notes=[])
            parquet.write_table(_table([*[face] * ROWS_OF_A_FILE, end]), f"{folder}/{uri}.parquet")
        for _ in range(ROUNDS):
            left = clock.time(time.process_time, PoseFolder(folder).resume, uris)
            if left:
                raise WrongAnswerError(f"{len(left)} of {files} videos are not done")
    wall_ms, processor_ms = (1e3 * median(each) / files for each in (clock.wall_s, clock.processor_s))
    parameters = {"files": files, "rows_each": ROWS_OF_A_FILE}
    return Result("resume", parameters, figures={"ms": round(wall_ms, 3), "processor_ms": round(processor_ms, 3)})


def _table(rows: list[Row]) -> pyarrow.Table:
    import pyarrow

    return pyarrow.Table.from_pylist(rows, schema=parquet_schema())


def _compare(expected: list[Row], found: list[Row], tolerance: float) -> None:
    pairs = zip(expected, found, strict=False)
    if len(expected) != len(found) or not all(_alike(a[name], b[name], tolerance) for a, b in pairs for name in a):
        raise WrongAnswerError(f"the rows differ: {len(expected)} with one thread, {len(found)} in the other run")


def _alike(one: Field, other: Field, tolerance: float) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= tolerance
    return one == other


SUITE = Suite("ray", "videos on a Ray cluster of this machine, beside one process", run, Options)
