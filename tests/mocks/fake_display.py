"""Stands in for OpenCV's windows."""

from __future__ import annotations

import subprocess
from types import SimpleNamespace

import cv2
import numpy as np
import pytest


class FakeDisplay:
    """Stands in for OpenCV's windows."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[np.ndarray] = []
        self.key, self.visible, self.windows = -1, 1.0, 0
        monkeypatch.setattr(subprocess, "run", lambda *given, **named: SimpleNamespace(returncode=0))
        for name, work in {
            "namedWindow": lambda *given: self._count(1),
            "destroyAllWindows": lambda: self._count(-1),
            "resizeWindow": lambda *given: None,
            "imshow": lambda title, image: self.shown.append(image),
            "pollKey": lambda: self.key,
            "getWindowProperty": lambda *given: self.visible,
        }.items():
            monkeypatch.setattr(cv2, name, work)

    def _count(self, by: int) -> None:
        self.windows += by
