"""The float32 network on crops whose pixels are rounded to whole levels: the least change that any camera makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.gate.comparison import ALL, CONFIDENT, DOUBTFUL
from export.gate.gate import backend_runner, poses_of
from hpe_edge.backends.onnx.session import OnnxRuntimeBackend
from hpe_edge.geometry import geodesic_deg
from hpe_edge.ops.crop import CropNormalize

_SEED = 16
_HALF_LEVEL = 0.5  # the largest rounding error


class LevelNoise:
    """Poses of crops with and without uniform noise of up to half a level."""

    def __init__(self, path: Path) -> None:
        backend = OnnxRuntimeBackend(path, threads=1)
        self._spec, self._run = backend.spec, backend_runner(backend)
        self._cut = CropNormalize(self._spec.crop, self._spec.input)
        self._rng = np.random.default_rng(_SEED)
        level = self._spec.input.scale / np.array(self._spec.input.std)
        self._noise = (_HALF_LEVEL * level).astype(np.float32).reshape(3, 1, 1)
        self._distance: list[float] = []
        self._doubtful: list[bool] = []

    def add(self, image: NDArray[np.uint8], box: NDArray[np.float32]) -> None:
        """Run one face, box ``[4]``."""
        crop = self._cut(image, box[None])
        noise = self._rng.uniform(-1, 1, crop.shape).astype(np.float32) * self._noise
        one, two = (poses_of(self._run, self._spec, each.astype(crop.dtype), 1) for each in (crop, crop + noise))
        self._distance.append(float(geodesic_deg(one.rotation, two.rotation)[0]))
        self._doubtful.append(bool(one.doubtful[0] and two.doubtful[0]))

    def rows(self) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Distances in degrees of all crops; where both poses of some are doubtful, of these and the others, too."""
        distance, doubtful = np.array(self._distance), np.array(self._doubtful)
        yield ALL, distance
        if doubtful.any() and not doubtful.all():
            yield CONFIDENT, distance[~doubtful]
            yield DOUBTFUL, distance[doubtful]
