"""Command demo: the pose of a face in a bundled photo, and a repeated export of the embedded model."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpe_edge.engine import PoseEngine
from hpe_edge.errors import SourceError
from hpe_edge.faces.detector import Detections, faces_of
from hpe_edge.faces.open_detector import EMBEDDED, open_detector
from hpe_edge.geometry import geodesic_deg
from hpe_edge.models import DEFAULT, DEFAULT_NAME, FOLDER, WEIGHTS
from hpe_edge.poses import Poses
from hpe_edge.samples import PHOTO, read_photo
from hpe_edge.sinks.annotated_images import check_picture_suffix, save_picture
from hpe_edge.util.atomic import Pending
from hpe_edge.util.console import print_message, show
from hpe_edge.util.export_package import load_step
from hpe_edge.util.shell import CommandParser
from hpe_edge.util.signals import interrupting_signal, signal_name

CALLS = 200  # timed calls, of which the median is printed
_EXPORT_PACKAGES = ("torch", "onnx", "onnxsim", "onnxruntime")
_SIGNS = (
    "> 0: the face turns to the left of the image",
    "> 0: it looks up",
    "> 0: it tilts clockwise",
)


_DESCRIPTION = """\
Find the face in the bundled photo, print its angles with their uncertainty and the time they took, and write the
annotated picture. Then export the embedded model again from its trained weights, print the report of the accuracy
gate, and compare the new file's angles with the embedded model's. Nothing is downloaded.

The second half needs the packages of pip install 'hpe-edge[demo]' and is left out without it.
"""


@dataclass(frozen=True)
class DemoOptions:
    """Arguments of ``hpe-edge demo``.

    Attributes:
        output: the annotated picture.
    """

    output: Path


def main(argv: Sequence[str]) -> int:
    """Run ``hpe-edge demo``; returns the exit status."""
    parser = CommandParser(prog="hpe-edge demo", description=_DESCRIPTION)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=Path("demo.jpg"),
        metavar="OUT.jpg",
        help="the annotated picture; an existing file is replaced, default: demo.jpg",
    )
    return demo(DemoOptions(**vars(parser.parse_args(argv))))


def demo(options: DemoOptions) -> int:
    """Estimate the pose and export the model again.

    Returns:
        0, or 128 + N where signal N ended the export.

    Raises:
        HpeEdgeError: the picture cannot be written, or the export failed; GateFailed
            where the exported model's angles differ.
    """
    output = options.output
    check_picture_suffix(output)
    photo, face, poses = _estimate(output)
    try:
        _export_again(photo, face, poses)
    except KeyboardInterrupt as stop:
        number = interrupting_signal(stop)
        print_message(f"hpe-edge: the export was stopped by {signal_name(number)}; {output} is complete")
        return 128 + number
    return 0


def _estimate(output: Path) -> tuple[NDArray[np.uint8], Detections, Poses]:
    """Print the pose and write the picture; returns photo, face and pose."""
    pending = Pending(output)  # checks that it can be written
    try:
        photo = read_photo()
        face = _find_face(photo)
        with PoseEngine(threads=1) as engine:
            poses = engine(photo, face)
            call_ms = _call_ms(engine, photo, face)
        _print("model", f"{DEFAULT_NAME}; its card is {FOLDER / 'README.md'}")
        _print("photo", f"{PHOTO}: Eileen Collins, NASA")
        x1, y1, x2, y2 = face.boxes[0].tolist()
        _print("face", f"({x1:.0f}, {y1:.0f}) to ({x2:.0f}, {y2:.0f}), found by the embedded {EMBEDDED}")
        for name, angle, sigma, sign in zip(
            ("yaw", "pitch", "roll"), poses.angles[0].tolist(), poses.sigma[0].tolist(), _SIGNS, strict=True
        ):
            _print(name, f"{angle:6.1f} degrees, sigma {sigma:.1f}    {sign}")
        _print("time", f"{call_ms:.2f} ms from picture and face to pose; median of {CALLS} calls, 1 thread")
        drawn = photo.copy()
        poses.draw(drawn)
        save_picture(pending.temp, drawn, output)
        replaced = output.exists()
        pending.commit()
    finally:
        pending.discard()
    _print("written", f"{output}{', in place of the file that was there' * replaced}\n")
    return photo, face, poses


def _print(name: str, text: str) -> None:
    show(f"{name:<12}{text}")


def _print_stage(stage: str, lines: Sequence[str]) -> None:
    for k, line in enumerate(lines):
        _print("" if k else stage, line)


def _find_face(photo: NDArray[np.uint8]) -> Detections:
    """Return the largest face alone."""
    found = open_detector(EMBEDDED)(photo)
    if not len(found):
        raise SourceError(f"the embedded {EMBEDDED} finds no face in {PHOTO}; please report this")
    return faces_of(found, np.argsort(found.boxes[:, 0] - found.boxes[:, 2])[:1])


def _call_ms(engine: PoseEngine, photo: NDArray[np.uint8], face: Detections) -> float:
    times_s = []
    for _ in range(CALLS):
        start_s = time.perf_counter()
        engine(photo, face)
        times_s.append(time.perf_counter() - start_s)
    return 1e3 * float(np.median(times_s))


def _export_again(photo: NDArray[np.uint8], face: Detections, poses: Poses) -> None:
    """Export the embedded model from its weights into a temporary folder and compare the angles."""
    missing = [name for name in _EXPORT_PACKAGES if find_spec(name) is None]
    if missing:
        _print("left out", f"the export of the model from its weights, which needs {', '.join(missing)}:")
        _print("", "run: pip install 'hpe-edge[demo]'")
        return
    _print("once more", f"hpe-edge export onnx {WEIGHTS}")
    export = load_step("onnx").export
    with tempfile.TemporaryDirectory(prefix="hpe_edge-") as folder:
        exported = export(WEIGHTS, output=Path(folder) / DEFAULT.name, report=_print_stage)
        with PoseEngine(exported.path, threads=1) as engine:
            again = engine(photo, face)
    apart_deg = float(geodesic_deg(poses.rotation, again.rotation)[0])
    _print("compared", f"on the face above, this file and the embedded one differ by {apart_deg:.5f} degrees")
