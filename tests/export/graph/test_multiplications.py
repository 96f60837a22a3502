"""Multiplications by layer: closed forms."""

from __future__ import annotations

import tiny_nets
from tiny_nets import CHANNELS, SIZE

from export.graph.multiplications import multiplications


def test_closed_forms():
    counts = multiplications(tiny_nets.residual_net(), tiny_nets.tiny_spec().input)
    pixels = SIZE * SIZE
    assert counts == {
        "stem": pixels * CHANNELS * 3 * 9,
        "first": pixels * CHANNELS * CHANNELS * 9,
        "second": pixels * CHANNELS * CHANNELS,
        "depthwise": pixels * CHANNELS * 9,
        "head": 3 * CHANNELS,
    }
