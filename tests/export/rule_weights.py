"""Weights by the golden data's rule: they depend on key and shape only."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the export tests need torch")

Shapes = Mapping[str, Sequence[int]]
State = dict[str, "torch.Tensor"]

# Keeps the softmax of networks that were never trained away from saturation.
CALM_HEADS = (("^fc_(yaw|pitch|roll).weight$", 0.25), ("bn[23].weight$", 0.25))


def rule_state(shapes: Shapes, scale_rules: Sequence[Sequence[object]] = CALM_HEADS) -> State:
    """Weights that depend on key and shape only; the rule is the golden data's."""
    state = {}
    for key, shape in shapes.items():
        rng = np.random.default_rng(zlib.crc32(key.encode()))
        if key.endswith("num_batches_tracked"):
            state[key] = torch.zeros(tuple(shape), dtype=torch.int64)
            continue
        if key.endswith("running_var"):
            values = rng.uniform(0.5, 1.5, size=shape)
        elif key.endswith("running_mean"):
            values = rng.normal(0.0, 0.1, size=shape)
        elif key.endswith(".bias"):
            values = rng.normal(0.0, 0.05, size=shape)
        elif key.endswith("weight") and len(shape) == 1:
            values = rng.uniform(0.5, 1.5, size=shape)
        else:
            values = rng.normal(0.0, np.sqrt(2 / np.prod(shape[1:])), size=shape)
        factor = next((float(factor) for pattern, factor in scale_rules if re.search(pattern, key)), 1.0)
        state[key] = torch.from_numpy((values * factor).astype(np.float32))
    return state
