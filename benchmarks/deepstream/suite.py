"""Suite ``deepstream``: angles and times of a folder of ``hpe-edge export deepstream`` beside PoseEngine.

DeepStream itself is not run: the folder's probe places the crop, an emulated nvinfer scales it, and ONNX Runtime runs
the folder's model. Angles are compared with PoseEngine's on the same frame and box, without its turning of crops except
for turned pictures. Faces are scaled, so that crops are 30 to 250 pixels wide.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from benchmarks.deepstream.emulated_nvinfer import EmulatedNvinfer
from benchmarks.harness.suite import Suite, path_option
from benchmarks.harness.timing import Alternative, Answer, Case, Effort, Result, measure
from export.deepstream import export
from export.deepstream.files.head_pose_probe import Box, Settings, crop_window, source_rect
from hpe_edge import PoseEngine
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.boxes.box_fit import box_fit
from hpe_edge.errors import InputError
from hpe_edge.geometry import geodesic_deg, rotation_from_euler
from hpe_edge.models import DEFAULT
from hpe_edge.ops.decode import DecodeHeads

DETECTOR = "yunet"  # of boxes.csv
FACES, QUICK_FACES = 600, 24
SIZES = ((0, 64), (64, 128), (128, 256))  # of the crop, in pixels
CUT = ("left", "top", "right", "bottom")
TURNS_DEG = (30, 60)
SAME_DEG = 0.01


@dataclass(frozen=True)
class Options:
    faces: Path = path_option("pictures of a face each, with boxes.csv of yunet's boxes", metavar="FOLDER")


@dataclass(frozen=True)
class _Face:
    frame: NDArray[np.uint8]
    landmark_box: NDArray[np.float32]
    window: Box  # as DeepStream's probe places it
    settings: Settings


def _run(options: Options, effort: Effort) -> Iterator[Result]:
    with tempfile.TemporaryDirectory() as made:
        folder = export(output=Path(made) / "folder").path
        settings = Settings.read(folder / "head_pose.json")
        network = _session(folder)
        faces = list(_faces(options.faces, settings, QUICK_FACES if effort.quick else FACES))
        with PoseEngine(upright=None, threads=1) as upright, PoseEngine(threads=1) as engine:
            whole = [each for each in faces if _within(each)]
            expected, rects = _rotations(upright, whole), [_rect(each) for each in whole]
            sides = np.array([each.window.x2 - each.window.x1 for each in whole])
            for scaling in ("centres", "corners"):
                nvinfer = EmulatedNvinfer(folder / "head_pose.txt", corners=scaling == "corners")
                apart = geodesic_deg(_poses(network, nvinfer, whole, rects), expected)
                yield _result({"crop": "within the frame", "scaling": scaling}, apart)
                for low, high in SIZES if scaling == "centres" else ():
                    chosen = (sides >= low) & (sides < high)
                    yield _result({"crop": "within the frame", "pixels": f"{low} to {high}"}, apart[chosen])
            nvinfer = EmulatedNvinfer(folder / "head_pose.txt")
            rng = np.random.default_rng(1)
            for share in (0.1, 0.2):
                cut = [_cut(each, CUT[at % len(CUT)], share * rng.uniform(0.5, 1)) for at, each in enumerate(whole)]
                found = _poses(network, nvinfer, cut, [_rect(each) for each in cut])
                about = {"crop": f"up to {share:.0%} beyond the frame"}
                yield _result(about, geodesic_deg(found, _rotations(upright, cut)))
            for turn in TURNS_DEG:
                rolled = [_rolled(each, turn) for each in whole]
                found = _poses(network, nvinfer, rolled, [_rect(each) for each in rolled])
                yield _result(
                    {"crop": f"picture turned by {turn} degrees"}, geodesic_deg(found, _rotations(engine, rolled))
                )
        yield measure(_times(network), effort)


def _session(folder: Path) -> onnxruntime.InferenceSession:
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(folder / "head_pose.onnx", settings, providers=["CPUExecutionProvider"])


def _faces(folder: Path, settings: Settings, most: int) -> Iterator[_Face]:
    path = folder / "boxes.csv"
    if not path.is_file():
        raise InputError(
            f"--faces must hold boxes.csv with the columns file, x1, y1, x2, y2; there is none in {folder}"
        )
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rng, fit = np.random.default_rng(0), box_fit(DETECTOR)
    for row in rows[:: max(len(rows) // most, 1)][:most]:
        picture = cv2.imread(str(folder / row["file"]))
        if picture is None:
            raise InputError(f"cannot read {folder / row['file']}")
        scale = rng.uniform(0.3, 2.5)
        filter_ = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        frame = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=filter_), np.uint8)
        drawn = np.array([[float(row[name]) for name in ("x1", "y1", "x2", "y2")]], np.float32) * scale
        yield _face(frame, fit(drawn)[0] + rng.uniform(-1, 1, 2).astype(np.float32)[[0, 1, 0, 1]], settings)


def _face(frame: NDArray[np.uint8], landmark_box: NDArray[np.float32], settings: Settings) -> _Face:
    return _Face(frame, landmark_box, crop_window(Box(*map(float, landmark_box)), settings), settings)


def _within(face: _Face) -> bool:
    height, width = face.frame.shape[:2]
    window = face.window
    return window.x1 >= 2 and window.y1 >= 2 and window.x2 <= width - 3 and window.y2 <= height - 3


def _rect(face: _Face) -> Any:
    height, width = face.frame.shape[:2]
    return source_rect(face.window, width, height)


def _cut(face: _Face, side: str, share: float) -> _Face:
    """Cut a face's frame so that this share of the crop lies beyond its edge."""
    w, (height, width) = face.window, face.frame.shape[:2]
    beyond = share * (w.x2 - w.x1)
    left, top = (round(w.x1 + beyond) if side == "left" else 0), (round(w.y1 + beyond) if side == "top" else 0)
    right = round(w.x2 - beyond) if side == "right" else width
    bottom = round(w.y2 - beyond) if side == "bottom" else height
    frame = np.ascontiguousarray(face.frame[top:bottom, left:right])
    return _face(frame, face.landmark_box - np.array([left, top, left, top], np.float32), face.settings)


def _rolled(face: _Face, turn_deg: float) -> _Face:
    """Turn a face's frame about the box's centre; the box stays."""
    x, y = (face.landmark_box[:2] + face.landmark_box[2:]) / 2
    height, width = face.frame.shape[:2]
    steps = cv2.getRotationMatrix2D((float(x) - 0.5, float(y) - 0.5), -turn_deg, 1.0)
    turned = cv2.warpAffine(face.frame, steps, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return _face(np.asarray(turned, np.uint8), face.landmark_box, face.settings)


def _rotations(engine: PoseEngine, faces: Sequence[_Face]) -> NDArray[np.float32]:
    return np.concatenate([engine(each.frame, each.landmark_box[None]).rotation for each in faces])


def _poses(
    network: onnxruntime.InferenceSession, nvinfer: EmulatedNvinfer, faces: Sequence[_Face], rects: Sequence[Any]
) -> NDArray[Any]:
    rows = []
    for face, rect in zip(faces, rects, strict=True):
        rows.append(network.run(None, {"crop_levels": nvinfer(face.frame, [rect])})[0][:, :3])
    return rotation_from_euler(np.concatenate(rows))


def _result(about: Mapping[str, str], apart_deg: NDArray[Any]) -> Result:
    if not len(apart_deg):
        return Result("difference", about, skipped={"all": "no face is of that kind"})
    figures = {"mean_deg": float(apart_deg.mean()), "median_deg": float(np.median(apart_deg))}
    figures |= {f"p{percent}_deg": float(np.percentile(apart_deg, percent)) for percent in (90, 99)}
    return Result(
        "difference", {**about, "faces": len(apart_deg)}, figures={**figures, "worst_deg": float(apart_deg.max())}
    )


def _times(network: onnxruntime.InferenceSession) -> Case:
    """Network and decode of one face: the engine's backend and native decode beside the variant, both on one thread."""
    backend = OnnxRuntimeBackend(DEFAULT, threads=1)
    context, decode = backend.context(), DecodeHeads(backend.spec)
    size, rule = backend.spec.input.size, backend.spec.input
    levels = np.random.default_rng(0).integers(0, 256, (1, 3, size, size)).astype(np.float32)
    scale, offset = (np.array(each, np.float32).reshape(3, 1, 1) for each in (rule.std, rule.mean))
    context.input(1)[...] = (levels * np.float32(rule.scale) - offset) / scale
    plain: Alternative = Alternative("engine", "network and native decode", lambda: decode(context.run(1)), _angles)
    variant = Alternative(
        "variant",
        "normalisation, network and decode in one graph",
        lambda: network.run(None, {"crop_levels": levels})[0],
        lambda found: {"angles_deg": found[:, :3]},
        {"angles_deg": SAME_DEG},
    )
    return Case("network and decode", {"faces": 1}, [plain, variant])


def _angles(poses: Any) -> Answer:
    return {"angles_deg": poses.angles}


SUITE = Suite("deepstream", "a folder for DeepStream beside PoseEngine, nvinfer emulated", _run, Options)
