"""Types of command line arguments, and the arguments for a model's device that several commands share."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from hpe_edge.backends.options import BackendName, Precision

_NUMBER = r"[0-9]{1,6}(?:\.[0-9]{1,6})?"
_SIGNED = rf"[+-]?{_NUMBER}"


def add_engine_arguments(group: argparse._ActionsContainer) -> None:
    """Add the arguments for device, backend and precision of a model."""
    group.add_argument(
        "--device",
        help="cpu, cuda or cuda:INDEX; with --backend openvino also gpu, gpu.INDEX or npu; default: cpu for .onnx, "
        "cuda for .engine and the TensorRT backends",
    )
    group.add_argument(
        "--backend",
        choices=get_args(BackendName),
        metavar="NAME",
        help=f"{', '.join(get_args(BackendName))}; default: onnxruntime for .onnx, tensorrt for .engine, "
        "tensorrt-rtx for .rtx, native for .hpe. tensorrt builds an engine of an .onnx the first time (minutes) and "
        "keeps it in the cache folder",
    )
    group.add_argument(
        "--precision",
        choices=get_args(Precision),
        metavar="NAME",
        help=f"of the openvino backend: {', '.join(get_args(Precision))}; of the engine that the tensorrt backend "
        "builds of an .onnx in FP32: fp32, fp16; default: fp32",
    )


def field_of_view(text: str) -> float:
    """Parse degrees above 0 and below 180."""
    if not re.fullmatch(_NUMBER, text, re.ASCII) or not 0 < float(text) < 180:
        raise argparse.ArgumentTypeError(f"must be degrees above 0 and below 180, got {text!r}")
    return float(text)


def pixel_ratio(text: str) -> float:
    """Parse ``N:D`` or a number, from 1/8 to 8."""
    match = re.fullmatch(rf"({_NUMBER})(?:[:/]({_NUMBER}))?", text, re.ASCII)
    above, below = (float(match[1]), float(match[2] or 1)) if match else (0.0, 1.0)
    if not (below > 0 and 0.125 <= above / below <= 8):
        raise argparse.ArgumentTypeError(f"must be N:D from 1:8 to 8:1, such as 16:15, got {text!r}")
    return above / below


def frame_size(text: str) -> tuple[int, int]:
    """Parse ``WxH`` in pixels."""
    match = re.fullmatch("([0-9]{1,5})x([0-9]{1,5})", text, re.ASCII)
    if match is None:
        raise argparse.ArgumentTypeError(f"must be WxH in pixels, such as 1280x720, got {text!r}")
    return int(match[1]), int(match[2])


def seconds_or_forever(text: str) -> float:
    """Parse seconds, or ``forever`` for infinity."""
    if text == "forever":
        return math.inf
    if not re.fullmatch(_NUMBER, text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be a number of seconds, 0 or more, or forever, got {text!r}")
    return float(text)


def sigma_limit(text: str) -> float:
    """Parse degrees above 0, or ``none`` for infinity."""
    if text == "none":
        return math.inf
    if not re.fullmatch(_NUMBER, text, re.ASCII) or float(text) == 0:
        raise argparse.ArgumentTypeError(f"must be degrees above 0, or none for no limit, got {text!r}")
    return float(text)


def fraction(text: str) -> float:
    """Parse a number from 0 to 1."""
    if not re.fullmatch(_NUMBER, text, re.ASCII) or float(text) > 1:
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1, got {text!r}")
    return float(text)


def amount(unit: str) -> Callable[[str], float]:
    """Make an argument type that takes a number of 0 or more of a unit."""

    def parse(text: str) -> float:
        if not re.fullmatch(_NUMBER, text, re.ASCII):
            raise argparse.ArgumentTypeError(f"must be a number of {unit}, 0 or more, got {text!r}")
        return float(text)

    return parse


def angles(text: str) -> tuple[float, float, float]:
    """Parse ``YAW,PITCH,ROLL`` in degrees."""
    if not re.fullmatch(rf"{_SIGNED}(?:,{_SIGNED}){{2}}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"must be YAW,PITCH,ROLL in degrees, such as 30,-10,0, got {text!r}")
    yaw, pitch, roll = map(float, text.split(","))
    return yaw, pitch, roll


def neutral_pose(text: str) -> float | tuple[float, float, float] | Path:
    """Parse ``learn`` or ``learn:SECONDS``, ``YAW,PITCH,ROLL`` or the name of a .json file.

    Returns:
        Seconds, angles in degrees, or a path.
    """
    learn = re.fullmatch(rf"learn(?::({_NUMBER}))?", text, re.ASCII)
    if learn is not None:
        return float(learn[1] or 10)
    if text.lower().endswith(".json"):
        return Path(text)
    if "," in text:
        return angles(text)
    raise argparse.ArgumentTypeError(f"must be learn, learn:SECONDS, YAW,PITCH,ROLL or a FILE.json, got {text!r}")


def file_or_stdout(text: str) -> Path | Literal["-"]:
    """Parse the name of a file, or ``-`` for standard output."""
    return "-" if text == "-" else Path(text)
