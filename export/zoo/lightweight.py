"""Shaw's lightweight network: 0.2 million parameters, 66 bins of 3 degrees per angle."""

from __future__ import annotations

from torch import Tensor, nn

from export.zoo.bins import BinNet, bins_decode, fuse_heads
from export.zoo.family import Family
from export.zoo.layers import HardSwish, conv_bn
from hpe_edge.spec import Crop, Input


class _Block(nn.Module):
    """Expand twofold in four groups, filter each channel, mix; no shortcut."""

    def __init__(self, wide_in: int, wide_out: int, kernel: int, stride: int, activation: type[nn.Module]) -> None:
        super().__init__()
        wide = 2 * wide_in
        self.exp_conv = conv_bn(wide_in, wide, 1, 1, 4, activation())
        self.dw_conv = conv_bn(wide, wide, kernel, stride, wide, activation())
        self.pw_conv = conv_bn(wide, wide_out, 1, 1, 1, activation())

    def forward(self, x: Tensor) -> Tensor:
        return self.pw_conv(self.dw_conv(self.exp_conv(x)))


# wide_in, wide_out, kernel, stride, activation of each block
_BLOCKS = (
    (16, 32, 3, 2, nn.ReLU),
    (32, 64, 3, 2, nn.ReLU),
    (64, 96, 3, 1, nn.ReLU),
    (96, 96, 5, 2, HardSwish),
    (96, 128, 5, 1, HardSwish),
    (128, 128, 5, 2, HardSwish),
    (128, 128, 3, 1, HardSwish),
)


class LightweightNet(BinNet):
    """Seven blocks of convolutions, average pooling, and the heads."""

    def __init__(self) -> None:
        super().__init__(width=128, bins=66)
        self.features = nn.Sequential(
            conv_bn(3, 16, 3, 2, 1, nn.ReLU()),
            *(_Block(*block) for block in _BLOCKS),
            nn.AdaptiveAvgPool2d(1),
            nn.ReLU(),
        )

    def embed(self, image: Tensor) -> Tensor:
        return self.features(image).flatten(1)


# Measured, as its authors state no test crop: mean MAE in degrees on the 195 AFLW2000 photos whose number is a
# multiple of 10, by the side of the square in max(w, h) of the landmark box:
#   1.00  1.05  1.10  1.15  1.20  1.25  1.30  1.35  1.40  1.45  1.50  1.55  1.60
#   4.77  4.38  4.07  3.91  3.87  3.91  3.90  3.92  4.02  4.14  4.20  4.27  4.53
# With boxes off by up to 12 % in size and 6 % in place, as detectors' are, 1.25 is best: 1.20 gives 4.06, 1.25 3.96,
# 1.30 3.97. Antialiasing, clipping and the fill move these figures by less than 0.05, so the cheapest ones are taken.
_CROP = Crop(margins=(0.125, 0.125, 0.125, 0.125), square="extend", clip=False, resampling="bilinear")

FAMILY = Family(
    name="lightweight",
    title="Lightweight-Head-Pose-Estimation, 66 bins, 224x224 RGB",
    source="Shaw-git/Lightweight-Head-Pose-Estimation (MIT)",
    published="none",
    crop_note="its authors state none; this one was the best measured here: mean MAE 3.91 on 195 photos of AFLW2000",
    builds=(LightweightNet,),
    export_form=fuse_heads,
    input=Input(size=224, color="RGB", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    crop=_CROP,
    decode=bins_decode(first_deg=-97.5, step_deg=3.0, count=66),  # centres of the bins, unlike HopeNet's edges
    original_order=("roll", "yaw", "pitch"),
    upright="second-pass",  # measured to help, see docs/upright.md
)
