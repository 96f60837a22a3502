"""Command serve: a live page in the browser."""

from __future__ import annotations

from collections.abc import Sequence

from hpe_edge.cli.run.arguments import add_run_arguments
from hpe_edge.cli.run.help_text import SERVE_DESCRIPTION, SERVE_EPILOG
from hpe_edge.opencv.lazy import need_opencv
from hpe_edge.util.shell import CommandParser, whole_number

_PORT = 8765


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge serve``; returns the exit status."""
    parser = CommandParser(
        prog="hpe-edge serve", usage="%(prog)s SOURCE [OPTION ...]", description=SERVE_DESCRIPTION, epilog=SERVE_EPILOG
    )
    page = parser.add_argument_group("page")
    page.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1, this machine only")
    page.add_argument("--port", type=whole_number(0, 65535), default=_PORT, help=f"default: {_PORT}; 0: any free port")
    page.add_argument("--token", help="part of the URL when --host is not this machine; default: a random one")
    page.add_argument("--now", action="store_true", help="do not wait for a browser before a video file is read")
    page.add_argument("--loop", action="store_true", help="play a video file again and again, until Ctrl-C")
    add_run_arguments(parser)
    given = vars(parser.parse_args(argv))
    need_opencv()
    from hpe_edge.live.server import require_aiohttp

    require_aiohttp()  # before a camera is opened
    from hpe_edge.cli.run.run_options import PageOptions, RunOptions
    from hpe_edge.cli.run.run_pipeline import run_pipeline

    page_options = PageOptions(**{name: given.pop(name) for name in ("host", "port", "token", "now", "loop")})
    return run_pipeline(RunOptions(**given), page_options)
