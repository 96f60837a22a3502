"""What came of a frame that a camera stream took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hpe_edge.errors import BackendError
from hpe_edge.poses import Poses


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """The poses of one frame, or the error in their place.

    Attributes:
        number: how many frames were submitted to the stream before this one. A gap between two outcomes is as many
            dropped frames.
        tag: what was given to ``submit`` with the frame.
        error: why there are no poses; None where there are.
    """

    number: int
    tag: Any
    error: BackendError | None
    _poses: Poses | None

    @property
    def poses(self) -> Poses:
        """Poses of the frame's faces, in the order of its boxes.

        Raises:
            BackendError: ``error``, where there is one.
        """
        if self._poses is None:
            assert self.error is not None
            raise self.error
        return self._poses
