"""Python's detector with the looks that the JavaScript library has: at the whole frame, and the wide one."""

from __future__ import annotations

import numpy as np
import pytest

from hpe_edge.faces.grids import anchor_free
from hpe_edge.faces.grids.embedded import EmbeddedDetector


def use_plain_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Switch the other looks off."""
    monkeypatch.setattr(EmbeddedDetector, "TURNED_SCORE", 2.0)  # nothing is sure enough in a turned frame
    monkeypatch.setattr(EmbeddedDetector, "_small_looks", lambda *_: [])
    monkeypatch.setattr(anchor_free, "parts_of_faces", lambda first, wide: np.zeros(len(first.scores), bool))
