"""A face detector's ``.hpe`` file behind the part of ONNX Runtime's session that detectors use."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hpe_edge.backends.native.native_file import (
    DETECTOR_FORMAT,
    DETECTOR_KEY,
    detector_spec,
    open_network,
    spec_text,
)
from hpe_edge.backends.options import check_threads
from hpe_edge.errors import ModelError
from hpe_edge.ops.native import native
from hpe_edge.util.cores import usable_cores


class GraphEnd(NamedTuple):
    """An input or output, as ONNX Runtime describes those of the graph that the file was made from."""

    name: str
    shape: list[int | str]
    type: str = "tensor(float)"


class NativeSession:
    """A face detector in native code. May be called from several threads.

    Attributes:
        takes_levels: pictures are uint8 levels, not float32; the normalisation is part of the network.
    """

    def __init__(self, path: Path, *, threads: int | None = 1, isa: str = "") -> None:
        """Load a file of ``hpe-edge export native``.

        Args:
            path: the file.
            threads: that one run of several pictures may use; one picture takes one. None: all cores.
            isa: see :func:`hpe_edge.backends.native.native_file.open_network`.

        Raises:
            InputError: ``threads`` or ``isa`` cannot be used.
            ModelError: not such a file, damaged, of a newer format, or no face detector's.
        """
        check_threads(threads)
        self._settings = path, threads, isa
        self._network = open_network(path, isa)
        self._threads = usable_cores() if threads is None else threads
        spec = detector_spec(spec_text(self._network, path))
        if spec is None or not self._network.multiple:
            raise ModelError(f"{path} is a head-pose model, not a face detector; give it as the model")
        if spec[DETECTOR_KEY] != DETECTOR_FORMAT:
            raise ModelError(f"{path}: its spec has format {spec[DETECTOR_KEY]}, this version reads {DETECTOR_FORMAT}")
        side = self._network.multiple
        columns = [columns for _, columns in self._network.output_shapes(side, side)]
        names = spec.get("outputs")
        if not isinstance(names, list) or len(names) != len(columns):
            raise ModelError(f"{path}: its spec does not name its {len(columns)} outputs; export it again")
        self._outputs = [GraphEnd(name, ["batch", "cells", count]) for name, count in zip(names, columns, strict=True)]
        self.takes_levels = bool(self._network.int8)
        self._idle: deque[Any] = deque()  # buffers of callers that are done

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the file, which each process opens itself."""
        return _reopened, self._settings

    def get_inputs(self) -> list[GraphEnd]:
        """The picture; its type is the graph's."""
        return [GraphEnd("image", ["batch", 3, "height", "width"])]

    def get_outputs(self) -> list[GraphEnd]:
        """The outputs."""
        return self._outputs

    def run(self, names: Sequence[str], feed: Mapping[str, NDArray[Any]], options: None = None) -> list[NDArray[Any]]:
        """Run pictures.

        Args:
            names: of the wanted outputs.
            feed: ``image``: uint8 or float32 ``[N, 3, H, W]``.
            options: none.

        Returns:
            float32 ``[N, cells, columns]`` each.

        Raises:
            ValueError: the network does not take pictures of this size.
        """
        pictures = np.ascontiguousarray(feed["image"], np.uint8 if self.takes_levels else np.float32)
        shapes = self._network.output_shapes(*pictures.shape[2:])
        found = {
            end.name: np.empty((len(pictures), *shape), np.float32)
            for end, shape in zip(self._outputs, shapes, strict=True)
        }
        try:
            caller = self._idle.pop()
        except IndexError:
            caller = native.NativeRun(network=self._network, threads=self._threads)
        caller.run(pictures, list(found.values()))
        self._idle.append(caller)
        return [found[name] for name in names]


def _reopened(path: Path, threads: int | None, isa: str) -> NativeSession:
    return NativeSession(path, threads=threads, isa=isa)
