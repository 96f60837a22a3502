"""A double of pyds and gi with the rules of DeepStream's Python bindings that the probes rely on.

Lists are chains of nodes whose ``data`` is a capsule: only ``cast`` gives the item. The end of a list is None or a
StopIteration, both of which the bindings have shown. Metadata of a buffer that has gone on are dead memory: touching
them raises. Tensors live in memory of nvinfer, which it uses again. Numbers of rectangles are float32.
"""

from __future__ import annotations

import enum
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest


class MetaType(enum.Enum):
    NVDS_USER_META = 7
    NVDSINFER_TENSOR_OUTPUT_META = 12


class DataType(enum.Enum):
    FLOAT = 0
    HALF = 1


class Capsule:
    """A PyCapsule, which to Python is nothing but an identity."""

    def __init__(self, target: Any) -> None:
        self._target = target


class Node:
    """A GList; ``ends`` is how its last ``next`` ends."""

    def __init__(self, items: Sequence[Any], ends: str) -> None:
        self.data, self._rest, self._ends = Capsule(items[0]), items[1:], ends

    @property
    def next(self) -> Node | None:
        if self._rest:
            return Node(self._rest, self._ends)
        if self._ends == "raises":
            raise StopIteration
        return None


class Meta:
    """Memory that dies with its buffer."""

    def __init__(self, alive: list[bool], **fields: Any) -> None:
        object.__setattr__(self, "_alive", alive)
        object.__setattr__(self, "_fields", fields)

    def __getattr__(self, name: str) -> Any:
        assert self._alive[0], f"{name} was read after the buffer had gone on"
        return self._fields[name]

    def __setattr__(self, name: str, value: Any) -> None:
        assert self._alive[0] and name in self._fields, name
        if name in ("left", "top", "width", "height"):
            assert isinstance(value, float), "pybind11 takes no other type here"
            value = float(np.float32(value))
        self._fields[name] = value


class Buffer:
    """A batch of frames; hash() is the address of the GstBuffer."""

    def __init__(self, address: int, ends: str = "raises") -> None:
        self.address, self.ends = address, ends
        self.alive = [True]
        self.frames: list[Meta] = []

    def __hash__(self) -> int:
        return self.address

    def meta(self, **fields: Any) -> Meta:
        return Meta(self.alive, **fields)

    def chain(self, items: Sequence[Any]) -> Node | None:
        return Node(items, self.ends) if items else None

    def add_frame(self, source: int, number: int, objects: Sequence[Meta]) -> Meta:
        frame = self.meta(
            source_id=source, frame_num=number, buf_pts=number * 40_000_000, obj_meta_list=self.chain(objects)
        )
        self.frames.append(frame)
        return frame

    def add_object(
        self, rect: Sequence[float], *, component: int = 1, class_id: int = 0, object_id: int = 0xFFFFFFFFFFFFFFFF
    ) -> Meta:
        names = ("left", "top", "width", "height")
        rectangle = self.meta(**{name: float(np.float32(each)) for name, each in zip(names, rect, strict=True)})
        return self.meta(
            unique_component_id=component,
            class_id=class_id,
            object_id=object_id,
            rect_params=rectangle,
            text_params=self.meta(display_text=""),
            obj_user_meta_list=None,
        )


class Tensors:
    """Output memory of an nvinfer: one array for all objects, written again by every batch."""

    def __init__(self, name: str = "pose_deg", columns: int = 6, gie_id: int = 2) -> None:
        self.name, self.gie_id = name, gie_id
        self.memory = np.full((64, columns), np.nan, np.float32)

    def attach(self, buffer: Buffer, found: Meta, row: int, values: Sequence[float]) -> None:
        self.memory[row] = values
        layer = buffer.meta(
            layerName=self.name,
            dataType=DataType.FLOAT,
            buffer=Capsule(self.memory[row].ctypes.data),
            inferDims=buffer.meta(numElements=self.memory.shape[1]),
        )
        tensors = buffer.meta(unique_id=self.gie_id, num_output_layers=1, layers=[layer])
        other = buffer.meta(base_meta=buffer.meta(meta_type=MetaType.NVDS_USER_META), user_meta_data=Capsule(None))
        mine = buffer.meta(
            base_meta=buffer.meta(meta_type=MetaType.NVDSINFER_TENSOR_OUTPUT_META), user_meta_data=Capsule(tensors)
        )
        found.obj_user_meta_list = buffer.chain([other, mine])


class Pad:
    def __init__(self, width: int, height: int) -> None:
        self._size = {"width": width, "height": height}
        self.probes: list[Callable[..., Any]] = []

    def add_probe(self, kind: Any, probe: Callable[..., Any]) -> None:
        assert kind == "BUFFER"
        self.probes.append(probe)

    def get_current_caps(self) -> Pad:
        return self

    def get_structure(self, index: int) -> Pad:
        assert index == 0
        return self

    def get_int(self, name: str) -> tuple[bool, int]:
        return True, self._size[name]

    def push(self, buffer: Buffer) -> None:
        for probe in self.probes:
            assert probe(self, types.SimpleNamespace(get_buffer=lambda: buffer)) == "OK"


class Element:
    """nvinfer: its pads, and between them what it does to each object's rectangle."""

    def __init__(self, width: int = 640, height: int = 480) -> None:
        self.pads = {"sink": Pad(width, height), "src": Pad(width, height)}

    def get_static_pad(self, name: str) -> Pad:
        return self.pads[name]


def _cast(data: Any) -> Any:
    assert isinstance(data, Capsule), "cast takes the node's data"
    return data._target


def install(monkeypatch: pytest.MonkeyPatch, buffers: dict[int, Buffer]) -> None:
    """Put the doubles in the place of pyds and gi."""
    pyds = types.ModuleType("pyds")

    def batch_meta(address: int) -> Meta:
        buffer = buffers[address]
        return buffer.meta(frame_meta_list=buffer.chain(buffer.frames))

    kind = types.SimpleNamespace(cast=_cast)
    pyds.gst_buffer_get_nvds_batch_meta = batch_meta  # type: ignore[attr-defined]
    for name in ("NvDsFrameMeta", "NvDsObjectMeta", "NvDsUserMeta", "NvDsInferTensorMeta"):
        setattr(pyds, name, kind)
    pyds.NvDsMetaType, pyds.NvDsInferDataType = MetaType, DataType  # type: ignore[attr-defined]
    pyds.get_nvds_LayerInfo = lambda tensors, at: tensors.layers[at]  # type: ignore[attr-defined]
    pyds.get_ptr = _cast  # type: ignore[attr-defined]
    gst = types.ModuleType("gi.repository.Gst")
    gst.PadProbeType = types.SimpleNamespace(BUFFER="BUFFER")  # type: ignore[attr-defined]
    gst.PadProbeReturn = types.SimpleNamespace(OK="OK")  # type: ignore[attr-defined]
    gi, repository = types.ModuleType("gi"), types.ModuleType("gi.repository")
    gi.require_version = lambda name, version: None  # type: ignore[attr-defined]
    repository.Gst = gst  # type: ignore[attr-defined]
    for name, module in (("pyds", pyds), ("gi", gi), ("gi.repository", repository), ("gi.repository.Gst", gst)):
        monkeypatch.setitem(sys.modules, name, module)
