"""Suite ``triton``: the poses of frames by a Triton server on this machine, beside the engine in this process.

``frame`` times single calls over gRPC. ``load`` lets several clients ask at the same time and counts what the server's
batching joined. All requests carry raw pixels, as ``…_frame`` takes them.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.load import all_at_once
from benchmarks.harness.suite import BudgetLine, Suite, default_or, model_option, option, path_option, positive
from benchmarks.harness.timing import Alternative, Case, Effort, Result, measure
from benchmarks.serving.triton_server import TritonServer
from export.triton import export
from hpe_edge.engine import PoseEngine
from hpe_edge.samples import FOLDER

FACE = (181.0, 88.0, 269.0, 178.0)  # in the bundled photo, 512 x 512
SIZES = ((512, 512), (1280, 720))
FACES = (1, 8)
CLIENTS, REQUESTS, QUICK_REQUESTS = 8, 60, 3
TOLERANCES = {"angles_deg": 1e-2}  # a batch of another size is added up in another order


@dataclass(frozen=True)
class Options:
    server: Path = path_option("Python of an environment with nvidia-pytriton", metavar="PYTHON")
    model: Path | None = model_option()
    clients: int = option(f"at the same time; default {CLIENTS}", CLIENTS, type=positive, metavar="N")


class Client:
    """One connection to the server's frame model."""

    def __init__(self, server: TritonServer) -> None:
        import tritonclient.grpc

        self._library = tritonclient.grpc
        self._grpc = tritonclient.grpc.InferenceServerClient(server.grpc)

    def angles(self, image: NDArray[np.uint8], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the angles ``[N, 3]`` of the faces in degrees."""
        inputs = []
        for name, array, kind in (("FRAME", image, "UINT8"), ("BOXES", boxes, "FP32")):
            inputs.append(self._library.InferInput(name, (1, *array.shape), kind))
            inputs[-1].set_data_from_numpy(array[None])
        answer: NDArray[np.float32] = self._grpc.infer("head_pose_frame", inputs).as_numpy("ANGLES")[0]
        return answer

    def counts(self) -> tuple[int, int]:
        """Return the network's faces and runs so far."""
        before = (-1, -1)
        while True:
            (statistics,) = self._grpc.get_inference_statistics("head_pose_network").model_stats
            counts = statistics.inference_count, statistics.execution_count
            if counts == before:
                return counts
            before = counts
            time.sleep(0.1)  # the server counts a request after its answer

    def close(self) -> None:
        """Close the connection."""
        self._grpc.close()


def scene(width: int, height: int, faces: int) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the photo in a frame of that size, and boxes that differ a little."""
    photo: Any = cv2.imread(str(FOLDER / "astronaut.jpg"))
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:512, :512] = photo
    shifts = np.random.default_rng(0).uniform(-4, 4, (faces, 4))
    return frame, (np.array(FACE) + shifts).astype(np.float32)


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    model = default_or(options.model)
    with tempfile.TemporaryDirectory() as folder, PoseEngine(model) as engine:
        repository = export(model, output=Path(folder) / "repository", backend="python").path
        with TritonServer([repository], Path(folder) / "server", python=options.server) as server:
            server.wait_until_ready()
            client = Client(server)
            for width, height in SIZES:
                for faces in FACES:
                    yield _single(engine, client, width, height, faces, effort)
            yield _load(engine, server, client, options.clients, QUICK_REQUESTS if effort.quick else REQUESTS)
            client.close()


def _single(engine: PoseEngine, client: Client, width: int, height: int, faces: int, effort: Effort) -> Result:
    frame, boxes = scene(width, height, faces)
    parameters: dict[str, str | int] = {
        "model": engine.spec.architecture,
        "width": width,
        "height": height,
        "faces": faces,
    }
    direct = Alternative(
        "engine",
        "PoseEngine in this process",
        partial(engine, frame, boxes),
        lambda poses: {"angles_deg": poses.angles},
    )
    served = Alternative(
        "Triton",
        "head_pose_frame over gRPC, the network in the Python backend",
        partial(client.angles, frame, boxes),
        lambda angles: {"angles_deg": angles},
        TOLERANCES,
    )
    return measure(Case("frame", parameters, [direct, served]), effort)


def _load(engine: PoseEngine, server: TritonServer, client: Client, clients: int, requests: int) -> Result:
    frame, boxes = scene(1280, 720, 1)
    wanted = engine(frame, boxes).angles
    guard, latencies_ms, wrong = threading.Lock(), list[float](), list[float]()
    faces_before, runs_before = client.counts()

    def ask() -> None:
        own = Client(server)
        for _ in range(requests):
            start_s = time.perf_counter()
            angles = own.angles(frame, boxes)
            taken_ms = 1e3 * (time.perf_counter() - start_s)
            off_deg = float(np.abs(angles - wanted).max())
            with guard:
                latencies_ms.append(taken_ms)
                if not off_deg <= TOLERANCES["angles_deg"]:
                    wrong.append(off_deg)
        own.close()

    start_s = time.perf_counter()
    all_at_once([ask] * clients)
    seconds = time.perf_counter() - start_s
    faces, runs = client.counts()
    count = clients * requests
    start_s = time.perf_counter()
    for _ in range(count):
        engine(frame, boxes)
    direct_s = time.perf_counter() - start_s
    figures: dict[str, float | None] = {
        "frames_per_s": round(count / seconds, 2),
        "engine_frames_per_s": round(count / direct_s, 2),
        "network_faces": faces - faces_before,
        "network_runs": runs - runs_before,
        "wrong": len(wrong),
    }
    figures |= {f"p{p}_ms": round(float(np.percentile(latencies_ms, p)), 3) for p in (50, 90, 99)}
    parameters: dict[str, str | int] = {"model": engine.spec.architecture, "width": 1280, "height": 720, "faces": 1}
    return Result("load", {**parameters, "clients": clients, "requests_each": requests}, figures=figures)


def _budget(results: Sequence[Result]) -> list[BudgetLine]:
    lines = [
        BudgetLine(
            f"a call, {r.parameters['width']} x {r.parameters['height']}, {r.parameters['faces']} face(s)",
            "none is set",
            f"{r.row('Triton').ratio.median:.2f} times the engine's time",
            None,
        )
        for r in results
        if r.name == "frame"
    ]
    by = results[-1].figures
    faces, runs = by["network_faces"], by["network_runs"]
    assert faces is not None and runs is not None
    joined = f"{faces:g} faces in {runs:g} runs"
    lines.append(BudgetLine("batching under load", "fewer runs than faces", joined, runs < faces))
    lines.append(BudgetLine("angles under load", "none wrong", f"{by['wrong']:g} wrong", not by["wrong"]))
    return lines


SUITE = Suite("triton", "a Triton server on this machine beside the engine in the process", _run, Options, _budget)
