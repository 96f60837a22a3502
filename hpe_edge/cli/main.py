"""The command hpe-edge. Exit status: 0 done, 1 a failure, 2 wrong usage, 128 + N stopped by signal N.

The demo's is 3 where the gate fails.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.errors import BackendError, HpeEdgeError, InputError
from hpe_edge.util.console import drop_unsaid, prepare, show
from hpe_edge.version import __version__

_PORT = 8765  # not imported from LivePage, so that --help need not load it

_DESCRIPTION = "Head poses from pictures and videos: yaw, pitch and roll of every face."
_EPILOG = """\
examples:
  hpe-edge demo                                            a face in a bundled photo, and proof of the export
  hpe-edge run photo.jpg                                   print the angles
  hpe-edge run clip.mp4 -o out.mp4                         draw them into a video
  hpe-edge run 0 --show                                    watch a camera
  hpe-edge serve 0                                         watch it in a browser
  hpe-edge plot poses.csv -o angles.png                    draw angles over time
  hpe-edge info                                            what the model is
  hpe-edge doctor                                          what this machine can do, and what it lacks
  python -m export.onnx CHECKPOINT -o model.onnx           another model, from a published checkpoint
  hpe-edge run photo.jpg --model model.onnx                run that one

exit status: 0 done, 1 a failure, 2 wrong usage, 130 stopped by Ctrl-C, 143 by SIGTERM, 129 by SIGHUP; cameras, streams
and serve have no other end, so for them these signals mean done
"""
_RUN_DESCRIPTION = """\
Estimate the pose of every face in pictures, a video, a camera or a stream. Without -o, --csv, --jsonl, --udp and --show
the angles are printed and no file is written. Without --model the embedded one is used, a small network.

Angles are degrees. Yaw > 0: the face turns to the left of the image; pitch > 0: it looks up; roll > 0: it tilts
clockwise in the image.
"""
_SERVE_DESCRIPTION = """\
Show a camera, stream or video in a browser: the annotated picture, a head that turns with each pose, and the angles
over time. A video file plays at its own speed. Frames that come while one is worked on are left out.
"""
_SERVE_EPILOG = """\
examples:
  hpe-edge serve 0
  hpe-edge serve clip.mp4 --detector yunet.onnx --smooth
  hpe-edge serve rtsp://host/live --model model.onnx --host 0.0.0.0 --port 9000

who can see it:
  On 127.0.0.1, the default, only this machine. With another --host everyone who can reach it and knows the address that
  is printed, which holds a token; the connection is not encrypted. Over ssh, -L 8765:127.0.0.1:8765 needs neither.

Ctrl-C is its usual end: the exit status is 0, and files are complete up to there.
SOURCE and the other options are those of hpe-edge run.
"""
_DEMO_DESCRIPTION = """\
Find the face in the bundled photo, print its angles, how sure the network is of them and how long it took, and write
the annotated picture. Then export the embedded model from its trained weights once more, print the report of the gate,
and say how far the new file's angles are from the embedded one's. Nothing is downloaded.

The second half needs the packages of `pip install '.[demo]'`; without them it is left out, and said to be.
"""
_RUN_EPILOG = """\
examples:
  hpe-edge run photo.jpg -o annotated.png
  hpe-edge run photos/ -o annotated/ --csv poses.csv
  hpe-edge run clip.mp4 --detector yunet.onnx -o annotated.mp4 --jsonl poses.jsonl
  hpe-edge run clip.mp4 --model model.onnx --boxes faces.csv --csv poses.csv
  hpe-edge run 0 --detector yunet.onnx --smooth --show --udp 127.0.0.1:4242
  hpe-edge run rtsp://user:password@host/live --jsonl poses.jsonl
  ffmpeg -i clip.mp4 -f rawvideo -pix_fmt bgr24 - | hpe-edge run - --raw 1280x720@25 --csv poses.csv

sources:
  a picture, a folder of pictures, a pattern in quotes ('photos/*.jpg', ** for any folders), a video file, a camera's
  number or /dev/video file, the address of a stream (rtsp://, http:// ...), a GStreamer pipeline that ends in an
  appsink (OpenCV must be built with GStreamer), or - for raw frames on standard input, described by --raw.
  Files and standard input are worked on frame by frame. A camera or stream does not wait: of the frames that come while
  one is worked on only the newest is kept, and the summary says how many were left out. One that breaks off is opened
  again, with longer and longer pauses, for five minutes; then the run ends. Ctrl-C ends it as well, and --frames, and
  its files are complete then.

faces:
  Without --detector and --boxes an OpenCV Haar cascade finds upright, roughly frontal faces. It misses faces in
  profile; for those name a SCRFD or YuNet model, or bring the boxes of a better detector. They should reach from chin
  to eyebrows, because models crop relative to that. Faces in videos are followed and get a number each (track).
  If there is not a single face in the whole input, nothing is written and the exit status is 1.

files:
  Results appear under their names when they are complete; an existing file of that name is replaced. Where a source
  has an end, Ctrl-C, SIGTERM and SIGHUP keep what is finished as NAME.partial.EXT, and a second Ctrl-C, more than a
  second later, gives everything up; after an error no unfinished file is left. An annotated video (.mp4 or .mkv,
  MPEG-4 part 2) has the frame rate of the original, the size of its first frame, and no sound. After SIGKILL or a
  power failure hidden files .NAME.*.tmp.EXT are left: records in them are whole up to the last frame, an .mkv plays
  as far as it was written, an .mp4 does not play.

OpenTrack:
  --udp sends the face that was sent last as long as it is seen, else the largest one. In OpenTrack choose the input
  "UDP over network" with that port. x, y and z are 0 unless the camera is given.
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
    except (OSError, MemoryError) as error:  # such as a file name that is too long; BrokenPipeError has its own place
        if isinstance(error, BrokenPipeError):
            return 1  # whoever read standard output has had enough
        print(f"hpe-edge: error: {error or 'not enough memory'}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hpe-edge: stopped by Ctrl-C; nothing was written", file=sys.stderr)
        return 130
    finally:
        drop_unsaid()


def _dispatch(argv: Sequence[str] | None) -> int:
    parser = _parser()
    try:
        args = parser.parse_args(argv)
        if args.command in ("run", "serve"):
            _check_alternatives(parser, args)
            _need_opencv()
            from hpe_edge.cli.run import run_command

            return run_command(args)
        if args.command == "demo":
            _need_opencv()
            from hpe_edge.cli.demo import demo_command

            return demo_command(args.output)
        if args.command == "plot":
            return _plot(args)
        if args.command == "doctor":
            from hpe_edge.doctor.report import doctor_command

            return doctor_command(args.json)
        return _info(args)
    except SystemExit as wanted:  # argparse ends the process after --help, --version and wrong usage
        show()
        return int(wanted.code or 0)
    except OSError:
        show()  # argparse may have failed on standard output, which is an error of its own kind
        raise


def _check_alternatives(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    for one, other in (("boxes", "detector"), ("boxes", "detect_every"), ("camera_fov", "intrinsics")):
        if getattr(args, one) is not None and getattr(args, other) not in (None, 1):
            names = " and ".join(f"--{name.replace('_', '-')}" for name in (one, other))
            parser.error(f"{names} exclude each other; leave one out")


def _need_opencv() -> None:
    try:
        import cv2  # noqa: F401
    except ImportError as error:
        raise BackendError(
            f"cannot import cv2 ({error}): on a server without a display install Debian's libgl1, or "
            "opencv-python-headless in place of opencv-python"
        ) from None


def _info(args: argparse.Namespace) -> int:
    from hpe_edge.backends.tensorrt.plan_file import SUFFIXES, read_info
    from hpe_edge.cli.describe import describe, describe_engine
    from hpe_edge.engine import PoseEngine
    from hpe_edge.models import DEFAULT_NAME

    if args.model is None:
        print(f"hpe-edge: model: {DEFAULT_NAME}", file=sys.stderr)
    elif args.model.suffix.lower() in SUFFIXES and args.model.is_file():  # which can be told where it does not run, too
        info = read_info(args.model)
        show(info.to_json().rstrip() if args.json else describe_engine(info))
        return 0
    with PoseEngine(args.model) as engine:
        show(engine.spec.to_json(indent=2) if args.json else describe(engine.spec))
    return 0


def _plot(args: argparse.Namespace) -> int:
    _need_opencv()
    from hpe_edge.drawing.angle_plot import plot_records, save_png

    save_png(args.output, plot_records(args.records))
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
    _add_run_arguments(run)

    serve = commands.add_parser(
        "serve",
        help="show a camera, stream or video in a browser",
        description=_SERVE_DESCRIPTION,
        epilog=_SERVE_EPILOG,
        formatter_class=raw,
        allow_abbrev=False,
    )
    page = serve.add_argument_group("page")
    page.add_argument(
        "--host", default="127.0.0.1", help="address to listen on; default: 127.0.0.1, this machine alone"
    )
    page.add_argument("--port", type=_port, default=_PORT, help=f"default: {_PORT}; 0: any free one")
    page.add_argument("--token", help="part of the address beyond this machine; default: a random one")
    _add_run_arguments(serve)

    demo = commands.add_parser(
        "demo",
        help="estimate a pose in a bundled photo, and export the embedded model again",
        description=_DEMO_DESCRIPTION,
        epilog="Exit status: that of hpe-edge, and 3 where the gate fails.",
        formatter_class=raw,
        allow_abbrev=False,
    )
    demo.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("demo.jpg"),
        metavar="OUT.jpg",
        help="the annotated picture; an existing file is replaced, default: demo.jpg",
    )

    plot = commands.add_parser("plot", help="draw angles over time from a file of records", allow_abbrev=False)
    plot.add_argument("records", type=Path, metavar="RESULTS", help="what run --csv or --jsonl wrote of a video")
    plot.add_argument("-o", "--output", type=Path, metavar="PNG", required=True, help="the picture; replaced if there")

    info = commands.add_parser("info", help="say what a model file is", allow_abbrev=False)
    info.add_argument(
        "model",
        type=Path,
        nargs="?",
        metavar="MODEL",
        help="made by python -m export.onnx or export.trt; default: the embedded one",
    )
    info.add_argument("--json", action="store_true", help="print the spec as JSON")

    doctor = commands.add_parser("doctor", help="say what this machine can do, and what it lacks", allow_abbrev=False)
    doctor.add_argument("--json", action="store_true", help="print it as JSON")
    return parser


def _add_run_arguments(run: argparse.ArgumentParser) -> None:
    run.add_argument("source", metavar="SOURCE", help="picture, folder, pattern, video, camera, stream or -, see below")
    run.add_argument(
        "--model", type=Path, metavar="MODEL", help="by python -m export.onnx or export.trt; default: the embedded one"
    )

    results = run.add_argument_group("results")
    results.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="annotated picture, new folder, or .mp4 or .mkv, as the source is; an existing file is replaced",
    )
    results.add_argument(
        "--draw",
        default="axes",
        choices=("axes", "cube", "arrow"),
        metavar="STYLE",
        help="how poses are drawn: axes (default), cube, or arrow along the nose",
    )
    results.add_argument(
        "--csv", type=Path, metavar="FILE", help="a row per face and frame: boxes, angles, quaternions"
    )
    results.add_argument("--jsonl", type=Path, metavar="FILE", help="the same as JSON Lines")
    results.add_argument(
        "--show", action="store_true", help="a window with the annotated frames; q or Esc ends the run"
    )
    results.add_argument("--udp", metavar="HOST:PORT", help="send one face's pose to OpenTrack")
    results.add_argument("--profile", type=Path, metavar="PNG", help="a picture of which thread did what when")

    faces = run.add_argument_group("faces")
    faces.add_argument(
        "--detector", type=Path, metavar="FILE.onnx", help="SCRFD or YuNet; default: OpenCV's Haar cascade"
    )
    faces.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="CSV with the faces: columns x1,y1,x2,y2 in pixels, and file (pictures) or frame from 0 (video)",
    )
    faces.add_argument(
        "--detect-every",
        type=_whole,
        default=1,
        metavar="N",
        help="look for faces in one frame out of N and follow them in between; default: 1",
    )
    faces.add_argument("--no-track", action="store_true", help="do not follow faces from frame to frame")
    faces.add_argument("--smooth", action="store_true", help="filter the poses of each face over time")

    camera = run.add_argument_group("camera, for poses that are right away from the picture's centre")
    camera.add_argument("--camera-fov", type=_degrees, metavar="DEG", help="horizontal angle of view")
    camera.add_argument(
        "--intrinsics", metavar="FX,FY,CX,CY|FILE", help="in pixels, or a file of OpenCV's calibration (camera_matrix)"
    )

    other = run.add_argument_group("other")
    other.add_argument("--frames", type=_whole, metavar="N", help="end after N frames")
    other.add_argument("--raw", metavar="WxH[@FPS]", help="size and rate of raw frames on standard input")
    other.add_argument("--pixels", metavar="FORMAT", help="theirs: bgr24 (default), rgb24, gray8 or nv12")
    other.add_argument(
        "--device",
        help="cpu, cuda or cuda:INDEX, with --backend openvino its gpu, gpu.INDEX or npu, too; default: cpu for .onnx, "
        "cuda for .engine",
    )
    other.add_argument(
        "--backend",
        choices=get_args(BackendName),
        metavar="NAME",
        help=f"what runs the model: {', '.join(get_args(BackendName))}; default: onnxruntime for .onnx, tensorrt for "
        ".engine",
    )
    other.add_argument(
        "--precision",
        choices=get_args(Precision),
        metavar="NAME",
        help=f"what openvino computes in: {', '.join(get_args(Precision))}; default: fp32",
    )
    other.add_argument("--threads", type=_threads, metavar="N", help="cores to share out; default: all")


def _whole(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 999999999, got {text!r}")
    return int(text)


def _threads(text: str) -> int:
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 to 9999, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 65535, got {text!r}")
    return int(text)


def _degrees(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) or not 0 < float(text) < 180:
        raise argparse.ArgumentTypeError(f"must be degrees above 0 and below 180, got {text!r}")
    return float(text)


if __name__ == "__main__":
    raise SystemExit(main())
