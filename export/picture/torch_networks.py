"""The torch modules as a picture engine's networks: the gate's reference."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from export.picture.img2pose_net import Heads, Pyramid


class TorchNetworks:
    """Implements :class:`hpe_edge.picture.two_networks.TwoNetworks`."""

    runtime = "PyTorch"

    def __init__(self, pyramid: Pyramid, heads: Heads) -> None:
        """Both in eval mode."""
        self._pyramid, self._heads = pyramid, heads

    def first(self, picture: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the first network."""
        with torch.inference_mode():
            return [each.numpy() for each in self._pyramid(torch.from_numpy(picture))]

    def second(self, pooled: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the second network."""
        with torch.inference_mode():
            return [each.numpy() for each in self._heads(torch.from_numpy(pooled))]
