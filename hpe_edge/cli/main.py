"""Command hpe-edge: table of its subcommands, modules with ``main(argv) -> int`` that are imported on demand."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from hpe_edge.opencv.lazy import need_opencv
from hpe_edge.util.shell import CommandParser, interrupt_on_signals, run_in_shell
from hpe_edge.version import __version__

COMMANDS = {  # name -> module, summary
    "run": ("hpe_edge.cli.run.run_command", "estimate the poses in pictures, a video, a camera or a stream"),
    "serve": ("hpe_edge.cli.run.serve_command", "show a camera, stream or video in a browser"),
    "demo": ("hpe_edge.cli.demo", "estimate a pose in a bundled photo and export the embedded model again"),
    "plot": ("hpe_edge.cli.plot", "draw angles over time from a file of records"),
    "fit-boxes": ("hpe_edge.cli.fit_boxes", "measure how the boxes of your own detector fit the face"),
    "info": ("hpe_edge.cli.describe", "describe a model file"),
    "doctor": ("hpe_edge.cli.doctor", "check the installation: what works on this machine and what is missing"),
    "export": ("hpe_edge.cli.export", "convert, quantize and compile models: onnx, fp16, int8, trt, distill"),
    "bench": ("hpe_edge.cli.bench", "measure a model stage by stage"),
}

_WITH_OPENCV = ("demo", "plot", "fit-boxes", "bench")  # import it at once; run and serve check their arguments first

_DESCRIPTION = "Head pose estimation: yaw, pitch and roll of every face in pictures and videos."
_EPILOG = """\
examples:
  hpe-edge demo                                            a face in a bundled photo
  hpe-edge run photo.jpg                                   print the angles
  hpe-edge run clip.mp4 -o out.mp4                         draw them into a video
  hpe-edge run 0 --show                                    watch a camera
  hpe-edge serve 0                                         watch it in a browser
  hpe-edge plot poses.csv -o angles.png                    draw angles over time
  hpe-edge export onnx CHECKPOINT -o model.onnx            convert a published checkpoint
  hpe-edge run photo.jpg --model model.onnx                run it
  hpe-edge bench model.onnx                                measure it

hpe-edge COMMAND --help describes a command.

exit status: 0 done, 1 a failure, 2 wrong usage, 3 the accuracy gate failed, 130 stopped by Ctrl-C, 143 by SIGTERM, 129
by SIGHUP; run ends with 0 after a signal where the source is a camera or stream, and serve always
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; None for those of the process.

    Returns:
        The exit status, see :mod:`hpe_edge.util.shell`.
    """
    # Libraries below OpenCV write to standard error; our own messages report the errors.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    words = sys.argv[1:] if argv is None else list(argv)
    return run_in_shell("hpe-edge", lambda: _dispatch(words))


def _dispatch(words: list[str]) -> int:
    parser = CommandParser(prog="hpe-edge", description=_DESCRIPTION, epilog=_EPILOG)
    parser.add_argument("--version", action="version", version=f"hpe-edge {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name, (_, summary) in COMMANDS.items():
        commands.add_parser(name, help=summary, add_help=False)
    chosen = parser.parse_args(words[:1]).command
    if chosen is None:
        parser.error(f"a COMMAND is needed: {', '.join(COMMANDS)}")
    if chosen in _WITH_OPENCV:
        need_opencv()
    if chosen not in ("run", "serve"):  # these finish the frame and keep their files
        interrupt_on_signals()
    return int(import_module(COMMANDS[chosen][0]).main(words[1:]))
