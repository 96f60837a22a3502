"""Type of the fixture ``load``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpe_edge import PoseEngine

Load = Callable[..., "PoseEngine"]  # PoseEngine's arguments without the backend
