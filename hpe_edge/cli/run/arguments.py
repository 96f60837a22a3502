"""Arguments of the commands run and serve."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import get_args

from hpe_edge.backends.options import BackendName, Precision
from hpe_edge.util.shell import whole_number


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that run and serve share: the fields of :class:`hpe_edge.cli.run.run_options.RunOptions`."""
    parser.add_argument(
        "source", metavar="SOURCE", help="picture, folder, pattern, video, camera, stream or -, see below"
    )
    parser.add_argument(
        "--model", type=Path, metavar="MODEL", help="made by hpe-edge export; default: the embedded model"
    )
    _add_results(parser.add_argument_group("results"))
    _add_faces(parser.add_argument_group("faces"))
    camera = parser.add_argument_group("camera, for correct poses away from the picture's centre")
    camera.add_argument("--camera-fov", type=_degrees, metavar="DEG", help="horizontal field of view")
    camera.add_argument(
        "--intrinsics", metavar="FX,FY,CX,CY|FILE", help="in pixels, or a file of OpenCV's calibration (camera_matrix)"
    )
    other = parser.add_argument_group("other")
    other.add_argument("--frames", type=whole_number(1, 999_999_999), metavar="N", help="end after N frames")
    other.add_argument("--raw", metavar="WxH[@FPS]", help="size and rate of raw frames on standard input")
    other.add_argument("--pixels", metavar="FORMAT", help="format of raw frames: bgr24 (default), rgb24, gray8 or nv12")
    add_engine_arguments(other)
    other.add_argument("--threads", type=whole_number(1, 9999), metavar="N", help="cores to use; default: all")


def add_engine_arguments(group: argparse._ActionsContainer) -> None:
    """Add the arguments for device, backend and precision of a model."""
    group.add_argument(
        "--device",
        help="cpu, cuda or cuda:INDEX; with --backend openvino also gpu, gpu.INDEX or npu; default: cpu for .onnx, "
        "cuda for .engine",
    )
    group.add_argument(
        "--backend",
        choices=get_args(BackendName),
        metavar="NAME",
        help=f"{', '.join(get_args(BackendName))}; default: onnxruntime for .onnx, tensorrt for .engine",
    )
    group.add_argument(
        "--precision",
        choices=get_args(Precision),
        metavar="NAME",
        help=f"of the openvino backend: {', '.join(get_args(Precision))}; default: fp32",
    )


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT",
        help="annotated picture, new folder, or .mp4 or .mkv, as the source is; an existing file is replaced",
    )
    group.add_argument(
        "--draw",
        default="axes",
        choices=("axes", "cube", "arrow"),
        metavar="STYLE",
        help="style of the drawn poses: axes (default), cube, or arrow along the nose",
    )
    group.add_argument("--csv", type=Path, metavar="FILE", help="a row per face and frame: boxes, angles, quaternions")
    group.add_argument("--jsonl", type=Path, metavar="FILE", help="the same as JSON Lines")
    group.add_argument("--show", action="store_true", help="a window with the annotated frames; q or Esc ends the run")
    group.add_argument("--udp", metavar="HOST:PORT", help="send one face's pose to OpenTrack")
    group.add_argument(
        "--profile",
        type=Path,
        metavar="FILE.json",
        help="trace of every stage, thread and queue in Chrome's format; open it at ui.perfetto.dev",
    )


def _add_faces(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--detector", type=Path, metavar="FILE.onnx", help="SCRFD or YuNet; default: OpenCV's Haar cascade"
    )
    group.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="CSV with the faces: columns x1,y1,x2,y2 in pixels, and file (pictures) or frame from 0 (video)",
    )
    group.add_argument(
        "--detect-every",
        type=whole_number(1, 999_999_999),
        default=1,
        metavar="N",
        help="detect faces in one frame out of N and track them in between; default: 1",
    )
    group.add_argument("--no-track", dest="track", action="store_false", help="do not track faces across frames")
    group.add_argument("--smooth", action="store_true", help="filter the poses of each face over time")


def _degrees(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,6})?", text) or not 0 < float(text) < 180:
        raise argparse.ArgumentTypeError(f"must be degrees above 0 and below 180, got {text!r}")
    return float(text)
