"""The command.

Exit status: 0 done, whatever the times; 1 a failure or wrong answers; 2 wrong usage; 3 ``compare`` found something
worse beyond the noise; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.running import run
from benchmarks.harness.schema import read_document
from benchmarks.harness.suite import Suite
from benchmarks.report.compare import compare, describe
from benchmarks.report.outputs import Outputs
from benchmarks.suites import (
    accuracy,
    cameras,
    card,
    cuda,
    endurance,
    engine,
    everything,
    model,
    ops,
    pipeline,
    precision,
    rectification,
    smoothing,
    video,
)
from benchmarks.suites.everything import Job
from hpe_edge.errors import HpeEdgeError

SUITES: tuple[Suite, ...] = (
    ops.SUITE,
    engine.SUITE,
    model.SUITE,
    pipeline.SUITE,
    video.SUITE,
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
  python -m benchmarks all --model model.onnx --json all.json --html all.html
  python -m benchmarks compare before.json after.json
  python -m benchmarks report benchmarks/results/*.json --html report.html
  python -m benchmarks ops
  python -m benchmarks engine --model model.onnx --json engine.json
  python -m benchmarks model --model model.onnx int8.onnx --arch ehpnet
  python -m benchmarks pipeline --model model.onnx --int8 int8.onnx
  python -m benchmarks video --detector yunet.onnx --video clip.mp4
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
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser().parse_args(arguments)
    except SystemExit as wanted:  # argparse ends the process after --help and wrong usage
        return int(wanted.code or 0)
    try:
        return int(args.command(args, arguments))
    except HpeEdgeError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("benchmarks: stopped by Ctrl-C; what was not complete was not written", file=sys.stderr)
        return 130


def _one(args: argparse.Namespace, arguments: Sequence[str]) -> int:
    return _run(args, arguments, [Job(args.suite, args)], keep_going=False)


def _all(args: argparse.Namespace, arguments: Sequence[str]) -> int:
    common = argparse.Namespace(quick=args.quick)
    jobs = everything.jobs(everything.chosen(SUITES), arguments[1:], common)
    return _run(args, arguments, jobs, keep_going=True)


def _run(args: argparse.Namespace, arguments: Sequence[str], jobs: Sequence[Job], keep_going: bool) -> int:
    command = ["python", "-m", "benchmarks", *arguments]
    with Outputs(args.json, args.html, args.plots) as outputs:
        document = run(arguments[0], jobs, command, args.quick, keep_going)
        outputs.write([document])
    return 1 if any(part.failed for part in document.parts) else 0


def _compare(args: argparse.Namespace, arguments: Sequence[str]) -> int:
    found = compare(read_document(args.a), read_document(args.b))
    print(describe(found))
    return 3 if found.worse else 0


def _report(args: argparse.Namespace, arguments: Sequence[str]) -> int:
    documents = [read_document(path) for path in args.files]
    with Outputs(None, args.html, args.plots) as outputs:
        outputs.write(documents)
    return 0


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
        command.set_defaults(command=_one, suite=suite)
        _add_run_options(command)
        suite.add_arguments(command)
    command = commands.add_parser(
        everything.NAME,
        help=everything.SUMMARY,
        description=everything.SUMMARY,
        parents=[everything.options(everything.chosen(SUITES))],
        allow_abbrev=False,
    )
    command.set_defaults(command=_all)
    _add_run_options(command)
    what = "what changed from one JSON file to another beyond the noise; exit status 3 if something became worse"
    command = commands.add_parser("compare", help=what, description=what, allow_abbrev=False)
    command.set_defaults(command=_compare)
    command.add_argument("a", type=Path, metavar="A.json", help="what it was before")
    command.add_argument("b", type=Path, metavar="B.json", help="what it is now")
    what = "one HTML page of JSON files"
    command = commands.add_parser("report", help=what, description=what, allow_abbrev=False)
    command.set_defaults(command=_report)
    command.add_argument("files", type=Path, nargs="+", metavar="JSON", help="written by any suite")
    command.add_argument("--html", type=Path, metavar="FILE", required=True, help="the page, complete in itself")
    _add_plots_option(command)
    return parser


def _add_run_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    parser.add_argument("--html", type=Path, metavar="FILE", help="also write a page, complete in itself")
    _add_plots_option(parser)
    parser.add_argument("--quick", action="store_true", help="a few runs each, to see that it works")


def _add_plots_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="also write the charts as PNG, into a new folder")


if __name__ == "__main__":
    raise SystemExit(main())
