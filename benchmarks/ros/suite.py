"""Suite ``ros``: the messages of a frame, encoded and written to MCAP, beside a call of the engine and a CSV record."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.harness.suite import NoOptions, Suite
from benchmarks.harness.timing import Alternative, Case, Effort, Result, measure
from hpe_edge import Camera, PoseEngine
from hpe_edge.pipeline.frame_result import Result as FrameResult
from hpe_edge.ros.mcap_file import McapFile
from hpe_edge.samples import BOXES, PHOTO, read_photo
from hpe_edge.sinks.records import CsvFile
from hpe_edge.sources.frame import Frame

FACES = (1, 8)
CAMERA = Camera(600, 600, 256, 256)


def _run(options: NoOptions, effort: Effort) -> Iterator[Result]:
    name, *numbers = BOXES.read_text().splitlines()[1].split(",")
    assert name == PHOTO.name
    picture = read_photo()
    for count in FACES:
        boxes = np.repeat(np.array([numbers[:4]], np.float32), count, axis=0)
        with tempfile.TemporaryDirectory() as folder, PoseEngine(threads=1) as engine:
            poses = engine(picture, boxes, camera=CAMERA)
            result = FrameResult(Frame(name, 0, 0.0, picture), poses, CAMERA)
            mcap = McapFile(Path(folder) / "poses.mcap", live=False)
            table = CsvFile(Path(folder) / "poses.csv")
            yield measure(_case(count, engine, picture, boxes, result, mcap, table), effort)
            for sink in (mcap, table):
                sink.finish()
                if sink.pending is not None:
                    sink.pending.discard()


def _case(
    count: int,
    engine: PoseEngine,
    picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]],
    boxes: np.ndarray[tuple[int, ...], np.dtype[np.float32]],
    result: FrameResult,
    mcap: McapFile,
    table: CsvFile,
) -> Case:
    return Case(
        "record",
        {"faces": count},
        [
            Alternative("engine", "PoseEngine on the photo", lambda: engine(picture, boxes), lambda _: {}),
            Alternative("MCAP", "messages, CDR and chunks", lambda: mcap.write(result), lambda _: {}),
            Alternative("CSV", "rows", lambda: table.write(result), lambda _: {}),
        ],
    )


SUITE = Suite("ros", "ROS 2 records in MCAP beside the engine and CSV", _run, NoOptions)
