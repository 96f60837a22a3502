"""The arrays of one caller that a network reads and writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Rows:
    """The network's input and outputs in the host's memory, of which a run uses the first rows.

    Attributes:
        input: ``[most, 3, size, size]``.
        outputs: ``[most, ...]`` each, in the spec's order.
    """

    def __init__(self, input: NDArray[Any], outputs: Sequence[NDArray[np.float32]]) -> None:
        self.input, self.outputs = input, outputs
        self._filled = 0
        self._views: dict[int, tuple[NDArray[Any], list[NDArray[np.float32]]]] = {}

    def first(self, count: int) -> tuple[NDArray[Any], list[NDArray[np.float32]]]:
        """The first ``count`` rows of the input and of each output; made once per count."""
        views = self._views.get(count)
        if views is None:
            views = self._views[count] = (self.input[:count], [array[:count] for array in self.outputs])
        return views

    def keep(self, count: int) -> None:
        """Before a run on ``count`` faces: make zero what an earlier one filled beyond them.

        A network that takes no fewer runs on these rows, too, and one that looks at the whole batch would let the faces
        of an earlier call into this one.
        """
        if count < self._filled:
            self.input[count : self._filled] = 0
        self._filled = count
