"""An ONNX network run by torch: convolutions, ReLU, additions and full connections, as in the student networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpe_edge.errors import InputError


class TorchNetwork:
    """A network in inference mode on one device."""

    def __init__(self, torch: Any, path: Path, outputs: Sequence[str], device: str) -> None:
        """
        Raises:
            InputError: the file has an operator that this knows nothing of.
        """
        import onnx
        from onnx import numpy_helper

        model = onnx.load(path)
        operators = _operators(torch)
        self._torch, self._outputs = torch, outputs
        self._input = model.graph.input[0].name
        # Copied, as the file's arrays are read-only.
        self._weights = {
            each.name: torch.from_numpy(np.array(numpy_helper.to_array(each))).to(device)
            for each in model.graph.initializer
        }
        self._steps = []
        for node in model.graph.node:
            if node.op_type not in operators:
                known = ", ".join(operators)
                raise InputError(
                    f"{path.name} has the operator {node.op_type}; torch runs {known} here: name a student"
                )
            attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
            self._steps.append((operators[node.op_type], list(node.input), node.output[0], attributes))

    def __call__(self, images: Any) -> list[Any]:
        """Run the network on float32 ``[N, 3, S, S]``; return its outputs."""
        values = {**self._weights, self._input: images}
        with self._torch.no_grad():
            for operator, inputs, output, attributes in self._steps:
                values[output] = operator([values[name] for name in inputs if name], attributes)
        return [values[name] for name in self._outputs]


_Operator = Callable[[Sequence[Any], Mapping[str, Any]], Any]


def _operators(torch: Any) -> dict[str, _Operator]:
    functional = torch.nn.functional

    def conv(values: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
        image, *weights = values
        if (top, left) != (bottom, right):
            image, top, left = functional.pad(image, (left, right, top, bottom)), 0, 0
        stride, dilation = (tuple(attributes.get(name, (1, 1))) for name in ("strides", "dilations"))
        options = {"stride": stride, "padding": (top, left), "dilation": dilation}
        return functional.conv2d(image, *weights, **options, groups=attributes.get("group", 1))

    def gemm(values: Sequence[Any], attributes: Mapping[str, Any]) -> Any:
        image, weight, *bias = values
        return functional.linear(image, weight if attributes.get("transB", 0) else weight.T, *bias)

    return {
        "Conv": conv,
        "Relu": lambda values, attributes: functional.relu(values[0]),
        "Add": lambda values, attributes: values[0] + values[1],
        "Flatten": lambda values, attributes: values[0].flatten(attributes.get("axis", 1)),
        "Gemm": gemm,
    }
