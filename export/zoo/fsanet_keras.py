"""FSA-Net as its authors published it, in Keras: scored or plain positions, aggregated in one of three ways.

The ports to PyTorch in :mod:`export.zoo.fsanet` differ: they read a map's channels as positions, the first activation
of the second stream is another, and a capsule's shift and scale stand the other way round. The state-dict keys are this
project's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn

from export.zoo.fsanet import (
    FSANET_1X1,
    CapsuleNet,
    Capsules,
    ChannelVariance,
    FineGrained,
    Stage,
    TwoStreams,
    fuse_stages,
    score_1x1,
    streams_from_keras,
)
from export.zoo.keras_layers import KerasLayers, conv_state, linear_state, prefixed
from hpe_edge.errors import ModelError
from hpe_edge.spec import Input

_STAGES, _CHANNELS, _CAPSULE = 3, 64, 16
_POSITIONS, _GROUPS, _RANK = 192, 21, 5
_EPSILON = 1e-7  # Keras'
# The files' capsules hold the scale before the shift.
_ORDER = [4, 5, 6, 7, 0, 1, 2, 3, *range(8, _CAPSULE)]


def _positions(maps: Sequence[Tensor]) -> Tensor:
    """Features ``[N, 192, 64]`` of the maps' positions."""
    return torch.cat(list(maps), dim=2).reshape(-1, _CHANNELS, _POSITIONS).transpose(1, 2)


class _Plain(nn.Module):
    """All positions, not scored."""

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        return _positions(maps)


class _Metric(nn.Module):
    """Capsules by two matrices: one over the features, one over their sources."""

    def __init__(self, primary: int) -> None:
        super().__init__()
        self.features = nn.Linear(_CHANNELS, _CAPSULE, bias=False)
        self.sources = nn.Linear(primary, _STAGES, bias=False)

    def forward(self, primary: Tensor) -> Tensor:
        """``[N, primary, 64]`` to ``[N, 3, 16]``."""
        capsules: Tensor = self.sources(self.features(primary).transpose(1, 2)).transpose(1, 2)
        return capsules


class _NetVlad(nn.Module):
    """Capsules from the features' distances to three centres, each feature shared out among them."""

    def __init__(self, primary: int) -> None:
        super().__init__()
        self.assign = nn.Linear(_CHANNELS, _STAGES)
        self.centres = nn.Parameter(torch.zeros(1, _CHANNELS, _STAGES))
        self.out = nn.Linear(_STAGES * _CHANNELS, _STAGES * _CAPSULE, bias=False)

    def forward(self, primary: Tensor) -> Tensor:
        """``[N, primary, 64]`` to ``[N, 3, 16]``."""
        share = self.assign(primary).softmax(dim=2)
        apart = primary.transpose(1, 2) @ share - share.sum(dim=1, keepdim=True) * self.centres
        capsules: Tensor = self.out(_unit(_unit(apart).reshape(-1, _CHANNELS * _STAGES)))
        return capsules.reshape(-1, _STAGES, _CAPSULE)


def _unit(x: Tensor) -> Tensor:
    """Divide by the length over axis 1; 0 stays 0."""
    return x / torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp(min=1e-6)


_SCORES: dict[str, Callable[[], nn.Module] | None] = {"1x1": score_1x1, "variance": ChannelVariance, "none": None}
_AGGREGATIONS: dict[str, Callable[[int], nn.Module]] = {
    "capsule": partial(Capsules, least=_EPSILON),
    "metric": _Metric,
    "netvlad": _NetVlad,
}


class KerasFsaNet(CapsuleNet):
    """FSA-Net with a score of positions (``"1x1"``, ``"variance"``, ``"none"``) and an aggregation."""

    def __init__(self, score: str, aggregation: str) -> None:
        super().__init__((99.0, 99.0, 99.0))
        make = _SCORES[score]
        self.streams = TwoStreams(tanh_first=True)
        self.grouping = _Plain() if make is None else FineGrained(make(), _positions)
        self.aggregation = _AGGREGATIONS[aggregation](_POSITIONS if make is None else _GROUPS)
        self.stage = nn.ModuleList(Stage() for _ in range(_STAGES))

    @property
    def stages(self) -> list[Stage]:
        """See :class:`export.zoo.fsanet.CapsuleNet`."""
        return [stage for stage in self.stage if isinstance(stage, Stage)]

    def capsules(self, image: Tensor) -> Tensor:
        """See :class:`export.zoo.fsanet.CapsuleNet`."""
        capsules: Tensor = self.aggregation(self.grouping(self.streams(image)))
        return capsules


def state_from_keras(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the arrays of one of the authors' files to the state dict.

    Args:
        weights: ``.../layer/array`` -> array, on Keras' axes.

    Raises:
        ModelError: they are not such arrays; the message names the first that is missing or left over.
    """
    layers = KerasLayers("FSA-Net", weights)
    state = prefixed("streams", streams_from_keras(layers))
    if layers.count_dense(_RANK * _POSITIONS):
        if layers.count_convolutions(1):
            (score,) = layers.convolutions(1, 1)
            place = "grouping.attention_maps.reduce_channel.conv"
            state |= prefixed(place, conv_state(score["kernel"], score["bias"]))
        state |= prefixed("grouping.fm", linear_state(layers.dense(1, _RANK * _POSITIONS)[0]))
        state |= prefixed("grouping.fc", linear_state(layers.dense(1, _RANK * _GROUPS // _STAGES)[0]))
    state |= prefixed("aggregation", _aggregation(layers))
    for i, bins in enumerate(layers.dense(_STAGES, 9)):
        state |= prefixed(f"stage.{i}.scale_fc", linear_state(layers.named(f"delta_s{i + 1}")))
        state |= prefixed(f"stage.{i}.shift_fc", linear_state(layers.named(f"local_delta_stage{i + 1}")))
        state |= prefixed(f"stage.{i}.pred_fc", linear_state(bins))
    layers.end()
    return state


def _aggregation(layers: KerasLayers) -> dict[str, Tensor]:
    """State of the aggregation, recognised by the names of its arrays."""
    if found := layers.holding("W"):
        weight = found[0]["W"]
        if tuple(weight.shape) in ((_STAGES, n, _CAPSULE, _CHANNELS) for n in (_GROUPS, _POSITIONS)):
            return {"affine_w": weight[:, :, _ORDER].contiguous()}
    features, sources = layers.holding("kernel_type1"), layers.holding("kernel_type2")
    if features and sources:
        by_features, by_sources = features[0]["kernel_type1"], sources[0]["kernel_type2"]
        if tuple(by_features.shape) == (_CHANNELS, _CAPSULE) and by_sources.ndim == 2:
            return {
                "features.weight": by_features.T[_ORDER].contiguous(),
                "sources.weight": by_sources.T.contiguous(),
            }
    if found := layers.holding("kernel_W1", "kernel_B1", "kernel_W2", "kernel_H1"):
        (vlad,) = found[:1]
        out = vlad["kernel_H1"]
        if vlad["kernel_W1"].ndim == 2 and tuple(out.shape) == (_STAGES * _CHANNELS, _STAGES * _CAPSULE):
            return {
                "assign.weight": vlad["kernel_W1"].T.contiguous(),
                "assign.bias": vlad["kernel_B1"],
                "centres": vlad["kernel_W2"],
                "out.weight": out.T.reshape(_STAGES, _CAPSULE, -1)[:, _ORDER].flatten(0, 1).contiguous(),
            }
    raise ModelError("the arrays are not those of FSA-Net: there are no capsules of 3 times 16 numbers")


# Trained on levels as they are; its demonstration stretches each crop to 0..255 first, which its test code does not.
FAMILY = replace(
    FSANET_1X1,
    name="fsanet-keras",
    title="FSA-Net of its authors' Keras files: 1x1, variance or no scores, by capsules, metric or NetVLAD; 64x64 BGR",
    source="shamangary/FSA-Net (no licence file); Yang et al., 2019, CVPR, doi:10.1109/CVPR.2019.00118",
    published="AFLW2000 MAE of the mean of three networks: yaw 4.50, pitch 6.08, roll 4.64 (6DRepNet's README)",
    crop_note="fsanet-1x1's, which is trained on the same crops; the authors' test set has 0.6 on each side",
    builds=tuple(partial(KerasFsaNet, score, kind) for kind, score in product(_AGGREGATIONS, _SCORES)),
    export_form=fuse_stages,
    input=Input(size=64, color="BGR", scale=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    from_arrays={"keras": state_from_keras},
    upright=None,  # not measured
)
