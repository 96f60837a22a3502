"""Command serve: a live page in the browser."""

from __future__ import annotations

from collections.abc import Sequence

from hpe_edge.cli.run import add_run_arguments
from hpe_edge.util.shell import CommandParser, need_opencv, whole_number

_PORT = 8765

_DESCRIPTION = """\
Show a camera, stream or video in a browser: the annotated picture, a head that turns with each pose, and the angles
over time. A video file plays at its own speed; frames that arrive while one is processed are dropped.
"""
_EPILOG = """\
examples:
  hpe-edge serve 0
  hpe-edge serve clip.mp4 --detector yunet.onnx --smooth
  hpe-edge serve rtsp://host/live --model model.onnx --host 0.0.0.0 --port 9000

access:
  On 127.0.0.1, the default, only this machine can see the page. With another --host, everyone who can reach it and
  knows the printed URL, which holds a token; the connection is not encrypted. Over ssh, -L 8765:127.0.0.1:8765 needs
  neither.

Ctrl-C ends it: the exit status is 0, and files are complete up to there. SOURCE and the other options are those of
hpe-edge run.
"""


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge serve``; returns the exit status."""
    parser = CommandParser(prog="hpe-edge serve", description=_DESCRIPTION, epilog=_EPILOG)
    page = parser.add_argument_group("page")
    page.add_argument("--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1, this machine only")
    page.add_argument("--port", type=whole_number(0, 65535), default=_PORT, help=f"default: {_PORT}; 0: any free port")
    page.add_argument("--token", help="part of the URL when --host is not this machine; default: a random one")
    add_run_arguments(parser)
    given = vars(parser.parse_args(argv))
    need_opencv()
    from hpe_edge.live.server import require_aiohttp

    require_aiohttp()  # before a camera is opened
    from hpe_edge.cli.run_pipeline import PageOptions, RunOptions, run_pipeline

    page_options = PageOptions(**{name: given.pop(name) for name in ("host", "port", "token")})
    return run_pipeline(RunOptions(**given), page_options)
