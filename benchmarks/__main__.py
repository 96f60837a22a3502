"""The command ``python -m benchmarks``.

Exit status: 0 done, whatever the times; 1 a failure or wrong results; 2 wrong usage; 3 ``compare`` found a regression
beyond the noise; 130 Ctrl-C.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.archives import ray_workers
from benchmarks.browser import suite as browser
from benchmarks.c_interface import suite as c_interface
from benchmarks.deepstream import suite as deepstream
from benchmarks.doubt import coverage, false_boxes
from benchmarks.edges import suite as edge
from benchmarks.finding import detectors, one_pass
from benchmarks.gpu import cuda_launches, frame_to_angles
from benchmarks.hard import consistency, tails, turned
from benchmarks.harness.schema import Document, read_document, to_json
from benchmarks.harness.suite import Suite, add_options, build_options
from benchmarks.installs import suite as installs
from benchmarks.native import suite as native
from benchmarks.regions import region_ops
from benchmarks.report.charts import require_matplotlib
from benchmarks.report.compare import compare, describe
from benchmarks.report.markdown import write_report
from benchmarks.ros import suite as ros
from benchmarks.running import Job, jobs, run, shared_options
from benchmarks.serving import triton, viewers
from benchmarks.suites import (
    accuracy,
    box_fits,
    cameras,
    card,
    model,
    ops,
    pipeline,
    precision,
    rectification,
    smoothing,
    video,
)
from hpe_edge.util.atomic import Pending
from hpe_edge.util.console import show
from hpe_edge.util.shell import CommandParser, run_in_shell
from tools import rtx_builds

SUITES: tuple[Suite, ...] = (
    ops.OPS,
    ops.ENGINE,
    model.SUITE,
    pipeline.SUITE,
    video.VIDEO,
    video.ENDURANCE,
    cameras.SUITE,
    accuracy.SUITE,
    card.SUITE,
    box_fits.SUITE,
    precision.SUITE,
    tails.SUITE,
    turned.SUITE,
    consistency.SUITE,
    coverage.SUITE,
    false_boxes.SUITE,
    detectors.SUITE,
    one_pass.SUITE,
    rectification.SUITE,
    smoothing.SUITE,
    ray_workers.SUITE,
    triton.SUITE,
    viewers.SUITE,
    cuda_launches.SUITE,
    frame_to_angles.SUITE,
    c_interface.SUITE,
    deepstream.SUITE,
    ros.SUITE,
    browser.SUITE,
    edge.SUITE,
    native.SUITE,
    installs.SUITE,
    region_ops.SUITE,
    rtx_builds.SUITE,
)
IN_ALL = ("ops", "model", "pipeline", "accuracy")  # the suites that judge a machine

_EPILOG = """\
Before anything is timed, the results of all alternatives are compared; where they differ by more than the stated
tolerance, nothing is timed and the exit status is 1. A time never fails a benchmark; the budget at the end is for
information.

examples:
  python -m benchmarks all --model model.onnx --json all.json --report all.md
  python -m benchmarks compare before.json after.json
  python -m benchmarks report benchmarks/results/*.json --report report.md
  python -m benchmarks pipeline --model model.onnx --int8 int8.onnx
  python -m benchmarks cameras --model model.onnx --video clip.mp4 --boxes boxes.csv
  python -m benchmarks accuracy --labels photos/labels.csv --crops own 1 1.1 1.2 1.3 1.4
  python -m benchmarks card --labels photos/labels.csv --detectors face-detector yunet haar --plot calibration.png
  python -m benchmarks coverage --models model.onnx --labels photos/labels.csv --detectors face-detector yunet
  python -m benchmarks doubt --labels photos/labels.csv --detectors yunet.onnx scrfd.onnx --video clip.mp4
  python -m benchmarks detectors --detectors yunet face-detector haar --labels photos/labels.csv
  python -m benchmarks ray --video clip.mp4 --detector yunet.onnx
  python -m benchmarks triton --server environment/bin/python
  python -m benchmarks browser --detector face-detector.onnx
  python -m benchmarks precision --models model.onnx fp16.onnx int8.onnx --labels photos/labels.csv
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)

    def command() -> int:
        args = _parser().parse_args(arguments)
        if args.command == "compare":
            found = compare(read_document(args.a), read_document(args.b))
            show(describe(found))
            return 3 if found.worse else 0
        if args.command == "report":
            with ExitStack() as cleanup:
                write_report(_pending(args.report, cleanup), [read_document(path) for path in args.files])
            return 0
        chosen, keep_going = jobs(_in_all(), arguments[1:]), True
        if args.command != "all":
            suite = next(suite for suite in SUITES if suite.name == args.command)
            chosen, keep_going = [Job(suite, build_options(suite.options, vars(args)))], False
        return _run(arguments, chosen, args.json, args.report, quick=args.quick, keep_going=keep_going)

    return run_in_shell("benchmarks", command, interrupted="incomplete results were written on a GPU alone")


def _run(
    arguments: Sequence[str],
    chosen: Sequence[Job],
    json: Path | None,
    report: Path | None,
    *,
    quick: bool,
    keep_going: bool,
) -> int:
    """Run the suites, and write the JSON, then the report."""
    if report is not None:
        require_matplotlib()
    with ExitStack() as cleanup:  # an unwritable name is reported before anything runs
        if json is not None:
            _pending(json, cleanup).discard()
        pending_report = None if report is None else _pending(report, cleanup)
        words = ["python", "-m", "benchmarks", *arguments]

        def write(document: Document) -> None:
            if json is not None:
                pending = _pending(json, cleanup)
                pending.temp.write_text(to_json(document), encoding="utf-8")
                pending.commit()

        document = run(arguments[0], chosen, words, quick=quick, keep_going=keep_going, write=write)
        write(document)
        if pending_report is not None:
            write_report(pending_report, [document])
    return 1 if any(part.failed for part in document.parts) else 0


def _pending(path: Path, cleanup: ExitStack) -> Pending:
    pending = Pending(path)
    cleanup.callback(pending.discard)
    return pending


def _in_all() -> list[Suite]:
    return [suite for name in IN_ALL for suite in SUITES if suite.name == name]


def _parser() -> CommandParser:
    about = "Time hpe_edge beside the alternatives, and judge a model on labelled photos."
    parser = CommandParser(prog="python -m benchmarks", description=about, epilog=_EPILOG)
    commands = parser.add_subparsers(dest="command", required=True, metavar="SUITE")
    for suite in SUITES:
        add_options(_suite_parser(commands, suite.name, suite.summary), suite.options)
    summary = f"the suites that judge a machine, with the options of each: {', '.join(IN_ALL)}"
    parser_of_all = _suite_parser(commands, "all", summary)
    for suite, renamed, new in shared_options(_in_all()):
        add_options(parser_of_all, suite.options, renamed, only=new, required=False)
    command = commands.add_parser("compare", help="compare two JSON files; exit status 3 if something became worse")
    command.add_argument("a", type=Path, metavar="A.json", help="the run before")
    command.add_argument("b", type=Path, metavar="B.json", help="the run now")
    command = commands.add_parser("report", help="write a report of JSON files")
    command.add_argument("files", type=Path, nargs="+", metavar="JSON", help="written by any suite")
    command.add_argument("--report", type=Path, metavar="FILE.md", required=True, help="with charts beside it, as PNG")
    return parser


def _suite_parser(commands: argparse._SubParsersAction[CommandParser], name: str, summary: str) -> CommandParser:
    parser = commands.add_parser(name, help=summary, description=summary)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write everything as JSON")
    parser.add_argument(
        "--report", type=Path, metavar="FILE.md", help="also write a report, with charts beside it, as PNG"
    )
    parser.add_argument("--quick", action="store_true", help="a few runs each, as a check that it works")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
