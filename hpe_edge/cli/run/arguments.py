"""Arguments of the commands run and serve."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hpe_edge.cli.argument_types import (
    add_engine_arguments,
    amount,
    angles,
    field_of_view,
    file_or_stdout,
    fraction,
    frame_size,
    neutral_pose,
    pixel_ratio,
    seconds_or_forever,
    sigma_limit,
)
from hpe_edge.util.shell import whole_number


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that run and serve share: the fields of :class:`hpe_edge.cli.run.run_options.RunOptions`."""
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="pictures, folders and patterns; or one video, camera, stream or -, see below",
    )
    parser.add_argument(
        "--model",
        type=Path,
        metavar="MODEL",
        help="made by hpe-edge export; default: the embedded model. One of export "
        "picture takes the detector's place too",
    )
    parser.add_argument("--recursive", action="store_true", help="search folders recursively, but for hidden ones")
    _add_results(parser.add_argument_group("results"))
    _add_faces(parser.add_argument_group("faces"))
    _add_doubt(parser.add_argument_group("doubt, from the model's sigma"))
    _add_attention(parser.add_argument_group("attention"))
    _add_camera(parser.add_argument_group("camera, for correct poses away from the picture's centre"))
    _add_source(parser.add_argument_group("source"))
    _add_other(parser.add_argument_group("other"))


def _add_results(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "-o",
        "--output",
        action=_Output,
        metavar="OUT",
        help="annotated picture; new folder; or .mp4, .mkv or .webm, as the source is; an existing file is replaced",
    )
    group.add_argument(
        "--draw",
        default="axes",
        choices=("axes", "cube", "arrow"),
        metavar="STYLE",
        help="style of the drawn poses: axes (default), cube, or arrow along the nose",
    )
    group.add_argument(
        "--csv",
        type=file_or_stdout,
        metavar="FILE",
        help="a row per face and frame: boxes, angles, quaternions; -: standard output",
    )
    group.add_argument("--jsonl", type=file_or_stdout, metavar="FILE", help="the same as JSON Lines")
    group.add_argument("--show", action="store_true", help="a window with the annotated frames; q or Esc ends the run")
    group.add_argument("--udp", metavar="HOST:PORT", help="send one face's pose to OpenTrack")
    group.add_argument(
        "--mcap",
        type=Path,
        metavar="FILE.mcap",
        help="ROS 2 messages: poses, boxes and, with a camera, transforms; needs pip install 'hpe-edge[ros]'",
    )
    group.add_argument(
        "--profile",
        type=Path,
        metavar="FILE.json",
        help="trace of every stage, thread and queue in Chrome's format; open it at ui.perfetto.dev",
    )
    group.add_argument("--quiet", action="store_true", help="print errors only, no notes and no summary")
    group.add_argument(
        "--summary",
        default="text",
        choices=("text", "json"),
        metavar="FORM",
        help="text (default), or json: one object on standard output, in place of the table",
    )


def _add_faces(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--detector",
        metavar="NAME|FILE",
        help="face-detector (default, embedded), yunet or scrfd, fetched at the first use; or the .onnx file of one",
    )
    group.add_argument(
        "--min-score", type=fraction, metavar="S", help="least score of a detection, 0 to 1; default: the detector's"
    )
    group.add_argument(
        "--min-face", type=amount("pixels"), metavar="PX", help="least height of a detected face, in pixels"
    )
    group.add_argument(
        "--detect-size",
        type=whole_number(64, 4096),
        metavar="PX",
        help="longer side of frames in the detector; larger finds smaller faces; default: the detector's",
    )
    group.add_argument(
        "--detect-stretch", action="store_true", help="stretch frames to full contrast for the detector, in the dark"
    )
    group.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="CSV with the faces: columns x1,y1,x2,y2 in pixels, and file (pictures) or frame from 0 (video)",
    )
    group.add_argument(
        "--boxes-from",
        metavar="NAME|FILE",
        help="detector that drew these boxes, or a fit from hpe-edge fit-boxes; default: chin to eyebrows (landmarks)",
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


def _add_doubt(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--max-sigma",
        type=sigma_limit,
        metavar="DEG",
        help="faces with a larger sigma are doubtful: drawn pale, marked in records; none: no limit; default: the "
        "model's",
    )
    group.add_argument("--drop-doubtful", action="store_true", help="leave doubtful faces out of all results")


def _add_attention(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--neutral",
        type=neutral_pose,
        metavar="POSE",
        help="pose of a head that looks straight ahead: learn or learn:SECONDS (default: 10), YAW,PITCH,ROLL, or a "
        "FILE.json; records then hold angles relative to it",
    )
    group.add_argument(
        "--neutral-per", choices=("person", "mount"), metavar="WHAT", help="learn it per person (default) or per mount"
    )
    group.add_argument(
        "--mount", type=angles, metavar="YAW,PITCH,ROLL", help="mounting angles of the camera, in place of --neutral"
    )
    group.add_argument("--zones", type=Path, metavar="FILE.json", help="zones of relative yaw and pitch, by name")
    group.add_argument(
        "--away-after",
        type=amount("seconds"),
        metavar="SECONDS",
        help="time outside of all zones after which a face has left; default: 2",
    )
    group.add_argument(
        "--events", type=file_or_stdout, metavar="FILE.jsonl", help="a line when a face leaves or returns"
    )


def _add_camera(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--camera-fov", type=field_of_view, metavar="DEG", help="horizontal field of view, of the upright picture"
    )
    group.add_argument(
        "--intrinsics",
        metavar="FX,FY,CX,CY|FILE",
        help="in pixels, then k1,k2,p1,p2... if the lens distorts; or a file of OpenCV's calibration",
    )


def _add_source(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--sar", type=pixel_ratio, metavar="N:D", help="width to height of its pixels; default: as the file says"
    )
    group.add_argument(
        "--rotate",
        type=int,
        default=0,
        choices=(0, 90, 180, 270),
        metavar="DEG",
        help="turn frames clockwise by 90, 180 or 270, beyond what the file says",
    )
    group.add_argument("--mirror", action="store_true", help="the source is mirrored: swap left and right")
    group.add_argument("--size", type=frame_size, metavar="WxH", help="of a camera's frames")
    group.add_argument("--fps", type=amount("frames per second"), metavar="N", help="of a camera")
    group.add_argument("--fourcc", metavar="CODE", help="pixel format of a camera, such as MJPG or YUYV")
    group.add_argument(
        "--reconnect",
        type=seconds_or_forever,
        metavar="SECONDS",
        help="how long a lost camera or stream is opened again, or forever; default: 300",
    )
    group.add_argument("--raw", metavar="WxH[@FPS]", help="size and rate of raw frames on standard input")
    group.add_argument("--pixels", metavar="FORMAT", help="format of raw frames: bgr24 (default), rgb24, gray8 or nv12")
    group.add_argument(
        "--live", action="store_true", help="a camera writes the raw frames: use the newest, with its time of arrival"
    )


def _add_other(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--frames", type=whole_number(1, 999_999_999), metavar="N", help="end after N frames")
    group.add_argument(
        "--upright",
        choices=("model", "keypoints", "second-pass", "none"),
        default="model",
        metavar="HOW",
        help="turn crops so that faces stand upright: keypoints, by the detector's key points; second-pass, by them "
        "and by a first answer; none; default: as the model says",
    )
    add_engine_arguments(group)
    group.add_argument("--threads", type=whole_number(1, 9999), metavar="N", help="cores to use; default: all")


class _Output(argparse.Action):
    """Path of the output; a slash at its end, which a Path does not keep, means a folder."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        namespace.output = Path(str(values))
        namespace.output_is_folder = str(values).endswith("/")
