"""Command bench: stage-by-stage measurement of a model."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.bench.measure import bench_model
from hpe_edge.cli.argument_types import add_engine_arguments
from hpe_edge.util.atomic import Pending, output_error
from hpe_edge.util.console import show
from hpe_edge.util.shell import CommandParser, whole_number

_DESCRIPTION = """\
Measure a model on a face of the bundled photo: the time of each stage (crop, infer, decode), of a whole call, and faces
per second, for several batch sizes. Repeated calls must give the same poses, else nothing is reported. Calls with and
without the stage timer alternate, so the total is free of its cost. Where sensors can be read, power is reported.
"""


@dataclass(frozen=True)
class BenchOptions:
    """Arguments of ``hpe-edge bench``; see :func:`hpe_edge.bench.measure.bench_model`.

    Attributes:
        json: file for the report.
    """

    model: Path | None
    detector: Path | None
    batch: tuple[int, ...]
    seconds: float
    device: str | None
    backend: BackendName | None
    precision: Precision | None
    threads: int | None
    json: Path | None


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge bench``; returns the exit status."""
    parser = CommandParser(prog="hpe-edge bench", description=_DESCRIPTION)
    parser.add_argument(
        "model", type=Path, nargs="?", metavar="MODEL", help="made by hpe-edge export; default: the embedded model"
    )
    parser.add_argument("--detector", type=Path, metavar="NAME", help="face detector to measure as well, name or file")
    parser.add_argument(
        "--batch", type=_batches, default=(1, 4, 16), metavar="N,...", help="faces per call; default: 1,4,16"
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=2.0, metavar="S", help="measuring time per batch size; default: 2"
    )
    add_engine_arguments(parser)
    parser.add_argument(
        "--threads", type=whole_number(1, 9999), metavar="N", help="CPU threads; default: the backend's, all cores"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the report as JSON; an existing file is replaced"
    )
    bench(BenchOptions(**vars(parser.parse_args(argv))))
    return 0


def bench(options: BenchOptions) -> None:
    """Measure the model, print the table and write the JSON file."""
    pending = None if options.json is None else Pending(options.json)  # checks that it can be written
    try:
        report = bench_model(
            options.model,
            detector=options.detector,
            batches=options.batch,
            seconds=options.seconds,
            device=options.device,
            backend=options.backend,
            precision=options.precision,
            threads=options.threads,
        )
        show(report.to_text())
        if pending is not None:
            try:
                pending.temp.write_text(report.to_json(), encoding="utf-8")
            except OSError as error:
                raise output_error(pending.path, error) from None
            pending.commit()
    finally:
        if pending is not None:
            pending.discard()


def _batches(text: str) -> tuple[int, ...]:
    one = whole_number(1, 4096)
    return tuple(one(part) for part in text.split(","))


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,3})?", text):
        raise argparse.ArgumentTypeError(f"must be seconds, such as 2 or 0.5, got {text!r}")
    return float(text)
