"""HopeNet: ResNet-50 with 66 bins of 3 degrees per angle, and the variant that gives the angles themselves."""

from __future__ import annotations

from torch import Tensor, nn

from export.zoo.bins import bins_decode, fuse_heads
from export.zoo.family import Drop, Family
from export.zoo.resnet import Bottleneck, ResNet, ResNetBins
from hpe_edge.spec import AngleHead, AnglesDecode, Crop, Input


class HopeNetRegression(ResNet):
    """ResNet-50 with one head for the three angles in degrees: yaw, pitch, roll."""

    def __init__(self) -> None:
        super().__init__(Bottleneck, (3, 4, 6, 3))
        self.fc_angles = nn.Linear(2048, 3)

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to ``[N, 3]``."""
        return self.fc_angles(self.embed(image))


# Its test code moves the sides one after the other, each by a share of the box as already grown, which comes to 0.40
# left, 0.40 top, 0.56 right and 0.168 bottom, in whole pixels; then it scales the shorter side to 224 and cuts the
# central square. Outside the picture PIL's crop is black.
_CROP = Crop(margins=(0.40, 0.40, 0.56, 0.168), square="shrink", clip=False, resampling="antialias")

HOPENET = Family(
    name="hopenet",
    title="HopeNet, ResNet-50, 66 bins, 224x224 RGB",
    source="natanielruiz/deep-head-pose (Apache-2.0); Ruiz et al., 2018, arXiv:1710.00925",
    published="AFLW2000 MAE yaw 6.47, pitch 6.56, roll 5.44, mean 6.16 (alpha 2), as 6DRepNet's README tabulates it",
    crop_note="its test code's margins, there in whole pixels; on AFLW2000 its own box also reaches to hidden "
    "landmarks, which stand at the picture's corner",
    builds=(lambda: ResNetBins(Bottleneck, (3, 4, 6, 3), width=2048, bins=66),),
    export_form=fuse_heads,
    input=Input(size=224, color="RGB", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    crop=_CROP,
    decode=bins_decode(first_deg=-99.0, step_deg=3.0, count=66),  # lower edges of the bins
    drops=(
        Drop(("fc_finetune.weight", "fc_finetune.bias"), "fc_finetune is in the file, but the network never uses it"),
    ),
)

_ANGLES = "angles"

HOPENET_REGRESSION = Family(
    name="hopenet-regression",
    title="HopeNet without bins, ResNet-50, 224x224 RGB",
    source=HOPENET.source,
    published="none, and no weights",
    crop_note=HOPENET.crop_note,
    builds=(HopeNetRegression,),
    input=HOPENET.input,
    crop=HOPENET.crop,
    decode=AnglesDecode(yaw=AngleHead(_ANGLES, 0), pitch=AngleHead(_ANGLES, 1), roll=AngleHead(_ANGLES, 2)),
    outputs=(_ANGLES,),
)
