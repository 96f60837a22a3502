"""A backend that sees which way a gradient points, and only near upright: a network that does not know turned faces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from tiny_model import tiny_spec

from hpe_edge.spec import ModelSpec, SigmaCalibration

KNOWN_DEG = 50.0  # of roll in the crop
BINS = np.arange(66) * 3.0 - 99


class CompassBackend:
    """Answers with the roll of a picture that brightens upwards, sure up to ``KNOWN_DEG``; else upright and unsure."""

    device, runtime = "cpu", "compass"
    max_batch, fixed_batch, channels_last, gpu = 4, False, False, None

    def __init__(self, unsure_deg: float = 30.0, *, calibrated: bool = True) -> None:
        """
        Args:
            unsure_deg: sigma of rolls that it does not know.
            calibrated: the spec calibrates sigma.
        """
        sigma = SigmaCalibration(1.0, 1.0, 1.0, 2, "gradients", True) if calibrated else None
        self.spec: ModelSpec = replace(tiny_spec(), upright="second-pass", sigma=sigma)
        self.faces = 0
        self._unsure_deg = unsure_deg
        self._crops = np.zeros((self.max_batch, 3, 64, 64), np.float32)

    def context(self) -> CompassBackend:
        return self

    def input(self, count: int) -> np.ndarray:
        return self._crops[:count]

    def run(self, count: int) -> list[np.ndarray]:
        self.faces += count
        return [np.stack([self._answer(crop[:, 8:-8, 8:-8].mean(axis=0)) for crop in self._crops[:count]])]

    def estimate(self, *arguments: Any) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass

    def _answer(self, grey: np.ndarray) -> np.ndarray:
        down, right = (np.diff(grey, axis=axis).mean() for axis in (0, 1))
        roll = np.rad2deg(np.arctan2(right, -down))  # of the brighter end from the top, clockwise
        known = abs(roll) < KNOWN_DEG
        means, spread = ((0.0, 0.0, roll), 2.0) if known else ((0.0, 0.0, 0.0), self._unsure_deg)
        heads = [-((BINS - mean) ** 2) / (2 * spread**2) for mean in means]
        return np.concatenate(heads).astype(np.float32)
