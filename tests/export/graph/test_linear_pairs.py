"""Convolutions in pairs, and their own copies of shared weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from export.graph.linear_pairs import linear_pairs, with_own_weights


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pointwise, self.depthwise = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.last = nn.Conv2d(8, 3, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        once = self.last(self.depthwise(self.pointwise(x)).relu())
        read_twice = self.pointwise(once)
        return self.depthwise(read_twice) + read_twice, once


def test_shared_weights_are_parted_and_pairs_found(tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "net.onnx"
    torch.onnx.export(Net().eval(), (torch.zeros(1, 3, 8, 8),), str(path), dynamo=False, do_constant_folding=False)
    model = onnx.load(path)
    own = with_own_weights(model)
    used = [name for node in own.graph.node if node.op_type == "Conv" for name in node.input[1:]]
    assert len(used) == len(set(used)) == 10
    x = np.random.default_rng(0).random((1, 3, 8, 8), np.float32)
    before, after = (
        onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(
            None, {each.graph.input[0].name: x}
        )
        for each in (model, own)
    )
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    # The first pointwise's output alone: the second's is added as well, and `last` is an output.
    first = next(node for node in own.graph.node if node.op_type == "Conv")
    assert linear_pairs(own) == [first.output[0]]
