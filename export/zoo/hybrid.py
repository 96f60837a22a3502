"""Hybrid coarse-fine classification: ResNet-50 with heads of five bin widths per angle, of which the finest counts."""

from __future__ import annotations

from torch import nn

from export.zoo.bins import bins_decode, fuse_heads
from export.zoo.family import Family
from export.zoo.hopenet import HOPENET
from export.zoo.resnet import Bottleneck, ResNetBins

_COARSE = (66, 18, 6, 2)  # bins of 3, 11, 33 and 99 degrees


class HybridNet(ResNetBins):
    """HopeNet with 198 bins of 1 degree, and the coarse heads that only its training reads."""

    def __init__(self) -> None:
        super().__init__(Bottleneck, (3, 4, 6, 3), width=2048, bins=198)
        for angle in ("yaw", "pitch", "roll"):
            for level, bins in enumerate(_COARSE, start=1):
                self.add_module(f"fc_{angle}_{level}", nn.Linear(2048, bins))


FAMILY = Family(
    name="hybrid",
    title="hybrid coarse-fine classification, ResNet-50, 198 bins, 224x224 RGB",
    source="haofanwang/accurate-head-pose (no licence file); Wang et al., 2019, arXiv:1901.06778",
    published="none in its repository",
    crop_note=HOPENET.crop_note,
    builds=(HybridNet,),
    export_form=fuse_heads,
    input=HOPENET.input,
    crop=HOPENET.crop,
    decode=bins_decode(first_deg=-99.0, step_deg=1.0, count=198),  # lower edges of the bins
    drops=HOPENET.drops,
    unexported=("the heads of 66, 18, 6 and 2 bins, which serve training only",),
)
