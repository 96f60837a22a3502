"""The command hpe-edge. Exit status: 0 done, 1 a failure, 2 wrong usage, 128 + N stopped by signal N."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from hpe_edge.console import drop_unsaid, prepare, show
from hpe_edge.errors import BackendError, HpeEdgeError, InputError
from hpe_edge.version import __version__

_DESCRIPTION = "Head poses from pictures and videos: yaw, pitch and roll of every face."
_EPILOG = """\
examples:
  python -m export.onnx CHECKPOINT -o model.onnx           a model from a published checkpoint
  hpe-edge run photo.jpg --model model.onnx                print the angles
  hpe-edge run clip.mp4 --model model.onnx -o out.mp4      draw them into a video
  hpe-edge info model.onnx                                 what the model is

exit status: 0 done, 1 a failure, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP
"""
_RUN_DESCRIPTION = """\
Estimate the pose of every face in a picture, a folder of pictures or a video. Without -o, --csv and --jsonl the angles
are printed and no file is written. Cameras and streams are not read by this version; for those, write a loop of
cv2.VideoCapture and PoseEngine in Python.

Angles are degrees. Yaw > 0: the face turns to the left of the image; pitch > 0: it looks up; roll > 0: it tilts
clockwise in the image.
"""
_RUN_EPILOG = """\
examples:
  hpe-edge run photo.jpg --model model.onnx -o annotated.png
  hpe-edge run photos/ --model model.onnx -o annotated/ --csv poses.csv
  hpe-edge run clip.mp4 --model model.onnx -o annotated.mp4 --jsonl poses.jsonl
  hpe-edge run clip.mp4 --model model.onnx --boxes faces.csv --csv poses.csv

faces:
  Without --boxes an OpenCV Haar cascade finds upright, roughly frontal faces. It misses faces in profile; for those
  bring the boxes of a better detector. They should reach from chin to eyebrows, because models crop relative to that.
  If there is not a single face in the whole input, nothing is written and the exit status is 1.

files:
  Results appear under their names when they are complete; an existing file of that name is replaced. Ctrl-C, SIGTERM
  and SIGHUP keep what is finished as NAME.partial.EXT; after an error no unfinished file is left. An annotated video
  (.mp4, MPEG-4 part 2) has the frame rate of the original and no sound.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    # The libraries below OpenCV write to standard error unasked; our own message says what is wrong.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    prepare()
    try:
        return _dispatch(argv)
    except (HpeEdgeError, ImportError) as error:  # the latter: what is installed does not work
        print(f"hpe-edge: error: {error}", file=sys.stderr)
        return 2 if isinstance(error, InputError) else 1
    except KeyboardInterrupt:
        print("hpe-edge: stopped by Ctrl-C; nothing was written", file=sys.stderr)
        return 130
    except BrokenPipeError:
        return 1  # whoever read standard output has had enough
    finally:
        drop_unsaid()


def _dispatch(argv: Sequence[str] | None) -> int:
    parser = _parser()
    try:
        args = parser.parse_args(argv)
        if args.command == "run":
            if args.model is None:
                parser.error(
                    "run needs --model MODEL.onnx; make one from a published checkpoint: "
                    "python -m export.onnx CHECKPOINT -o model.onnx"
                )
            _need_opencv()
            from hpe_edge.run import run_command

            return run_command(args)
        return _info(args)
    except SystemExit as wanted:  # argparse ends the process after --help, --version and wrong usage
        show()
        return int(wanted.code or 0)


def _need_opencv() -> None:
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise BackendError(
            f"cannot import cv2 ({error}): on a server without a display install Debian's libgl1, or "
            "opencv-python-headless in place of opencv-python"
        ) from None


def _info(args: argparse.Namespace) -> int:
    from hpe_edge.engine import PoseEngine
    from hpe_edge.info import describe

    with PoseEngine(args.model) as engine:
        show(engine.spec.to_json(indent=2) if args.json else describe(engine.spec))
    return 0


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="hpe-edge", description=_DESCRIPTION, epilog=_EPILOG, formatter_class=raw, allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"hpe-edge {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser(
        "run",
        help="estimate the poses in a picture, a folder of pictures or a video",
        description=_RUN_DESCRIPTION,
        epilog=_RUN_EPILOG,
        formatter_class=raw,
        allow_abbrev=False,
    )
    run.add_argument("source", type=_source, metavar="SOURCE", help="picture, folder of pictures, or video file")
    run.add_argument("--model", type=Path, metavar="MODEL.onnx", help="made by python -m export.onnx; required")
    run.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="annotated picture, new folder, or .mp4, as the source is; an existing file is replaced",
    )
    run.add_argument("--csv", type=Path, metavar="FILE", help="a row per face and frame: boxes, angles, quaternions")
    run.add_argument("--jsonl", type=Path, metavar="FILE", help="the same as JSON Lines")
    run.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="CSV with the faces: columns x1,y1,x2,y2 in pixels, and file (pictures) or frame from 0 (video)",
    )
    run.add_argument("--device", default="cpu", help="cpu (default), cuda or cuda:INDEX")
    run.add_argument("--threads", type=_threads, metavar="N", help="CPU threads to use; default: all cores")

    info = commands.add_parser("info", help="say what a model file is", allow_abbrev=False)
    info.add_argument("model", type=Path, metavar="MODEL", help="made by python -m export.onnx")
    info.add_argument("--json", action="store_true", help="print the spec as JSON")
    return parser


def _source(text: str) -> Path:
    # Looked at as it was typed: a Path would make rtsp:/ of rtsp://.
    path = Path(text)
    if "://" in text or text.startswith("/dev/video") or (re.fullmatch("[0-9]+", text) and not path.exists()):
        raise argparse.ArgumentTypeError(
            f"cameras and streams are not read by this version, got {text}; write a loop of cv2.VideoCapture and "
            "PoseEngine in Python"
        )
    return path


def _threads(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 9999, got {text!r}")
    return int(text)


if __name__ == "__main__":
    raise SystemExit(main())
