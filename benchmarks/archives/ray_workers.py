"""Suite ``ray``: videos on a Ray cluster of this machine beside the same work in one process.

A worker per core, each with one thread, writes Parquet; beside it one process with all cores, and one with one thread,
that only collect the rows. The rows must be the same. Starting the cluster is timed on its own, and so is the job from
its begin to its end, with the workers' own start.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.archives.ray_node import ray_node
from benchmarks.harness.suite import Suite, default_or, model_option, option, path_option, positive
from benchmarks.harness.timing import Effort, Result, WrongAnswerError
from hpe_edge.bench.environment import usable_cores
from hpe_edge.errors import BackendError
from hpe_edge.ray import PosesOfVideos, parquet_schema
from hpe_edge.sinks.records import Field, Row

QUICK_FRAMES = 4
TOLERANCE = 0.011  # pixels and degrees: a network with another number of threads adds in another order


@dataclass(frozen=True)
class Options:
    video: Path = path_option("with faces")
    detector: Path = path_option("SCRFD or YuNet", metavar="FILE.onnx")
    model: Path | None = model_option()
    videos: int = option("number of times that the video is read", 4, type=positive, metavar="N")


def run(options: Options, effort: Effort) -> Iterator[Result]:
    """Run the same videos in each way."""
    if find_spec("ray") is None:
        raise BackendError("the suite needs Ray; run pip install 'hpe-edge[ray]'")
    cores = usable_cores()
    work = {
        "model": str(default_or(options.model)),
        "detector": str(options.detector.absolute()),
        "frames": QUICK_FRAMES if effort.quick else None,
    }
    with tempfile.TemporaryDirectory() as folder:
        uris = [str(Path(folder) / f"{index}{options.video.suffix}") for index in range(options.videos)]
        for uri in uris:
            Path(uri).symlink_to(options.video.absolute())
        all_cores_s, expected = _in_one_process(uris, work, cores)
        one_core_s, again = _in_one_process(uris, work, 1)
        _same(expected, again)
        figures = _on_ray(uris, work, cores, Path(folder) / "poses", expected)
    frames = sum(int(row["frames"] or 0) for row in expected)
    faces = sum(int(row["faces"] or 0) for row in expected)
    times = {"one_core": one_core_s, "all_cores": all_cores_s, "ray": figures["job_s"]}
    figures |= {f"{name}_frames_per_s": frames / seconds for name, seconds in times.items()}
    parameters = {"video": options.video.name, "detector": options.detector.stem, "videos": len(uris), "workers": cores}
    yield Result("videos", {**parameters, "frames": frames, "faces": faces}, figures=figures)


def _in_one_process(uris: list[str], work: dict[str, Any], threads: int) -> tuple[float, list[Row]]:
    worker = PosesOfVideos(**work, threads=threads)
    start_s = time.perf_counter()
    rows = [row for uri in uris for row in worker({"uri": uri})]
    return time.perf_counter() - start_s, rows


def _on_ray(uris: list[str], work: dict[str, Any], workers: int, to: Path, expected: list[Row]) -> dict[str, float]:
    import ray
    from pyarrow import parquet

    start_s = time.perf_counter()
    # One logical CPU more than there are cores, for the tasks that write.
    with ray_node(workers + 1):
        begin_s = time.perf_counter()
        videos = ray.data.from_items([{"uri": uri} for uri in uris], override_num_blocks=len(uris))
        pool = ray.data.ActorPoolStrategy(size=workers)
        rows = videos.flat_map(PosesOfVideos, fn_constructor_kwargs=work, num_cpus=1, compute=pool)
        rows.write_parquet(str(to), schema=parquet_schema())
        end_s = time.perf_counter()
    files = sorted(to.glob("*.parquet"))
    written = [row for path in files for row in parquet.read_table(path).to_pylist()]
    places = {uri: place for place, uri in enumerate(uris)}
    _same(expected, sorted(written, key=lambda row: places[row["uri"]]))
    bytes_per_row = sum(path.stat().st_size for path in files) / len(written)
    return {"cluster_start_s": begin_s - start_s, "job_s": end_s - begin_s, "parquet_bytes_per_row": bytes_per_row}


def _same(expected: list[Row], found: list[Row]) -> None:
    pairs = zip(expected, found, strict=False)
    if len(expected) != len(found) or not all(_alike(a[name], b[name]) for a, b in pairs for name in a):
        raise WrongAnswerError(f"the rows differ: {len(expected)} with all cores, {len(found)} in the other run")


def _alike(one: Field, other: Field) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE
    return one == other


SUITE = Suite("ray", "videos on a Ray cluster of this machine, beside one process", run, Options)
