"""The common plain-Python pipeline, from frame and boxes to angles.

The demonstrations of HopeNet, WHENet and the lightweight network, and their ONNX ports, do the same: cut each face out
of the frame in whole pixels with a margin round its box, resize it by OpenCV (or by PIL, as torchvision's transforms
do), normalise and transpose it in NumPy, run the session on this one face, and take NumPy's softmax and its expectation
for each angle. Margins, normalisation and bins are those of the model's spec, so that a PoseEngine on the same file
must give the same angles, but for the 8-bit levels that the resized face is rounded to.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.load import Timer
from hpe_edge.backends.onnx.check_graph import read_spec
from hpe_edge.errors import InputError
from hpe_edge.geometry import euler_full_yaw, rotation_from_zxy
from hpe_edge.spec import METADATA_KEY, BinsDecode, Crop, ModelSpec

Frame = NDArray[np.uint8]
Boxes = NDArray[np.float32]
Window = tuple[int, int, int, int]  # x1 y1 x2 y2 in whole pixels


class PlainPipeline:
    """One session, one face after the other."""

    def __init__(self, path: Path, threads: int | None) -> None:
        """Load an ONNX file with a spec; raises InputError where the network gives no bins or does not read float32."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        self.spec = read_spec(self._session.get_modelmeta().custom_metadata_map.get(METADATA_KEY), path)
        self._decode = PlainDecode(self.spec, path)
        if self.spec.input.dtype != "float32":
            raise InputError(
                f"{path} reads {self.spec.input.dtype}, and the plain pipelines give float32; name a file that does, "
                "or leave out --model for the embedded one"
            )
        self._mean = np.array(self.spec.input.mean, np.float32)
        self._std = np.array(self.spec.input.std, np.float32)
        self._resize = _resize_by_pillow if self.spec.crop.resampling == "antialias" else _resize_by_opencv

    def __call__(self, frame: Frame, boxes: Boxes, timer: Timer | None = None) -> NDArray[np.float32]:
        """Return yaw, pitch and roll ``[N, 3]`` in degrees for boxes ``[N, 4]`` in a BGR frame."""
        timed = timer or (lambda stage: nullcontext())
        angles = []
        for box in boxes:
            with timed("crop"):
                image = self._face(frame, box)
            with timed("infer"):
                outputs = self._session.run(self.spec.outputs, {self.spec.input.name: image})
            with timed("decode"):
                angles.append(self._decode(outputs)[0])
        return np.array(angles, np.float32).reshape(-1, 3)

    def _face(self, frame: Frame, box: NDArray[np.float32]) -> NDArray[np.float32]:
        face = self._resize(cut(frame, window(box, self.spec.crop), self.spec), self.spec.input.size)
        if self.spec.input.color == "RGB":
            face = cv2.cvtColor(face, cv2.COLOR_BGR2RGB)
        values = (face.astype(np.float32) * np.float32(self.spec.input.scale) - self._mean) / self._std
        return np.ascontiguousarray(values.transpose(2, 0, 1)[None])


class PlainDecode:
    """Softmax and expectation in NumPy, angle after angle; the mean direction of bins around the circle."""

    def __init__(self, spec: ModelSpec, path: Path) -> None:
        """Prepare for a model whose heads are bins; raises InputError where they are not."""
        if not isinstance(spec.decode, BinsDecode):
            raise InputError(
                f"{path} gives no bins, for which the plain pipelines are written; name a model that does, or "
                "leave out --model for the embedded one"
            )
        self._order = spec.decode.order
        heads = (spec.decode.yaw, spec.decode.pitch, spec.decode.roll)
        self._places = [
            (spec.outputs.index(head.output), head.column, head.column + head.count, head.circular) for head in heads
        ]
        self._angles_deg = [head.first_deg + head.step_deg * np.arange(head.count, dtype=np.float32) for head in heads]

    def __call__(self, outputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Convert the session's outputs ``[N, columns]`` to angles ``[N, 3]`` in degrees."""
        angles = []
        for (output, start, stop, circular), bins_deg in zip(self._places, self._angles_deg, strict=True):
            logits = outputs[output][:, start:stop]
            exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
            softmax = exponentials / exponentials.sum(axis=1, keepdims=True)
            if circular:
                bins = np.deg2rad(bins_deg)
                sine, cosine = (softmax * np.sin(bins)).sum(axis=1), (softmax * np.cos(bins)).sum(axis=1)
                angles.append(np.rad2deg(np.arctan2(sine, cosine)))
            else:
                angles.append((softmax * bins_deg).sum(axis=1))
        found = np.stack(angles, axis=1)
        return euler_full_yaw(rotation_from_zxy(found)) if self._order == "zxy" else found


def window(box: NDArray[np.float32], crop: Crop) -> Window:
    """Return the box with its margins, squared as the crop says, in whole pixels."""
    x1, y1, x2, y2 = (float(side) for side in box)
    left, top, right, bottom = crop.margins
    width, height = x2 - x1, y2 - y1
    x1, y1, x2, y2 = x1 - left * width, y1 - top * height, x2 + right * width, y2 + bottom * height
    if crop.square != "none":
        width, height = x2 - x1, y2 - y1
        side = max(width, height) if crop.square == "extend" else min(width, height)
        x1, y1 = x1 + (width - side) / 2, y1 + (height - side) / 2
        x2, y2 = x1 + side, y1 + side
    return round(x1), round(y1), round(x2), round(y2)


def in_whole_pixels(boxes: Boxes, crop: Crop) -> Boxes:
    """Move boxes ``[N, 4]`` by less than a pixel or so, so that their windows are squares of whole pixels.

    The plain pipelines cut whole pixels and PoseEngine does not, so on other boxes they see other pictures.
    """
    left, top, right, bottom = crop.margins
    moved = []
    for box in boxes:
        x1, y1, x2, y2 = window(box, crop)
        side = max(x2 - x1, y2 - y1)
        width, height = side / (1 + left + right), side / (1 + top + bottom)
        corner = x1 + left * width, y1 + top * height
        moved.append((*corner, corner[0] + width, corner[1] + height))
    return np.array(moved, np.float32).reshape(-1, 4)


def cut(frame: Frame, window: Window, spec: ModelSpec) -> Any:
    """Cut the window; pixels outside the frame are left away or filled, by the crop."""
    x1, y1, x2, y2 = window
    height, width = frame.shape[:2]
    inside = frame[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width)]
    if spec.crop.clip or inside.shape[:2] == (y2 - y1, x2 - x1):
        return inside
    fill = spec.crop.fill if spec.input.color == "BGR" else spec.crop.fill[::-1]
    top, bottom, left, right = max(-y1, 0), max(y2 - height, 0), max(-x1, 0), max(x2 - width, 0)
    return cv2.copyMakeBorder(inside, top, bottom, left, right, cv2.BORDER_CONSTANT, value=fill)


def _resize_by_opencv(image: Any, size: int) -> Any:
    return cv2.resize(image, (size, size))


def _resize_by_pillow(image: Any, size: int) -> Any:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR))
