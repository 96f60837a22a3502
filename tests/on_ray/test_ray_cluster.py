"""Archives on a Ray cluster of this machine with two workers: rows, kills, continuation, HTTP."""

from __future__ import annotations

import json
import os
import runpy
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import staged_detectors
from media import write_video
from run_rows import end_rows, face_rows, rows_of_run
from staged_detectors import EveryFrame, KilledByWidth, KilledOnce

from benchmarks.archives.ray_node import RayNode, ray_node
from hpe_edge import PoseEngine
from hpe_edge.ray import PoseFolder, PosesOfImages, PosesOfVideos, parquet_schema
from hpe_edge.samples import FOLDER
from hpe_edge.sources.open_source import open_source
from hpe_edge.sources.read_picture import read_picture

if find_spec("ray") is None:
    pytest.skip("needs Ray: pip install 'hpe-edge[ray]' 'ray[serve]'", allow_module_level=True)

import ray
from pyarrow import parquet
from ray._private.internal_api import get_memory_info_reply, get_state_from_address

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CPUS = 3  # two for workers, one for reading and writing
FRAMES = 4
Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def node() -> Iterator[RayNode]:
    ray.cloudpickle.register_pickle_by_value(staged_detectors)  # workers do not have pytest's path
    with ray_node(CPUS) as started:
        yield started


def two_workers(uris: list[str], to: Path, retries: int = -1, **options: Any) -> None:
    """One block per video, and one video per worker at a time: those that wait at a killed worker count as tried."""
    videos = ray.data.from_items([{"uri": uri} for uri in uris], override_num_blocks=len(uris))
    rows = videos.flat_map(
        PosesOfVideos,
        fn_constructor_kwargs=options,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=2, max_tasks_in_flight_per_actor=1),
        ray_remote_args_fn=lambda: {"max_task_retries": retries},  # -1 is Ray Data's default
    )
    rows.write_parquet(str(to), schema=parquet_schema())


def rows_in(folder: Path) -> list[Row]:
    return [row for path in sorted(folder.glob("*.parquet")) for row in parquet.read_table(path).to_pylist()]


def by_place(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["uri"], row["face"] is None, row["frame"] or 0, row["face"] or 0))


def clips(folder: Path, count: int, frames: int = 12) -> list[str]:
    return [str(write_video(folder / f"{index}.mp4", frames)) for index in range(count)]


def test_rows_are_those_of_run(data: Path, tmp_path: Path) -> None:
    yunet = str(data / "detectors/yunet_n_320_320.onnx")
    uris = [str(tmp_path / f"{name}.mp4") for name in "ab"]
    for uri in uris:
        Path(uri).symlink_to(data / "video/classroom.mp4")
    missing = str(tmp_path / "missing.mp4")
    two_workers([*uris, missing], tmp_path / "poses", detector=yunet, frames=FRAMES)
    rows = rows_in(tmp_path / "poses")
    for uri in uris:
        usual = rows_of_run(Path(uri), tmp_path / "run.jsonl", "--detector", yunet, "--frames", FRAMES)
        assert face_rows(rows, uri) == usual
        assert [(end["frames"], end["faces"]) for end in end_rows(rows, uri)] == [(FRAMES, len(usual))]
    (end,) = end_rows(rows, missing)
    assert "there is no" in end["error"]
    progress = PoseFolder(str(tmp_path / "poses")).progress([*uris, missing])
    assert (progress.done, list(progress.failed)) == (3, [missing])
    assert {parquet.read_schema(path) for path in (tmp_path / "poses").glob("*.parquet")} == {parquet_schema()}


def test_frames_never_enter_the_object_store(node: RayNode, tmp_path: Path) -> None:
    width, height, frames = 640, 360, 8
    uri = str(write_video(tmp_path / "clip.mp4", frames, width=width, height=height))
    of_frames = frames * height * width * 3

    def stored(job: Callable[[ray.data.Dataset], ray.data.Dataset]) -> int:
        before = bytes_put(node)
        assert job(ray.data.from_items([{"uri": uri}])).materialize().count() >= frames
        return bytes_put(node) - before

    def decoded(row: Row) -> list[Row]:
        return [{"frame": frame.image} for frame in open_source(row["uri"])]

    assert stored(lambda videos: videos.flat_map(decoded)) >= of_frames  # the measure sees frames
    options = {"detector": EveryFrame(), "threads": 1}
    pool = ray.data.ActorPoolStrategy(size=1)
    rows = stored(lambda videos: videos.flat_map(PosesOfVideos, fn_constructor_kwargs=options, compute=pool))
    assert rows < of_frames / 20


def bytes_put(node: RayNode) -> int:
    """Bytes that were put into the object store so far."""
    stats = get_memory_info_reply(get_state_from_address(node.address)).store_stats
    return int(stats.cumulative_created_bytes)


def test_pictures(tmp_path: Path) -> None:
    uris = [*(str(path) for path in sorted(FOLDER.glob("*.jpg"))), str(tmp_path / "missing.jpg")]
    pictures = ray.data.from_items([{"uri": uri} for uri in uris])
    rows = pictures.map_batches(
        PosesOfImages, batch_size=2, num_cpus=1, compute=ray.data.ActorPoolStrategy(size=2)
    ).take_all()
    for uri in uris[:-1]:
        assert face_rows(rows, uri) == rows_of_run(Path(uri), tmp_path / "run.jsonl")
    assert "No such file" in end_rows(rows, uris[-1])[0]["error"]


@pytest.mark.parametrize("block_bytes", [None, 1500])
def test_a_killed_worker_loses_nothing_and_doubles_nothing(tmp_path: Path, block_bytes: int | None) -> None:
    """Also where rows of the video have left the worker: in blocks of 1500 bytes a video is several."""
    uris = clips(tmp_path, 4)
    context = ray.data.DataContext.get_current()
    usual_bytes = context.target_max_block_size
    context.target_max_block_size = block_bytes or usual_bytes
    marker = tmp_path / "killed"
    try:
        two_workers(uris, tmp_path / "poses", detector=KilledOnce(marker, 9))
    finally:
        context.target_max_block_size = usual_bytes
    assert marker.exists()
    direct = PosesOfVideos(detector=EveryFrame(), threads=1)
    assert by_place(rows_in(tmp_path / "poses")) == by_place([row for uri in uris for row in direct({"uri": uri})])
    assert PoseFolder(str(tmp_path / "poses")).resume(uris) == []


def test_a_video_that_kills_every_worker_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deadly, *others = str(write_video(tmp_path / "deadly.mp4", 3, width=128)), *clips(tmp_path, 2, 3)
    monkeypatch.setattr(ray.data.DataContext.get_current(), "max_errored_blocks", 1)
    log, poses = tmp_path / "log", tmp_path / "poses"
    two_workers([deadly, *others], poses, retries=2, detector=KilledByWidth(128, log))
    assert len(log.read_text().splitlines()) == 3
    folder = PoseFolder(str(poses))
    assert folder.progress([deadly, *others]).done == 2
    assert folder.resume([deadly, *others]) == [deadly]
    assert len(rows_in(poses)) == 2 * (3 + 1)


def working() -> set[str]:
    """Process numbers of Ray's workers that pose videos or write their rows."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # ended meanwhile
            if (folder / "cmdline").read_bytes().startswith((b"ray::MapWorker", b"ray::Write")):
                found.add(folder.name)
    return found


def test_a_killed_job_continues(node: RayNode, tmp_path: Path) -> None:
    uris = clips(tmp_path, 4)
    poses = tmp_path / "poses"
    poses.mkdir()
    before = working()
    job = subprocess.Popen(
        [sys.executable, EXAMPLES / "ray_videos.py", poses, *uris],
        env={**os.environ, "RAY_ADDRESS": node.address},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not list(poses.glob("*.parquet")):
            assert job.poll() is None
            time.sleep(0.02)
    finally:
        job.send_signal(signal.SIGKILL)
        job.wait()
    while working() - before:  # they write on until the cluster ends them
        time.sleep(0.05)
    folder = PoseFolder(str(poses))
    left = folder.resume(uris)
    assert [uri for uri in uris if uri not in left] == sorted({row["uri"] for row in rows_in(poses)})
    if left:
        two_workers(left, poses)
    direct = PosesOfVideos(threads=1)
    assert by_place(rows_in(poses)) == by_place([row for uri in uris for row in direct({"uri": uri})])
    assert folder.progress(uris).done == len(uris)


def test_the_example_of_videos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uris = clips(tmp_path, 2, 3)
    monkeypatch.setattr(sys, "argv", ["ray_videos.py", str(tmp_path / "poses"), *uris])
    for _ in range(2):
        runpy.run_path(str(EXAMPLES / "ray_videos.py"), run_name="__main__")
        assert "2 of 2 done: 6 frames" in capsys.readouterr().out
    assert len(end_rows(rows_in(tmp_path / "poses"), uris[0])) == 1


@pytest.mark.skipif(find_spec("starlette") is None, reason="needs Ray Serve: pip install 'ray[serve]'")
def test_serve_answers_pictures(tmp_path: Path) -> None:
    from ray import serve

    app = runpy.run_path(str(EXAMPLES / "ray_serve.py"), run_name="ray_serve")["app"]
    serve.run(app)
    photo = FOLDER / "astronaut.jpg"
    try:
        assert post(photo.read_bytes()) == (200, PoseEngine(threads=1)(read_picture(photo)[0]).to_rows())
        for wrong in (b"", b"no picture"):
            status, answer = post(wrong)
            assert status == 400
            assert "no picture" in answer["error"]
    finally:
        serve.shutdown()


def post(body: bytes) -> tuple[int, Any]:
    request = urllib.request.Request("http://127.0.0.1:8000", body, {"Content-Type": "application/octet-stream"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
