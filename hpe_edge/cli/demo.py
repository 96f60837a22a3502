"""The command demo: one face in a bundled photo from the picture to its pose, and the model's export once more."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpe_edge.drawing.draw_poses import draw_poses
from hpe_edge.engine import PoseEngine
from hpe_edge.errors import InputError, SourceError
from hpe_edge.faces.haar import HaarDetector
from hpe_edge.geometry import geodesic_deg
from hpe_edge.models import DEFAULT, DEFAULT_NAME, FOLDER, WEIGHTS
from hpe_edge.poses import Poses
from hpe_edge.samples import FOLDER as SAMPLES
from hpe_edge.sinks.annotated_images import save_picture
from hpe_edge.sources.images import PICTURE_SUFFIXES
from hpe_edge.util.atomic import Pending
from hpe_edge.util.console import show

PHOTO = SAMPLES / "astronaut.jpg"
CALLS = 200  # whose median is the time of one
_EXPORT_PACKAGES = ("torch", "onnx", "onnxsim")
_SIGNS = (
    "> 0: the face turns to the left of the image",
    "> 0: it looks up",
    "> 0: it tilts clockwise",
)


def demo_command(output: Path) -> int:
    """Do what ``hpe-edge demo`` was asked for; returns the exit status.

    Raises:
        HpeEdgeError: the picture cannot be written, or OpenCV has no face detector.
    """
    if output.suffix.lower() not in PICTURE_SUFFIXES:
        raise InputError(f"an annotated picture needs one of {' '.join(sorted(PICTURE_SUFFIXES))}, got {output}")
    pending = Pending(output)  # which shows that it can be written
    try:
        photo = _read_photo()
        box = _find_face(photo)
        with PoseEngine(threads=1) as engine:
            poses = engine(photo, box)
            call_ms = _call_ms(engine, photo, box)
        _tell("model", f"{DEFAULT_NAME}; its card is {FOLDER / 'README.md'}")
        _tell("photo", f"{PHOTO}: Eileen Collins, NASA")
        x1, y1, x2, y2 = box[0].tolist()
        _tell("face", f"({x1:.0f}, {y1:.0f}) to ({x2:.0f}, {y2:.0f}), found by OpenCV's Haar cascade")
        for name, angle, sigma, sign in zip(
            ("yaw", "pitch", "roll"), poses.angles[0].tolist(), poses.sigma[0].tolist(), _SIGNS, strict=True
        ):
            _tell(name, f"{angle:6.1f} degrees, sigma {sigma:.1f}    {sign}")
        _tell("time", f"{call_ms:.2f} ms from picture and box to pose; median of {CALLS} calls, 1 thread")
        drawn = photo.copy()
        draw_poses(drawn, box, poses)
        save_picture(pending.temp, drawn, output)
        replaced = output.exists()
        pending.commit()
    finally:
        pending.discard()
    _tell("written", f"{output}{', in place of the file that was there' * replaced}\n")
    try:
        return _export_again(photo, box, poses)
    except KeyboardInterrupt:
        print(f"hpe-edge: stopped by Ctrl-C; {output} is complete", file=sys.stderr)
        return 130


def _tell(what: str, text: str) -> None:
    show(f"{what:<12}{text}")


def _read_photo() -> NDArray[np.uint8]:
    photo = cv2.imread(str(PHOTO))
    if photo is None:
        raise SourceError(f"cannot read {PHOTO}; hpe_edge is not installed completely, install it again")
    return np.asarray(photo, np.uint8)


def _find_face(photo: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The landmark box of the largest face, ``[1, 4]``."""
    boxes = HaarDetector()(photo).boxes
    if not len(boxes):
        raise SourceError(f"OpenCV {cv2.__version__} finds no face in {PHOTO}; please report this")
    largest = int(np.argmax(boxes[:, 2] - boxes[:, 0]))
    return boxes[largest : largest + 1]


def _call_ms(engine: PoseEngine, photo: NDArray[np.uint8], box: NDArray[np.float32]) -> float:
    times_s = []
    for _ in range(CALLS):
        start_s = time.perf_counter()
        engine(photo, box)
        times_s.append(time.perf_counter() - start_s)
    return 1e3 * float(np.median(times_s))


def _export_again(photo: NDArray[np.uint8], box: NDArray[np.float32], poses: Poses) -> int:
    """Let ``python -m export.onnx`` make the model from its weights, as a user would; nothing is kept."""
    missing = [name for name in _EXPORT_PACKAGES if find_spec(name) is None]
    if missing:
        _tell("not run", f"the model's export from its trained weights: it needs {', '.join(missing)};")
        _tell("", "run, in the checkout: pip install -c constraints.txt '.[demo]'")
        return 0
    _tell("once more", f"python -m export.onnx {WEIGHTS}")
    with tempfile.TemporaryDirectory(prefix="hpe_edge-") as name:
        # Started there, it finds the installed packages, whatever lies in the user's folder.
        command = [sys.executable, "-m", "export.onnx", str(WEIGHTS), "-o", DEFAULT.name]
        with subprocess.Popen(command, cwd=name, stdout=subprocess.PIPE, text=True, errors="replace") as export:
            assert export.stdout is not None
            for line in export.stdout:
                if not line.startswith(("written ", "next ")):  # they are about a file that is not kept
                    show(line.rstrip("\n"))
        if export.returncode:
            return export.returncode if export.returncode > 0 else 1
        with PoseEngine(Path(name) / DEFAULT.name, threads=1) as engine:
            again = engine(photo, box)
    apart_deg = float(geodesic_deg(poses.rotation, again.rotation)[0])
    _tell("the same", f"on the face above, this file and the embedded one differ by {apart_deg:.5f} degrees")
    return 0
