"""Command ``python -m tools.gpu_day``.

Exit status: 0 all steps passed, 1 some did not, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from tools.gpu_day.carrying.pack import pack
from tools.gpu_day.day import Day
from tools.gpu_day.steps import BUDGET_S, PARTS

ROOT = Path(__file__).resolve().parents[2]
CARRIED = ROOT / ".gpu_day"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.gpu_day", description="Build, test and measure on a GPU.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("pack", help=f"prepare {CARRIED.name}/, which is carried to the machine; needs the network")
    for name, steps in PARTS.items():
        part = commands.add_parser(name, help=f"run {', '.join(step.name for step in steps)}")
        part.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for the archive and the summary")
        part.add_argument("--seconds", type=float, default=BUDGET_S, help=f"budget of time; default: {BUDGET_S:g}")
    args = parser.parse_args(argv)
    if args.command == "pack":
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # half files are removed
        pack(ROOT, CARRIED)
        return 0
    outcomes = Day(args.command, ROOT, CARRIED, args.out).run(PARTS[args.command], args.seconds)
    return 0 if all(outcome.status == "passed" for outcome in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main())
