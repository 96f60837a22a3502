"""Command run: poses in pictures, videos, cameras and streams."""

from __future__ import annotations

from collections.abc import Sequence

from hpe_edge.cli.run.arguments import add_run_arguments
from hpe_edge.cli.run.help_text import RUN_DESCRIPTION, RUN_EPILOG
from hpe_edge.opencv.lazy import need_opencv
from hpe_edge.util.shell import CommandParser


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge run``; returns the exit status."""
    parser = CommandParser(
        prog="hpe-edge run", usage="%(prog)s SOURCE ... [OPTION ...]", description=RUN_DESCRIPTION, epilog=RUN_EPILOG
    )
    add_run_arguments(parser)
    given = vars(parser.parse_args(argv))
    need_opencv()
    from hpe_edge.cli.run.run_options import RunOptions
    from hpe_edge.cli.run.run_pipeline import run_pipeline

    return run_pipeline(RunOptions(**given))
