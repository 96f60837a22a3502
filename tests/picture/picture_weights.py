"""Weights and pictures for whole-picture models, which depend on nothing but these rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the export tests need torch")

from rule_weights import State, rule_state  # noqa: E402

from export.picture.img2pose_net import Img2Pose  # noqa: E402

GOLDEN = Path(__file__).with_name("golden_img2pose.npz")

# Keeps activations near 1, proposals near their anchors, and scores and poses away from saturation.
CALM = (
    ("layer[1-4].*bn2.weight$", 0.25),
    # Coarser levels are as loud as fine ones, so that proposals of all sizes win.
    ("layer_blocks.1.weight$", 0.4),
    ("layer_blocks.2.weight$", 1.5),
    ("layer_blocks.3.weight$", 3.0),
    ("fpn.*weight$", 0.3),
    ("rpn.head.conv.weight$", 0.3),
    ("rpn.head.bbox_pred.weight$", 0.15),
    ("rpn.head.bbox_pred.bias$", 0.5),
    ("fc[67].weight$", 0.7),
    ("dof_pred.3.weight$", 0.3),
)


def picture_state() -> State:
    """The weights under the published file's keys, without ``module.``: frozen norms have no counters."""
    shapes = {key: tuple(value.shape) for key, value in Img2Pose().state_dict().items()}
    kept = {k: v for k, v in shapes.items() if not (k.startswith("backbone") and k.endswith("num_batches_tracked"))}
    return rule_state(kept, CALM)


def noise_picture(height: int = 150, width: int = 203) -> NDArray[np.uint8]:
    """A picture of smooth blobs, uint8 RGB: noise of several sizes, enlarged without a library's filter."""
    rng = np.random.default_rng(5)
    picture = np.zeros((height, width, 3))
    for cell in (40, 17, 5, 1):
        noise = rng.uniform(0, 255, (height // cell + 1, width // cell + 1, 3))
        picture += noise.repeat(cell, axis=0).repeat(cell, axis=1)[:height, :width] / 4
    return picture.astype(np.uint8)
