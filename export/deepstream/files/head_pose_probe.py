"""Pad probes around the secondary nvinfer of head poses, for DeepStream's Python bindings.

nvinfer crops an object's box as it is. The first probe therefore puts the model's crop in the place of each face's box;
the second one reads the poses and puts the boxes back.

Not run on DeepStream: written from the interface's documentation and tested against a double of pyds.
"""

from __future__ import annotations

import ctypes
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

FORMAT = 1
UNTRACKED = 0xFFFFFFFFFFFFFFFF  # UNTRACKED_OBJECT_ID of nvdsmeta.h
OUTPUT = "pose_deg"  # the model's output: yaw, pitch, roll and, where it has them, their sigma

_SCALE_COST = 0.1  # of a squared pixel of a side, in squared pixels of the centre; measured on face crops

_NAN3 = (math.nan, math.nan, math.nan)


class Box(NamedTuple):
    """Corners in pixels of the batched frame, x to the right, y down; x2 and y2 exclusive."""

    x1: float
    y1: float
    x2: float
    y2: float


class Rect(NamedTuple):
    """Part of a frame that nvinfer scales to the network's input; whole, even pixels."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class Settings:
    """Content of ``head_pose.json``.

    Attributes:
        gie_id, detector_id: gie-unique-id of the pose model's nvinfer and of the detector's.
        face_class: the detector's class of faces; None for all of its objects.
        fit: width, height and down of the face from chin to eyebrows in the detector's box, as fractions of the box.
        margins: of the crop: left, top, right, bottom, as fractions of the face's width and height.
        square: ``"extend"``, ``"shrink"`` or ``"none"``.
        sigma_limit_deg: a pose is doubtful if the root mean square of its sigma exceeds it; None for no limit.
    """

    gie_id: int
    detector_id: int
    face_class: int | None
    fit: tuple[float, float, float]
    margins: tuple[float, float, float, float]
    square: str
    sigma_limit_deg: float | None

    @staticmethod
    def read(path: Path) -> Settings:
        """Read the file.

        Raises:
            ValueError: it is of another version of hpe-edge.
        """
        plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if plain.pop("format", None) != FORMAT:
            raise ValueError(
                f"{path} is of another version of hpe-edge than this probe; write the folder again: "
                "hpe-edge export deepstream"
            )
        plain = {name: tuple(each) if isinstance(each, list) else each for name, each in plain.items()}
        return Settings(**plain)


@dataclass(frozen=True)
class Pose:
    """Pose of one face.

    Attributes:
        source, frame: the camera's source_id, and the number of its frame.
        time_ns: the frame's presentation time stamp.
        object_id: the tracker's; None without a tracker.
        box: the detector's, or the tracker's.
        yaw, pitch, roll: degrees in hpe_edge's convention; NaN where nvinfer gave no answer, as for tiny boxes.
        sigma: their standard deviations in degrees; NaN where the model gives none.
        doubtful: NaN, or sigma exceeds the limit.
        cut: the crop leaves the frame, so that the angles differ from PoseEngine's by degrees.
    """

    source: int
    frame: int
    time_ns: int
    object_id: int | None
    box: Box
    yaw: float
    pitch: float
    roll: float
    sigma: tuple[float, float, float]
    doubtful: bool
    cut: bool


def crop_window(box: Box, settings: Settings) -> Box:
    """Return the model's crop around a detector's box, which may leave the frame."""
    width, height, down = settings.fit
    w, h = box.x2 - box.x1, box.y2 - box.y1
    x, y = (box.x1 + box.x2) / 2, (box.y1 + box.y2) / 2 + down * h
    w, h = w * width, h * height
    left, top, right, bottom = settings.margins
    x1, x2, y1, y2 = x - w * (0.5 + left), x + w * (0.5 + right), y - h * (0.5 + top), y + h * (0.5 + bottom)
    if settings.square != "none":
        side = (max if settings.square == "extend" else min)(x2 - x1, y2 - y1)
        x, y = (x1 + x2) / 2, (y1 + y2) / 2
        x1, x2, y1, y2 = x - side / 2, x + side / 2, y - side / 2, y + side / 2
    return Box(x1, y1, x2, y2)


def source_rect(window: Box, frame_width: int, frame_height: int) -> Rect | None:
    """Return the window in the frame on even pixels; None if it lies outside.

    nvinfer cuts left and top to whole pixels and raises them to even ones, and lowers width and height to even ones. A
    rectangle of even pixels stays as it is. Of three sizes the best is taken: the network notices a shift more than
    another scale.
    """
    x, y, w, h = (window.x1 + window.x2) / 2, (window.y1 + window.y2) / 2, window.x2 - window.x1, window.y2 - window.y1

    def placed(wider: int) -> tuple[float, int, int, int, int]:
        width, height = max(_even(w) + wider, 2), max(_even(h) + wider, 2)
        left, top = _even(x - width / 2), _even(y - height / 2)
        shift = (left + width / 2 - x) ** 2 + (top + height / 2 - y) ** 2
        scale = (width - w) ** 2 + (height - h) ** 2
        return shift + _SCALE_COST * scale, left, top, width, height

    _, left, top, width, height = min(placed(wider) for wider in (-2, 0, 2))
    right, bottom = min(left + width, frame_width // 2 * 2), min(top + height, frame_height // 2 * 2)
    left, top = max(left, 0), max(top, 0)
    return Rect(left, top, right - left, bottom - top) if right > left and bottom > top else None


def _even(value: float) -> int:
    return 2 * round(value / 2)


class _Saved(NamedTuple):
    rect: tuple[float, float, float, float]  # of the object, before: left, top, width, height
    asked: bool  # nvinfer gets the model's crop
    cut: bool


class HeadPoseProbes:
    """The two probes; the pipeline's threads call them.

    Args:
        settings: of ``head_pose.json``.
        report: takes the poses of each batch of frames.
        label: write the angles into the objects' text, for nvdsosd.
    """

    def __init__(self, settings: Settings, report: Callable[[list[Pose]], None], *, label: bool = False) -> None:
        import gi
        import pyds

        gi.require_version("Gst", "1.0")
        from gi.repository import Gst

        self._gst, self._pyds = Gst, pyds
        self._settings, self._report, self._label = settings, report, label
        self._saved: dict[int, list[_Saved]] = {}  # by the buffer's address: nvinfer passes buffers on as they are

    def attach(self, nvinfer: Any) -> None:
        """Add the probes to the pose model's nvinfer."""
        for pad, probe in (("sink", self.before), ("src", self.after)):
            nvinfer.get_static_pad(pad).add_probe(self._gst.PadProbeType.BUFFER, probe)

    def before(self, pad: Any, info: Any, *_: Any) -> Any:
        """Put the model's crop in the place of the faces' boxes."""
        address = hash(info.get_buffer())
        structure = pad.get_current_caps().get_structure(0)
        width, height = structure.get_int("width")[1], structure.get_int("height")[1]
        saved = []
        for _, found in self._faces(address):
            rect = found.rect_params
            own = (rect.left, rect.top, rect.width, rect.height)
            window = crop_window(_box(own), self._settings)
            part = source_rect(window, width, height)
            cut = window.x1 < 0 or window.y1 < 0 or window.x2 > width or window.y2 > height
            saved.append(_Saved(own, part is not None, cut))
            if part is not None:
                rect.left, rect.top, rect.width, rect.height = (float(each) for each in part)
        self._saved[address] = saved
        return self._gst.PadProbeReturn.OK

    def after(self, pad: Any, info: Any, *_: Any) -> Any:
        """Read the poses, and put the boxes back."""
        address = hash(info.get_buffer())
        poses = []
        saved = iter(self._saved.pop(address, ()))
        for frame, found in self._faces(address):
            before = next(saved, None)
            if before is None:  # the object came while nvinfer had the buffer
                break
            rect = found.rect_params
            rect.left, rect.top, rect.width, rect.height = before.rect
            values = self._values(found) if before.asked else None
            pose = self._pose(frame, found, before, values)
            if self._label and not math.isnan(pose.yaw):
                found.text_params.display_text = f"yaw {pose.yaw:.0f} pitch {pose.pitch:.0f} roll {pose.roll:.0f}"
            poses.append(pose)
        self._report(poses)
        return self._gst.PadProbeReturn.OK

    def _pose(self, frame: Any, found: Any, before: _Saved, values: list[float] | None) -> Pose:
        yaw, pitch, roll = _NAN3 if values is None else values[:3]
        sigma = _NAN3 if values is None or len(values) < 6 else (values[3], values[4], values[5])
        limit = self._settings.sigma_limit_deg
        spread = math.sqrt(sum(each * each for each in sigma) / 3)
        doubtful = math.isnan(yaw + pitch + roll) or (limit is not None and spread > limit)
        object_id = None if found.object_id == UNTRACKED else int(found.object_id)
        where = (int(frame.source_id), int(frame.frame_num), int(frame.buf_pts))
        return Pose(*where, object_id, _box(before.rect), yaw, pitch, roll, sigma, doubtful, before.cut)

    def _values(self, found: Any) -> list[float] | None:
        """The model's output for an object, copied; None where nvinfer has not run on it."""
        pyds = self._pyds
        for user in _each(found.obj_user_meta_list, pyds.NvDsUserMeta.cast):
            if user.base_meta.meta_type != pyds.NvDsMetaType.NVDSINFER_TENSOR_OUTPUT_META:
                continue
            tensors = pyds.NvDsInferTensorMeta.cast(user.user_meta_data)
            if tensors.unique_id != self._settings.gie_id:
                continue
            for at in range(tensors.num_output_layers):
                layer = pyds.get_nvds_LayerInfo(tensors, at)
                if layer.layerName == OUTPUT and layer.dataType == pyds.NvDsInferDataType.FLOAT:
                    numbers = ctypes.cast(pyds.get_ptr(layer.buffer), ctypes.POINTER(ctypes.c_float))
                    return [float(numbers[i]) for i in range(layer.inferDims.numElements)]
        return None

    def _faces(self, address: int) -> Iterator[tuple[Any, Any]]:
        """Frame and object of each face in a batch."""
        pyds, settings = self._pyds, self._settings
        batch = pyds.gst_buffer_get_nvds_batch_meta(address)
        for frame in _each(batch.frame_meta_list, pyds.NvDsFrameMeta.cast):
            for found in _each(frame.obj_meta_list, pyds.NvDsObjectMeta.cast):
                mine = found.unique_component_id == settings.detector_id
                if mine and settings.face_class in (None, found.class_id):
                    yield frame, found


def _each(node: Any, cast: Any) -> Iterator[Any]:
    """The items of a list of metadata."""
    while node is not None:
        try:
            item = cast(node.data)
        except StopIteration:
            return
        yield item
        try:
            node = node.next
        except StopIteration:
            return


def _box(rect: tuple[float, float, float, float]) -> Box:
    left, top, width, height = rect
    return Box(left, top, left + width, top + height)


def settings_beside() -> Settings:
    """Read ``head_pose.json`` in the folder of this file."""
    return Settings.read(Path(__file__).resolve().parent / "head_pose.json")
