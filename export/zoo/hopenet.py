"""HopeNet: ResNet-50 with 66 bins of 3 degrees per angle."""

from __future__ import annotations

from export.zoo.bins import bins_decode, fuse_heads
from export.zoo.family import Drop, Family
from export.zoo.resnet import Bottleneck, ResNetBins
from hpe_edge.spec import Crop, Input

# Its test code moves the sides one after the other, each by a share of the box as already grown, which comes to 0.40
# left, 0.40 top, 0.56 right and 0.168 bottom; then it scales the shorter side to 224 and cuts the central square. For a
# box w wide and h high that square has the side min(1.96 w, 1.568 h), centred 0.08 w to the right of the box. Crop can
# only extend the shorter side, so the left and right margins below are those of a window 1.568 w wide with the same
# centre: for 0.8 h <= w <= h that is the original's window exactly. In narrower boxes the window is 0.8 h / w times as
# large as the original's, in wider ones w / h times. Outside the picture PIL's crop is black.
_CROP = Crop(margins=(0.204, 0.40, 0.364, 0.168), square=True, clip=False, resampling="antialias")

FAMILY = Family(
    name="hopenet",
    title="HopeNet, ResNet-50, 66 bins, 224x224 RGB",
    source="natanielruiz/deep-head-pose (Apache-2.0); Ruiz et al., 2018, arXiv:1710.00925",
    published="AFLW2000 MAE yaw 6.47, pitch 6.56, roll 5.44, mean 6.16 (alpha 2), as 6DRepNet's README tabulates it",
    crop_note="its test code's, exactly so for boxes 0.8 to 1 times as wide as high; others are cut wider than there",
    build=lambda: ResNetBins(Bottleneck, (3, 4, 6, 3), width=2048, bins=66),
    export_form=fuse_heads,
    input=Input(size=224, color="RGB", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    crop=_CROP,
    decode=bins_decode(first_deg=-99.0, step_deg=3.0, count=66),  # lower edges of the bins
    drops=(
        Drop(("fc_finetune.weight", "fc_finetune.bias"), "fc_finetune is in the file, but the network never uses it"),
    ),
)
