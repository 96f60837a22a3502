"""Suite ``rectification``: error of estimates away from the optical axis, without and with a camera.

A photo is warped as a camera that turned about its centre would have taken it, which is exact for any scene. The face
starts on the axis, with the estimate R, and ends up as many degrees off it as the camera turned. In the turned camera's
frame its rotation is Q R, with Q the known turn; the error of an estimate is its distance from that. It is not an error
against labels: a network that is wrong about the photo may be equally wrong in all its views.

Boxes are the extents of the warped outline of the face, as a detector would find them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.datasets.labels_csv import LAYOUT, read_labelled_photos
from benchmarks.datasets.mat_sets import landmarks
from benchmarks.harness.suite import Suite, default_or, model_option, path_option
from benchmarks.harness.timing import Effort, Result
from hpe_edge import Camera, PoseEngine
from hpe_edge.geometry import geodesic_deg

FOV_DEG = 60.0
WIDTHS = (1920, 640)  # of the frame in pixels; the photos' faces are about 190 wide, so these are far and near
OFF_AXIS_DEG = (0, 5, 10, 15, 20, 25)
DIRECTIONS_DEG = range(0, 360, 45)  # in which the face moves: 0 to the right, 90 down

Points = NDArray[np.float64]
Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Options:
    labels: Path = path_option(
        f"{LAYOUT}; where they are AFLW2000's with their .mat files and SciPy is installed, boxes of landmarks are "
        "tried as well",
        metavar="CSV",
    )
    model: Path | None = model_option()


@dataclass(frozen=True)
class Turned:
    """The part of a turned camera's picture that holds the photo, the face's box ``[1, 4]`` and the camera there."""

    frame: NDArray[np.uint8]
    box: NDArray[np.float32]
    camera: Camera


def turn(off_axis_deg: float, direction_deg: float) -> NDArray[np.float64]:
    """Return Q, which takes a point on the optical axis so far off it, in that direction of the picture."""
    direction = np.deg2rad(direction_deg)
    axis = np.array([-np.sin(direction), np.cos(direction), 0.0])
    return np.asarray(cv2.Rodrigues(np.deg2rad(off_axis_deg) * axis)[0], np.float64)


def see_turned(photo: NDArray[np.uint8], outline: Points, focal: float, q: NDArray[np.float64]) -> Turned:
    """Warp a photo as a camera takes it whose axis met the middle of the outline ``[K, 2]`` before turning by ``q``."""
    middle = (outline.min(axis=0) + outline.max(axis=0)) / 2
    k = np.array([[focal, 0, middle[0]], [0, focal, middle[1]], [0, 0, 1]])
    homography = k @ q @ np.linalg.inv(k)
    height, width = photo.shape[:2]
    corners = _map(homography, np.array([[0.0, 0], [width, 0], [width, height], [0, height]]))
    start, stop = np.floor(corners.min(axis=0)), np.ceil(corners.max(axis=0))
    shift = np.eye(3)
    shift[:2, 2] = -start
    homography = shift @ homography
    # OpenCV counts from the centre of the top-left pixel.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    size_wh = (stop - start).astype(int).tolist()
    frame = cv2.warpPerspective(photo, np.linalg.inv(half) @ homography @ half, size_wh)
    return Turned(np.asarray(frame, np.uint8), _box(_map(homography, outline)), Camera(focal, focal, *(middle - start)))


def ellipse(box: NDArray[np.float32]) -> Points:
    """Return the outline of a face that fills its box."""
    angle = np.deg2rad(np.arange(0, 360, 5))
    x1, y1, x2, y2 = box.tolist()
    return np.stack([(x1 + x2 + (x2 - x1) * np.cos(angle)) / 2, (y1 + y2 + (y2 - y1) * np.sin(angle)) / 2], axis=1)


def off_by(
    engine: PoseEngine, photos: Sequence[Image], outlines: Sequence[Points], focal: float, off_axis_deg: float
) -> NDArray[np.float64]:
    """Return degrees from Q R, without and with the camera, and from R, without: ``[3, photos * directions]``."""
    distances = []
    for photo, outline in zip(photos, outlines, strict=True):
        straight = engine(photo, _box(outline)).rotation[0].astype(np.float64)
        for direction_deg in DIRECTIONS_DEG if off_axis_deg else (0,):
            q = turn(off_axis_deg, direction_deg)
            turned = see_turned(photo, outline, focal, q)
            without = engine(turned.frame, turned.box).rotation[0]
            rectified = engine(turned.frame, turned.box, camera=turned.camera).rotation[0]
            known = (q @ straight, without), (q @ straight, rectified), (straight, without)
            distances.append([geodesic_deg(*pair) for pair in known])
    apart: NDArray[np.float64] = np.array(distances, np.float64).T
    return apart


def _map(homography: NDArray[np.float64], points: Points) -> Points:
    return np.asarray(cv2.perspectiveTransform(points[None], homography)[0], np.float64)


def _box(outline: Points) -> NDArray[np.float32]:
    return np.array([[*outline.min(axis=0), *outline.max(axis=0)]], np.float32)


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    labelled = read_labelled_photos(options.labels, quick=effort.quick)
    photos, paths, boxes = labelled.photos, labelled.paths, labelled.boxes
    outlines = {"an ellipse that fills the label's box": [ellipse(box) for box in boxes]}
    if find_spec("scipy") and all(path.with_suffix(".mat").is_file() for path in paths):
        outlines["68 landmarks"] = [landmarks(path) for path in paths]
    with PoseEngine(default_or(options.model), threads=1) as engine:
        for what, points in outlines.items():
            for width in WIDTHS:
                focal = Camera.from_fov(width, width, FOV_DEG).fx
                for off_axis_deg in OFF_AXIS_DEG:
                    parameters: dict[str, str | int] = {
                        "model": engine.spec.architecture,
                        "photos": len(photos),
                        "directions": len(DIRECTIONS_DEG),
                        "outline": what,
                        "frame": f"{width} pixels over {FOV_DEG:g} degrees",
                        "off_axis_deg": off_axis_deg,
                    }
                    distances = off_by(engine, photos, points, focal, off_axis_deg)
                    yield Result("rectification", parameters, figures=_figures(distances))


def _figures(distances: NDArray[np.float64]) -> dict[str, float | None]:
    figures: dict[str, float | None] = {}
    for name, values in zip(("without_camera", "with_camera", "apparent_move"), distances, strict=True):
        figures[f"{name}_mean_deg"] = round(float(values.mean()), 3)
        figures[f"{name}_p95_deg"] = round(float(np.percentile(values, 95)), 3)
    return figures


SUITE = Suite("rectification", "estimates away from the optical axis, without and with a camera", _run, Options)
