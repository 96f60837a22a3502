"""The command. Exit status: 0 done, whatever the times; 1 a failure or wrong answers; 2 wrong usage; 130 Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2

from benchmarks import (
    accuracy,
    cameras,
    card,
    cuda,
    endurance,
    engine,
    ops,
    pipeline,
    precision,
    rectification,
    smoothing,
)
from benchmarks.environment import environment
from benchmarks.report import document, heading, table, verdicts
from benchmarks.suite import Suite
from benchmarks.timing import FULL, QUICK, Result
from hpe_edge.atomic import Pending
from hpe_edge.errors import HpeEdgeError

SUITES: tuple[Suite, ...] = (
    ops.SUITE,
    engine.SUITE,
    pipeline.SUITE,
    endurance.SUITE,
    cameras.SUITE,
    accuracy.SUITE,
    card.SUITE,
    precision.SUITE,
    rectification.SUITE,
    smoothing.SUITE,
    cuda.SUITE,
)

_EPILOG = """\
Before anything is timed, the answers of all alternatives are compared; where they differ by more than the stated
tolerance, nothing is timed and the exit status is 1. A time never fails a benchmark: the budget at the end informs.

examples:
  python -m benchmarks ops
  python -m benchmarks engine --model model.onnx --json engine.json
  python -m benchmarks pipeline --detector yunet.onnx --video clip.mp4
  python -m benchmarks endurance --video clip.mp4
  python -m benchmarks cameras --video clip.mp4 --boxes boxes.csv
  python -m benchmarks accuracy --model model.onnx --model int8.onnx --aflw2000 data/AFLW2000
  python -m benchmarks accuracy --labels photos/labels.csv --crops own 1 1.1 1.2 1.3 1.4
  python -m benchmarks card --labels photos/labels.csv --detectors haar yunet.onnx --plot calibration.png
  python -m benchmarks precision --forms model.onnx fp16.onnx int8.onnx --labels photos/labels.csv
  python -m benchmarks rectification --model model.onnx --labels photos/labels.csv
  python -m benchmarks smoothing --records poses.csv --plot smoothing.png
  python -m benchmarks cuda --json gpu.json
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    try:
        args = _parser().parse_args(argv)
    except SystemExit as wanted:  # argparse ends the process after --help and wrong usage
        return int(wanted.code or 0)
    command = ["python", "-m", "benchmarks", *(sys.argv[1:] if argv is None else argv)]
    try:
        _run(args.suite, args, command)
    except HpeEdgeError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: stopped by Ctrl-C; nothing was written", file=sys.stderr)
        return 130
    return 0


def _run(suite: Suite, args: argparse.Namespace, command: Sequence[str]) -> None:
    pending = None if args.json is None else Pending(args.json)
    try:
        threads_before = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            surroundings = environment()
            print(heading(suite.name, surroundings), flush=True)
            results: list[Result] = []
            for result in suite.run(args, QUICK if args.quick else FULL):
                print(table(result), flush=True)
                results.append(result)
        finally:
            cv2.setNumThreads(threads_before)
        lines = suite.budget(results)
        if lines:
            print(verdicts(lines), flush=True)
        if pending is not None:
            pending.temp.write_text(document(suite.name, command, args.quick, surroundings, results, lines))
            pending.commit()
    finally:
        if pending is not None:
            pending.discard()


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time hpe_edge beside the alternatives, and judge a model on labelled photos.",
        epilog=_EPILOG,
        formatter_class=raw,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(required=True, metavar="SUITE")
    for suite in SUITES:
        command = commands.add_parser(suite.name, help=suite.summary, description=suite.summary, allow_abbrev=False)
        command.set_defaults(suite=suite)
        command.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
        command.add_argument("--quick", action="store_true", help="a few runs each, to see that it works")
        suite.add_arguments(command)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
