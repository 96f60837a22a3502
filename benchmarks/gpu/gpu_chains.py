"""Crop, normalisation and decode by torch and CuPy on a frame in GPU memory.

As in :mod:`benchmarks.baselines.chains` all take square windows in whole pixels inside the frame, uint8 ``[H, W, 3]``,
BGR, in the library's own array. The sample points are on the GPU already, as hpe_edge's boxes are; computing them is
not timed.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.gpu.gpu import Gpu
from benchmarks.gpu.graph_clock import Recorder
from benchmarks.inputs.scene import MEAN, STD, Window


@dataclass(frozen=True)
class Libraries:
    """torch, CuPy and its image operations.

    Attributes:
        missing: library -> reason.
        device: torch's name of the GPU.
        recorders: library -> how it captures graphs.
    """

    torch: Any
    cupy: Any
    ndimage: Any
    missing: dict[str, str]
    device: str
    recorders: Mapping[str, Recorder]

    def versions(self) -> dict[str, str | int]:
        """Versions for the results."""
        return {name: self.missing.get(name) or getattr(self, name).__version__ for name in ("torch", "cupy")}


def find_libraries(gpu: Gpu, cleanup: contextlib.ExitStack) -> Libraries:
    """Import the installed libraries; until ``cleanup`` is closed they use the GPU's stream."""
    found, missing = {}, {}
    for name, module in (("torch", "torch"), ("cupy", "cupy"), ("ndimage", "cupyx.scipy.ndimage")):
        try:
            found[name] = importlib.import_module(module)
        except ImportError:
            missing[name] = "it is not installed"
    torch, cupy = found.get("torch"), found.get("cupy")
    if torch is not None and not torch.cuda.is_available():
        missing["torch"] = f"torch {torch.__version__} finds no GPU"
    elif torch is not None:
        cleanup.enter_context(torch.cuda.device(gpu.device.index))
        cleanup.enter_context(torch.cuda.stream(torch.cuda.ExternalStream(gpu.stream)))
    if cupy is not None and "ndimage" in missing:
        missing["cupy"] = "it has no cupyx.scipy.ndimage"
    elif cupy is not None:
        cleanup.enter_context(cupy.cuda.ExternalStream(gpu.stream))
    recorders = {"torch": functools.partial(_record_torch, torch), "cupy": functools.partial(_record_cupy, cupy)}
    return Libraries(torch, cupy, found.get("ndimage"), missing, f"cuda:{gpu.device.index}", recorders)


def _record_torch(torch: Any, work: Callable[[], None], cleanup: contextlib.ExitStack) -> Callable[[], Any]:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=torch.cuda.current_stream()):
        work()
    cleanup.callback(graph.reset)
    replay: Callable[[], Any] = graph.replay
    return replay


def _record_cupy(cupy: Any, work: Callable[[], None], cleanup: contextlib.ExitStack) -> Callable[[], Any]:
    stream = cupy.cuda.get_current_stream()
    stream.begin_capture()
    try:
        work()
    finally:
        graph = stream.end_capture()
    return lambda: graph.launch(stream)


def _sides(windows: Sequence[Window], size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Columns and rows of the sample points, ``[N, size]``; clamped to the window, as in a cut."""
    boxes = np.array(windows, np.float64)
    steps = (np.arange(size) + 0.5) / size
    sides = []
    for low, high in ((boxes[:, 0], boxes[:, 2]), (boxes[:, 1], boxes[:, 3])):
        centers = low[:, None] + steps * (high - low)[:, None]
        sides.append(np.clip(centers, low[:, None] + 0.5, high[:, None] - 0.5).astype(np.float32))
    return sides[0], sides[1]


class _Torch:
    """Normalisation of BGR levels by torch."""

    def __init__(self, torch: Any, device: str, dtype: str) -> None:
        self._torch, self._half = torch, dtype == "float16"
        self._mean, self._std = (torch.tensor(v, device=device).reshape(1, 3, 1, 1) for v in (MEAN, STD))

    def _normalised(self, levels: Any) -> Any:
        values = levels.flip(1).div_(255).sub_(self._mean).div_(self._std)
        return values.half() if self._half else values


class TorchGrid(_Torch):
    """The frame to float32, one grid_sample for all windows, swap channels, normalise."""

    def __init__(
        self, torch: Any, device: str, dtype: str, windows: Sequence[Window], size: int, size_wh: tuple[int, int]
    ) -> None:
        super().__init__(torch, device, dtype)
        columns, rows = _sides(windows, size)
        x, y = columns * np.float32(2 / size_wh[0]) - 1, rows * np.float32(2 / size_wh[1]) - 1
        shape = (len(windows), size, size)
        grid = np.stack([np.broadcast_to(x[:, None, :], shape), np.broadcast_to(y[:, :, None], shape)], axis=-1)
        self._grid = torch.from_numpy(grid).to(device)

    def __call__(self, frame: Any) -> Any:
        picture = frame.permute(2, 0, 1)[None].float().expand(len(self._grid), -1, -1, -1)
        sample = self._torch.nn.functional.grid_sample
        return self._normalised(sample(picture, self._grid, mode="bilinear", align_corners=False))


class TorchFaces(_Torch):
    """Per window: cut, to float32, interpolate; then one batch, swap channels, normalise."""

    def __init__(
        self, torch: Any, device: str, dtype: str, windows: Sequence[Window], size: int, antialias: bool
    ) -> None:
        super().__init__(torch, device, dtype)
        self._windows = windows
        self._options = {"size": (size, size), "mode": "bilinear", "align_corners": False, "antialias": antialias}

    def __call__(self, frame: Any) -> Any:
        planes, resize = frame.permute(2, 0, 1)[None], self._torch.nn.functional.interpolate
        faces = [resize(planes[..., y1:y2, x1:x2].float(), **self._options) for x1, y1, x2, y2 in self._windows]
        return self._normalised(self._torch.cat(faces))


class CupyMap:
    """Per channel one map_coordinates for all windows, normalise; then one batch."""

    def __init__(self, cupy: Any, ndimage: Any, dtype: str, windows: Sequence[Window], size: int) -> None:
        self._cupy, self._map, self._dtype = cupy, ndimage.map_coordinates, dtype
        columns, rows = _sides(windows, size)
        shape = (len(windows), size, size)
        places = np.stack([np.broadcast_to(rows[:, :, None], shape), np.broadcast_to(columns[:, None, :], shape)])
        self._places = cupy.asarray(places - np.float32(0.5))

    def __call__(self, frame: Any) -> Any:
        planes = []
        for channel, mean, std in zip((2, 1, 0), MEAN, STD, strict=True):
            plane, how = frame[..., channel], {"order": 1, "mode": "nearest", "prefilter": False}
            planes.append((self._map(plane, self._places, "float32", **how) / 255 - mean) / std)
        return self._cupy.stack(planes, axis=1).astype(self._dtype, copy=False)


class TorchDecode:
    """Softmax and expectation of each head: the angles alone, without deviations and rotations."""

    def __init__(self, torch: Any, device: str, first_deg: float, step_deg: float, count: int) -> None:
        self._torch, self._first_deg, self._step_deg = torch, first_deg, step_deg
        self._bins = torch.arange(count, dtype=torch.float32, device=device)

    def __call__(self, logits: Any) -> Any:
        shares = self._torch.softmax(logits.view(len(logits), 3, -1), dim=2)
        return (shares * self._bins).sum(dim=2) * self._step_deg + self._first_deg
