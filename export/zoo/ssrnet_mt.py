"""SSR-Net-MT: FSA-Net's predecessor, a stagewise regression on flattened maps. Published in Keras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.zoo.fsanet import StagewiseNet, TwoStreams, streams_from_keras
from export.zoo.fsanet_keras import FAMILY as FSANET_KERAS
from export.zoo.keras_layers import KerasLayers, Layer, linear_state, prefixed
from hpe_edge.errors import ModelError

_CHANNELS = 64
_SIDES = (4, 4, 8)  # of the pooled maps that the stages read, the deepest first
_ANGLES, _HIDDEN, _BINS = 3, 6, 9


class _WideStage(nn.Module):
    """Shift of the bins, their scale, and the weights of the three, from a flattened map."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.shift = nn.Sequential(nn.Linear(width, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, _ANGLES), nn.Tanh())
        self.scale = nn.Sequential(nn.Linear(width, _HIDDEN), nn.Tanh(), nn.Linear(_HIDDEN, _ANGLES), nn.Tanh())
        self.bins = nn.Sequential(nn.Linear(width, _BINS), nn.ReLU())

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.shift(features), self.scale(features), self.bins(features)


class SsrNetMt(StagewiseNet):
    """SSR-Net-MT."""

    def __init__(self) -> None:
        super().__init__((99.0, 99.0, 99.0))
        self.streams = TwoStreams(tanh_first=True)
        self.stage = nn.ModuleList(_WideStage(_CHANNELS * side * side) for side in _SIDES)

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, 64, 64]`` to yaw, pitch and roll in degrees, ``[N, 3]``."""
        smooth, peaked = self.streams.maps(image)
        products = [
            functional.avg_pool2d(a, 2) * functional.max_pool2d(b, 2) for a, b in zip(smooth, peaked, strict=True)
        ]
        stages = [stage(each.flatten(1)) for stage, each in zip(self.stage, reversed(products), strict=True)]
        shift, scale, bins = (torch.cat(values, dim=1) for values in zip(*stages, strict=True))
        return self.regress(shift, scale, bins)


def state_from_keras(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the arrays of the authors' file to the state dict.

    Args:
        weights: ``.../layer/array`` -> array, on Keras' axes.

    Raises:
        ModelError: they are not such arrays; the message names the first that is missing or left over.
    """
    layers = KerasLayers("SSR-Net-MT", weights)
    state = prefixed("streams", streams_from_keras(layers))
    hidden, bins = layers.dense(2 * len(_SIDES), _HIDDEN), layers.dense(len(_SIDES), _BINS)
    for i, side in enumerate(_SIDES):
        stage = {
            "scale.0": _from_flat(hidden[2 * i], side),
            "scale.2": linear_state(layers.named(f"delta_s{i + 1}")),
            "shift.0": _from_flat(hidden[2 * i + 1], side),
            "shift.2": linear_state(layers.named(f"local_delta_stage{i + 1}")),
            "bins.0": _from_flat(bins[i], side),
        }
        for name, arrays in stage.items():
            state |= prefixed(f"stage.{i}.{name}", arrays)
    layers.end()
    return state


def _from_flat(layer: Layer, side: int) -> dict[str, Tensor]:
    """State of a Linear on a flattened map; Keras flattens height, width, channels."""
    kernel = layer["kernel"]
    if len(kernel) != side * side * _CHANNELS:
        raise ModelError(
            f"the arrays are not those of SSR-Net-MT: a dense layer reads {len(kernel)} numbers in place of "
            f"{side * side * _CHANNELS}"
        )
    rows = kernel.reshape(side, side, _CHANNELS, -1).permute(2, 0, 1, 3).flatten(0, 2)
    return linear_state({"kernel": rows, "bias": layer["bias"]})


FAMILY = replace(
    FSANET_KERAS,
    name="ssrnet-mt",
    title="SSR-Net-MT of FSA-Net's authors' Keras file, 64x64 BGR",
    published="none at hand",
    builds=(SsrNetMt,),
    export_form=lambda net: net,
    from_arrays={"keras": state_from_keras},
)
