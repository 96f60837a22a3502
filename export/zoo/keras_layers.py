"""Keras' layers, told apart by their kind and the number in their name, and their arrays on PyTorch's axes.

Keras numbers the layers of a kind through a session in the order in which the code makes them; a file lists them in the
order of the graph. Arrays of one layer stand together by the layer's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from hpe_edge.errors import ModelError

Layer = Mapping[str, Tensor]

_BATCHNORM_EPS = {"keras": 1e-3, "torch": 1e-5}  # the defaults

_SEPARABLE = {"depthwise_kernel", "pointwise_kernel", "bias"}
_BATCHNORM = {"gamma", "beta", "moving_mean", "moving_variance"}


class KerasLayers:
    """The layers of a Keras file, to be taken one kind after the other."""

    def __init__(self, network: str, weights: Mapping[str, Tensor]) -> None:
        """
        Args:
            network: whose file it should be, for messages.
            weights: ``.../layer/array`` -> array, on Keras' axes.
        """
        self._network = network
        self._layers: dict[str, dict[str, Tensor]] = {}
        for key, tensor in weights.items():
            path, _, kind = key.rpartition("/")
            self._layers.setdefault(path.rpartition("/")[2], {})[kind.partition(":")[0]] = tensor

    def separable(self, count: int) -> list[Layer]:
        """The separable convolutions."""
        return self._numbered("separable convolutions", count, lambda layer: _is_separable(layer))

    def batchnorm(self, count: int) -> list[Layer]:
        """The batch normalisations."""
        return self._numbered("batch normalisations", count, lambda layer: layer.keys() == _BATCHNORM)

    def convolutions(self, count: int, wide: int) -> list[Layer]:
        """The plain convolutions to ``wide`` channels."""
        what = f"convolutions to {wide} channels"
        return self._numbered(what, count, lambda layer: _is_affine(layer, 4) and len(layer["bias"]) == wide)

    def dense(self, count: int, wide: int) -> list[Layer]:
        """The dense layers to ``wide`` numbers that are not yet taken by name."""
        what = f"dense layers to {wide} numbers"
        return self._numbered(what, count, lambda layer: _is_affine(layer, 2) and len(layer["bias"]) == wide)

    def count_convolutions(self, wide: int) -> int:
        """Number of plain convolutions to ``wide`` channels."""
        return sum(_is_affine(layer, 4) and len(layer["bias"]) == wide for layer in self._layers.values())

    def count_dense(self, wide: int) -> int:
        """Number of dense layers to ``wide`` numbers."""
        return sum(_is_affine(layer, 2) and len(layer["bias"]) == wide for layer in self._layers.values())

    def named(self, name: str) -> Layer:
        """The dense layer of this name."""
        layer = self._layers.pop(name, None)
        if layer is None or not _is_affine(layer, 2):
            raise self._refusal(f"there is no dense layer {name}")
        return layer

    def holding(self, *kinds: str) -> list[Layer]:
        """The layers whose arrays have these names and no others; there may be none."""
        return self._take(lambda layer: layer.keys() == set(kinds))

    def end(self) -> None:
        """Refuse layers that were not taken.

        Raises:
            ModelError: there are some.
        """
        if self._layers:
            raise self._refusal(f"{', '.join(list(self._layers)[:3])} is left over")

    def _numbered(self, what: str, count: int, fits: Callable[[Layer], bool]) -> list[Layer]:
        found = self._take(fits)
        if len(found) != count:
            raise self._refusal(f"{len(found)} {what} in place of {count}")
        return found

    def _take(self, fits: Callable[[Layer], bool]) -> list[Layer]:
        names = sorted((name for name, layer in self._layers.items() if fits(layer)), key=_number)
        return [self._layers.pop(name) for name in names]

    def _refusal(self, why: str) -> ModelError:
        return ModelError(f"the arrays are not those of {self._network}: {why}")


def conv_state(kernel: Tensor, bias: Tensor) -> dict[str, Tensor]:
    """State of a Conv2d from a kernel on the axes height, width, in, out."""
    return {"weight": kernel.permute(3, 2, 0, 1).contiguous(), "bias": bias}


def depthwise_state(kernel: Tensor) -> dict[str, Tensor]:
    """State of a depthwise Conv2d, whose bias Keras does not have; the kernel's last axis is 1."""
    weight = kernel.permute(2, 3, 0, 1).contiguous()
    return {"weight": weight, "bias": torch.zeros(len(weight))}


def linear_state(layer: Layer) -> dict[str, Tensor]:
    """State of a Linear."""
    return {"weight": layer["kernel"].T.contiguous(), "bias": layer["bias"]}


def batchnorm_state(layer: Layer) -> dict[str, Tensor]:
    """State of a BatchNorm2d with PyTorch's epsilon; Keras' larger one is added to the variance."""
    more = _BATCHNORM_EPS["keras"] - _BATCHNORM_EPS["torch"]
    return {
        "weight": layer["gamma"],
        "bias": layer["beta"],
        "running_mean": layer["moving_mean"],
        "running_var": (layer["moving_variance"].double() + more).float(),
    }


def prefixed(prefix: str, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state under keys that start with ``prefix`` and a dot."""
    return {f"{prefix}.{key}": tensor for key, tensor in state.items()}


def _is_affine(layer: Layer, axes: int) -> bool:
    return layer.keys() == {"kernel", "bias"} and layer["kernel"].ndim == axes and layer["bias"].ndim == 1


def _is_separable(layer: Layer) -> bool:
    return layer.keys() == _SEPARABLE and all(layer[kind].ndim == 4 for kind in _SEPARABLE - {"bias"})


def _number(name: str) -> int:
    """The number that Keras gave the layer; the first of a kind has none in newer versions."""
    found = re.search(r"_(\d+)$", name)
    return int(found[1]) if found else 0
