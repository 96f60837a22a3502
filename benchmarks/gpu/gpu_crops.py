"""Crops of the suite ``cuda``: frames and boxes, GPU memory, and bytes to move."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu.gpu import Gpu, Lent
from benchmarks.gpu.graph_clock import MOST_IN_RING
from benchmarks.inputs import scene
from benchmarks.inputs.scene import Window, imagenet_input
from hpe_edge.ops.crop import FORMATS, CropNormalize, crop_arguments, swaps_colors
from hpe_edge.ops.native import native
from hpe_edge.spec import Crop, Input

FRAMES = {"1080p": (1920, 1080), "4K": (3840, 2160)}
# Size of the ring of buffers: more than the caches of GPUs hold.
RING_BYTES = 256 << 20


@dataclass(frozen=True)
class CropWork:
    """The faces of one frame.

    Attributes:
        frame: its name in FRAMES.
        faces: number of faces.
        size: of the crops.
    """

    frame: str
    faces: int
    size: int
    resampling: Literal["bilinear", "antialias"] = "bilinear"
    dtype: Literal["float32", "float16"] = "float32"

    @property
    def antialias(self) -> bool:
        return self.resampling == "antialias"

    @property
    def input(self) -> Input:
        plain = imagenet_input(self.size)
        return Input(**{**plain.__dict__, "dtype": self.dtype})

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Return the shape of the result."""
        return (self.faces, 3, self.size, self.size)

    @property
    def written_bytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def on_cpu(self) -> CropNormalize:
        """The reference on the CPU."""
        return CropNormalize(Crop(resampling=self.resampling), self.input)

    def launch(self) -> native.CropLaunch:
        """Make the launch that enqueues the crop."""
        return native.CropLaunch(**crop_arguments(Crop(resampling=self.resampling), self.input), emulated=False)

    def parameters(self) -> dict[str, str | int]:
        """Parameters for the results."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class Picture:
    """A frame on the host, and face windows in whole pixels inside it."""

    pixels: NDArray[np.uint8]
    windows: list[Window]

    @property
    def boxes(self) -> NDArray[np.float32]:
        return np.array(self.windows, np.float32)


def picture(name: str, faces: int) -> Picture:
    """The benchmarks' scene, scaled to a frame of FRAMES."""
    width, height = FRAMES[name]
    pixels = np.asarray(cv2.resize(scene.frame(), (width, height)), np.uint8)
    factor, grown = width / scene.WIDTH, []
    for x1, y1, x2, _ in scene.crowd(faces):
        x, y, side = (int(factor * v) for v in (x1, y1, x2 - x1))  # squares, or the operation would extend them
        grown.append((x, y, x + side, y + side))
    return Picture(pixels, grown)


@dataclass(frozen=True)
class Slot:
    """Memory that one call reads and writes.

    Attributes:
        pixels: address of the frame.
        faces, out: addresses of the launch's records and results.
        lent: the frame, for other libraries.
    """

    pixels: int
    faces: int
    out: int
    lent: Lent = field(compare=False)


def ring(gpu: Gpu, work: CropWork, seen: Picture, cleanup: contextlib.ExitStack) -> Iterator[Slot]:
    """Cycle through slots: with many faces, a slot has left the caches before its next turn."""
    moved = work.written_bytes + frame_bytes_read(seen, work)
    count = min(max(math.ceil(RING_BYTES / moved), 2), MOST_IN_RING)
    return itertools.cycle([_slot(gpu, work, seen, cleanup) for _ in range(count)])


def _slot(gpu: Gpu, work: CropWork, seen: Picture, cleanup: contextlib.ExitStack) -> Slot:
    address = gpu.put(seen.pixels, cleanup)
    faces = np.zeros(work.faces, native.BOX_FACE)
    record = np.zeros((), native.BOX_FACE["frame"])
    record["data"], record["row_stride_bytes"] = address, seen.pixels.strides[0]
    record["height"], record["width"] = seen.pixels.shape[:2]
    record["format"], record["swap_colors"] = FORMATS["BGR"].value, swaps_colors("BGR", work.input)
    work.launch().write_boxes(record, seen.boxes, None, faces)
    out = gpu.device.memory(work.written_bytes, cleanup)
    return Slot(address, gpu.put(faces, cleanup), out, Lent(address, seen.pixels.shape, np.uint8))


def launching(gpu: Gpu, work: CropWork, slots: Iterator[Slot]) -> Callable[[], Slot]:
    """Make a call that enqueues the crop in the next slot."""
    launch = work.launch()

    def call() -> Slot:
        slot = next(slots)
        launch.boxes(slot.faces, work.faces, slot.out, gpu.stream)
        return slot

    return call


def frame_bytes_read(seen: Picture, work: CropWork) -> int:
    """Bytes of the frame that some output needs, each counted once."""
    needed = np.zeros(seen.pixels.shape[:2], bool)
    for x1, y1, x2, y2 in seen.windows:
        needed[np.ix_(_pixels_read(y1, y2, work), _pixels_read(x1, x2, work))] = True
    return int(needed.sum()) * int(seen.pixels.shape[2])


def _pixels_read(low: int, high: int, work: CropWork) -> NDArray[Any]:
    """Pixels from ``low`` to ``high`` within the filter of any sample point."""
    scale = (high - low) / work.size
    centers = low + (np.arange(work.size) + 0.5) * scale
    pixels = np.arange(low, high)
    near = np.abs(pixels + 0.5 - centers[:, None]) < (max(scale, 1.0) if work.antialias else 1.0)
    read: NDArray[Any] = pixels[near.any(axis=0)]
    return read
