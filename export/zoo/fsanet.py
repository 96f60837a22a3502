"""FSA-Net: two small streams, capsules with attention, and a stagewise regression to degrees.

Two public ports have the same keys and shapes but different colours, normalisation and range of yaw. The weights do not
show which port they are from.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from export.zoo.family import Family
from export.zoo.keras_layers import KerasLayers, batchnorm_state, conv_state, depthwise_state, prefixed
from hpe_edge.spec import AngleHead, AnglesDecode, Crop, Input

OUTPUT = "angles"

_STREAMS = (("s0", nn.ReLU, functional.avg_pool2d), ("s1", nn.Tanh, functional.max_pool2d))
_LEVELS = ((16, 32), (32, 64), (64, 128))  # channels in and out of each level's separable convolutions
_STAGES = 3  # of the regression, from coarse to fine; one map of features, and one capsule, for each
_CHANNELS = 64  # of each map, which has as many positions, 8x8
_PRIMARY = 7  # primary capsules that each map's attention makes
_RANK = 5  # of the attention's two factors
_POSITIONS = _STAGES * _CHANNELS  # of all maps together
_CAPSULE = 16  # length of a capsule: 4 numbers for the shift, 4 for the scale, 8 for the bins
_SHIFT, _SCALE, _BINS = slice(0, 4), slice(4, 8), slice(8, 16)


class TwoStreams(nn.ModuleDict):
    """The same convolutions twice, one stream with ReLU and mean pooling, one with Tanh and max pooling.

    ``tanh_first``: the second stream's first activation is Tanh, too, and not ReLU, as in the ports.
    """

    def __init__(self, *, tanh_first: bool = False) -> None:
        super().__init__()
        for stream, activation, _ in _STREAMS:
            self[f"{stream}_conv0"] = _separable(3, 16, activation if tanh_first else nn.ReLU)
            for level, (narrow, wide) in enumerate(_LEVELS, start=1):
                self[f"{stream}_conv{level}_0"] = _separable(narrow, wide, activation)
                self[f"{stream}_conv{level}_1"] = _separable(wide, wide, activation)
                self[f"{stream}_conv{level}_out"] = _named(conv=nn.Conv2d(wide, _CHANNELS, 1), act=activation())

    def forward(self, image: Tensor) -> list[Tensor]:
        """``[N, 3, 64, 64]`` to three maps ``[N, 64, 8, 8]``, the deepest first."""
        shallow, middle, deep = (a * b for a, b in zip(*self.maps(image), strict=True))
        return [deep, middle, functional.avg_pool2d(shallow, 2)]

    def maps(self, image: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Each stream's three maps, ``[N, 64, 16, 16]`` and twice ``[N, 64, 8, 8]``, the deepest last."""
        smooth, peaked = (self._maps(stream, image, pool) for stream, _, pool in _STREAMS)
        return smooth, peaked

    def _maps(self, stream: str, x: Tensor, pool: Callable[[Tensor, int], Tensor]) -> list[Tensor]:
        maps = []
        x = pool(self[f"{stream}_conv0"](x), 2)
        for level in range(1, _STAGES + 1):
            x = self[f"{stream}_conv{level}_1"](self[f"{stream}_conv{level}_0"](x))
            if level < _STAGES:
                x = pool(x, 2)
            maps.append(self[f"{stream}_conv{level}_out"](x))
        return maps


class ChannelVariance(nn.Module):
    """A score without weights: the variance over the channels."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(dim=1, keepdim=True)).square().mean(dim=1, keepdim=True)


def reinterpreted(maps: Sequence[Tensor]) -> Tensor:
    """Features ``[N, 192, 64]``: each map [channels, 8, 8] is read as [positions, channels], and not transposed."""
    return torch.cat(list(maps), dim=1).reshape(-1, _POSITIONS, _CHANNELS)


class FineGrained(nn.Module):
    """Primary capsules: sums over the maps' positions, weighted by scores.

    ``features`` makes ``[N, 192, 64]`` of the three maps; the ports' by default.
    """

    def __init__(self, score: nn.Module, features: Callable[[Sequence[Tensor]], Tensor] = reinterpreted) -> None:
        super().__init__()
        self._features = features
        self.attention_maps = score
        self.fm = nn.Linear(_CHANNELS, _RANK * _POSITIONS)
        self.fc = nn.Linear(_POSITIONS, _PRIMARY * _RANK)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Three maps to ``[N, 21, 64]``, seven capsules by each map's attention."""
        score = self.attention_maps(torch.cat(maps, dim=2))  # below each other: one step for all three
        left = _sigmoid(self.fc(score.reshape(-1, _POSITIONS))).reshape(-1, 1, _PRIMARY, _RANK)
        right = _sigmoid(self.fm(score.reshape(-1, _STAGES, _CHANNELS))).reshape(-1, _STAGES, _RANK, _POSITIONS)
        share = (left @ right).reshape(-1, _STAGES * _PRIMARY, _POSITIONS)
        # Divided before the product with the features, to stay within FP16's range.
        share = share / (share.sum(dim=2, keepdim=True) + 1e-8)
        return share @ self._features(maps)


class Capsules(nn.Module):
    """Two rounds of dynamic routing from the primary capsules to one capsule for each stage.

    ``least`` is added to the square of a capsule's length under the root; Keras has 1e-7 there.
    """

    def __init__(self, primary: int = _STAGES * _PRIMARY, *, least: float = 0.0) -> None:
        super().__init__()
        self._primary, self._least = primary, least
        self.affine_w = nn.Parameter(torch.zeros(_STAGES, primary, _CAPSULE, _CHANNELS))

    def forward(self, primary: Tensor) -> Tensor:
        """``[N, primary, 64]`` to ``[N, 3, 16]``."""
        # One product for each primary capsule gives its votes for all stages; the exporter rearranges the weights once.
        to_votes = self.affine_w.permute(1, 3, 0, 2).reshape(self._primary, _CHANNELS, _STAGES * _CAPSULE)
        votes = (primary.unsqueeze(2) @ to_votes).reshape(-1, self._primary, _STAGES, _CAPSULE)
        # The first round weights all stages equally.
        agreed = self._squash(votes.sum(dim=1, keepdim=True) / _STAGES)
        share = (votes * agreed).sum(dim=3, keepdim=True).softmax(dim=2)
        return self._squash((votes * share).sum(dim=1))

    def _squash(self, x: Tensor) -> Tensor:
        """Scale a vector of length d to length d² / (1 + d²); 0 stays 0, also in FP16."""
        square = x.square().sum(dim=-1, keepdim=True)
        if not self._least:
            return x * (square.sqrt() / (1.0 + square))
        return x * (square / (square + self._least).sqrt() / (1.0 + square))


class Stage(nn.Module):
    """Outputs of one capsule: shift of the bins, their scale, and the weights of the three."""

    def __init__(self) -> None:
        super().__init__()
        self.shift_fc = nn.Linear(4, 3)
        self.scale_fc = nn.Linear(4, 3)
        self.pred_fc = nn.Linear(8, 9)

    def forward(self, capsule: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``[N, 16]`` to shift and scale ``[N, 3]``, one for each angle, and bins ``[N, 9]``, three for each angle."""
        return (
            self.shift_fc(capsule[:, _SHIFT]).tanh(),
            self.scale_fc(capsule[:, _SCALE]).tanh(),
            self.pred_fc(capsule[:, _BINS]).relu(),
        )


class StagewiseNet(nn.Module):
    """Base of networks with a soft stagewise regression; ``span_deg`` is its unit in degrees, per angle."""

    def __init__(self, span_deg: tuple[float, float, float]) -> None:
        super().__init__()
        self.register_buffer("span_deg", torch.tensor(span_deg), persistent=False)
        self.register_buffer("bins", torch.tensor([-1.0, 0.0, 1.0]), persistent=False)

    def regress(self, shift: Tensor, scale: Tensor, bins: Tensor) -> Tensor:
        """Degrees ``[N, 3]`` from the stages' shifts and scales ``[N, 9]`` and bins ``[N, 27]``, side by side.

        Each stage takes the expectation over its bins -1, 0 and 1, moved by the shift, and divides the width of the
        stage before it by 3 (1 + scale).
        """
        steps = (bins.reshape(-1, 9, 3) * (shift.unsqueeze(2) + self.bins)).sum(dim=2)
        first, second, third = steps.split(3, dim=1)
        parts1, parts2, parts3 = (3.0 + 3.0 * scale).split(3, dim=1)
        return (first + (second + third / parts3) / parts2) / parts1 * self.span_deg


class CapsuleNet(StagewiseNet, ABC):
    """A StagewiseNet whose stages read one capsule each."""

    @abstractmethod
    def capsules(self, image: Tensor) -> Tensor:
        """``[N, 3, 64, 64]`` to ``[N, 3, 16]``."""

    @property
    @abstractmethod
    def stages(self) -> list[Stage]:
        """The stages, the coarsest first."""

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, 64, 64]`` to yaw, pitch and roll in degrees, ``[N, 3]``."""
        capsules = self.capsules(image)
        stages = [stage(capsules[:, i]) for i, stage in enumerate(self.stages)]
        shift, scale, bins = (torch.cat(values, dim=1) for values in zip(*stages, strict=True))
        return self.regress(shift, scale, bins)


class FsaNet(CapsuleNet):
    """FSA-Net as ported to PyTorch, with the given score of positions."""

    def __init__(self, score: nn.Module, span_deg: tuple[float, float, float]) -> None:
        super().__init__(span_deg)
        self.msms = TwoStreams()
        self.fgsm = FineGrained(score)
        self.caps_layer = Capsules()
        self.esp_s1 = Stage()
        self.esp_s2 = Stage()
        self.esp_s3 = Stage()

    @property
    def stages(self) -> list[Stage]:
        """See :class:`CapsuleNet`."""
        return [self.esp_s1, self.esp_s2, self.esp_s3]

    def capsules(self, image: Tensor) -> Tensor:
        """See :class:`CapsuleNet`."""
        capsules: Tensor = self.caps_layer(self.fgsm(self.msms(image)))
        return capsules


class _FusedStages(nn.Module):
    """A CapsuleNet with three block-diagonal Linear layers in place of nine."""

    def __init__(self, net: CapsuleNet) -> None:
        super().__init__()
        stages = net.stages
        self.net = net
        self.shift = _side_by_side([stage.shift_fc for stage in stages], _SHIFT)
        self.scale = _side_by_side([stage.scale_fc for stage in stages], _SCALE)
        self.bins = _side_by_side([stage.pred_fc for stage in stages], _BINS)

    def forward(self, image: Tensor) -> Tensor:
        capsules = self.net.capsules(image).reshape(-1, _STAGES * _CAPSULE)
        return self.net.regress(self.shift(capsules).tanh(), self.scale(capsules).tanh(), self.bins(capsules).relu())


def fuse_stages(net: CapsuleNet) -> nn.Module:
    """The same outputs from three Linear layers in place of nine and of the slices before them."""
    return _FusedStages(net).eval()


def _side_by_side(layers: Sequence[nn.Linear], columns: slice) -> nn.Linear:
    """Join each capsule's layer on its ``columns`` into one block-diagonal layer."""
    height = layers[0].out_features
    joined = nn.Linear(_STAGES * _CAPSULE, len(layers) * height)
    with torch.no_grad():
        weight = torch.zeros(len(layers), height, _STAGES, _CAPSULE)
        for i, layer in enumerate(layers):
            weight[i, :, i, columns] = layer.weight
        joined.weight.copy_(weight.reshape(joined.weight.shape))
        joined.bias.copy_(torch.cat([layer.bias for layer in layers]))
    return joined


def _sigmoid(x: Tensor) -> Tensor:
    """The sigmoid, explicit: ONNX Runtime's ends at 1.5e-8, and here small values are divided by their sum."""
    return 1.0 / (1.0 + (-x).exp())


def _separable(wide_in: int, wide_out: int, activation: type[nn.Module]) -> nn.Sequential:
    depthwise = nn.Conv2d(wide_in, wide_in, 3, padding=1, groups=wide_in)
    return _named(
        conv=_named(depthwise=depthwise, pointwise=nn.Conv2d(wide_in, wide_out, 1)),
        bn=nn.BatchNorm2d(wide_out),
        act=activation(),
    )


def _named(**modules: nn.Module) -> nn.Sequential:
    return nn.Sequential(OrderedDict(modules))


def score_1x1() -> nn.Module:
    return _named(reduce_channel=_named(conv=nn.Conv2d(_CHANNELS, 1, 1), act=nn.Sigmoid()))


def streams_from_keras(layers: KerasLayers) -> dict[str, Tensor]:
    """State of :class:`TwoStreams` from the Keras files of FSA-Net's authors, which make the ReLU stream first."""
    state: dict[str, Tensor] = {}
    names = ["conv0", *(f"conv{level}_{i}" for level in range(1, _STAGES + 1) for i in range(2))]
    blocks = [f"{stream}_{name}" for stream, _, _ in _STREAMS for name in names]
    for block, conv, norm in zip(blocks, layers.separable(len(blocks)), layers.batchnorm(len(blocks)), strict=True):
        state |= prefixed(f"{block}.conv.depthwise", depthwise_state(conv["depthwise_kernel"]))
        state |= prefixed(f"{block}.conv.pointwise", conv_state(conv["pointwise_kernel"], conv["bias"]))
        state |= prefixed(f"{block}.bn", batchnorm_state(norm))
    # The deepest first, and in each level the Tanh stream.
    outs = [f"{stream}_conv{level}_out" for level in range(_STAGES, 0, -1) for stream in ("s1", "s0")]
    for out, conv in zip(outs, layers.convolutions(len(outs), _CHANNELS), strict=True):
        state |= prefixed(f"{out}.conv", conv_state(conv["kernel"], conv["bias"]))
    return state


# The authors' test set is cut with 0.6 of the box on each side, cut off at the picture's edges and stretched, without
# antialiasing. Below the chin that is too much for landmark boxes: mean MAE in degrees of 1x1, variance and the mean
# of both on the 195 AFLW2000 photos whose number is a multiple of 10, as labelled, and with boxes off by up to 12 % in
# size and 6 % in place, as detectors' are:
#   left, right  top   bottom   as labelled        off
#   0.6          0.6   0.6      4.68  4.72  4.52   4.66  4.84  4.56   the authors'
#   0.4, 0.56    0.4   0.168    4.42  4.47  4.25   4.51  4.60  4.34   HopeNet's
#   0.4          0.4   0.4      4.47  4.78  4.45   4.56  4.79  4.48
#   0.4          0.5   0.2      4.10  4.47  4.05   4.26  4.51  4.17
#   0.45         0.5   0.2      4.11  4.51  4.11   4.24  4.46  4.13
#   0.5          0.5   0.2      4.15  4.51  4.11   4.27  4.45  4.16
# All margins near these are as good (sides 0.4 to 0.5, top 0.5 to 0.6, bottom 0.1 to 0.2). Chosen on one half of the
# photos, such margins keep a lead over the authors' of 0.2 to 0.4 on the other half. Squares are worse (4.35 at best
# for the mean, at 1.7), antialiasing moves these figures by 0.07 at most.
_CROP = Crop(margins=(0.45, 0.5, 0.45, 0.2), square="none", clip=True, resampling="bilinear")

_YAW, _PITCH, _ROLL = (AngleHead(OUTPUT, column) for column in range(3))

FSANET_1X1 = Family(
    name="fsanet-1x1",
    title="FSA-Net 1x1 of omasaht's port: 64x64 BGR, (level - 127.5) / 128, every angle within 99 degrees",
    source="omasaht/headpose-fsanet-pytorch (MIT); Yang et al., 2019, CVPR, doi:10.1109/CVPR.2019.00118",
    published="AFLW2000 MAE yaw 4.85, pitch 6.27, roll 4.96",
    crop_note="the best measured here, on 195 photos of AFLW2000; its authors' test set has 0.6 on each side",
    builds=(lambda: FsaNet(score_1x1(), span_deg=(99.0, 99.0, 99.0)),),
    export_form=fuse_stages,
    input=Input(size=64, color="BGR", scale=1.0, mean=(127.5, 127.5, 127.5), std=(128.0, 128.0, 128.0)),
    crop=_CROP,
    decode=AnglesDecode(yaw=_YAW, pitch=_PITCH, roll=_ROLL),
    outputs=(OUTPUT,),
    upright="second-pass",  # measured to help, see docs/upright.md
)

FSANET_VAR = replace(
    FSANET_1X1,
    name="fsanet-var",
    title="FSA-Net variance of omasaht's port: 64x64 BGR, (level - 127.5) / 128, every angle within 99 degrees",
    published="AFLW2000 MAE yaw 5.06, pitch 6.46, roll 5.00; the mean of fsanet-1x1 and this: 4.64, 6.10, 4.79",
    builds=(lambda: FsaNet(ChannelVariance(), span_deg=(99.0, 99.0, 99.0)),),
)

FSANET180_1X1 = replace(
    FSANET_1X1,
    name="fsanet180-1x1",
    title="FSA-Net 1x1 of vietlinhtspt's port: 64x64 RGB, ImageNet's mean and std, yaw within 180 degrees",
    source="vietlinhtspt/fsanet_pytorch (no licence file); Yang et al., 2019, CVPR, doi:10.1109/CVPR.2019.00118",
    published="none",
    crop_note="its test code's: a square of 1.4 times the box's longer side",
    builds=(lambda: FsaNet(score_1x1(), span_deg=(180.0, 99.0, 99.0)),),
    # Divided by 256 there, not by 255.
    input=Input(size=64, color="RGB", scale=1 / 256, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    # It cuts with PIL, black outside the picture, and scales the square without antialiasing.
    crop=Crop(margins=(0.2, 0.2, 0.2, 0.2), square="extend", clip=False, resampling="bilinear"),
    upright=None,  # not measured
)

FSANET180_VAR = replace(
    FSANET180_1X1,
    name="fsanet180-var",
    title="FSA-Net variance of vietlinhtspt's port: 64x64 RGB, ImageNet's mean and std, yaw within 180 degrees",
    builds=(lambda: FsaNet(ChannelVariance(), span_deg=(180.0, 99.0, 99.0)),),
)
