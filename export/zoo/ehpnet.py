"""EHPNet, and MHPNet without its mask head: ResNet-18 with 62 bins of 3 degrees per angle."""

# mypy: allow-subclassing-any

from __future__ import annotations

from torch import Tensor, nn

from export.zoo.bins import bins_decode, fuse_heads
from export.zoo.family import Drop, Family
from export.zoo.resnet import BasicBlock, ResNetBins
from hpe_edge.spec import Crop, Input


class EhpNet(ResNetBins):
    """ResNet-18, a 128-wide hidden layer with ReLU, and the heads.

    The training code subtracts from each head the largest logit of the whole batch, so one face's logits depend on the
    others'. The softmax does not feel it, and it is left out here.
    """

    def __init__(self) -> None:
        super().__init__(BasicBlock, (2, 2, 2, 2), width=128, bins=62)
        self.linear = nn.Linear(512, 128)

    def embed(self, image: Tensor) -> Tensor:
        """See :class:`export.zoo.bins.BinNet`."""
        return self.relu(self.linear(super().embed(image)))


# Its code reads crops that are already cut, so the margin is not known. The box grows to a square about its centre, as
# its authors describe; 0.2 on each side is a guess in the middle of what other families use (0.1 to 0.3 and more).
# Measure it for your weights.
_CROP = Crop(margins=(0.2, 0.2, 0.2, 0.2), square="extend", clip=False)

FAMILY = Family(
    name="ehpnet",
    title="EHPNet or MHPNet, ResNet-18, 62 bins, 112x112 BGR",
    source="chientv99/maskpose (no licence file)",
    published="AFLW2000 MAE 4.15 (EHPNet), 4.08 (MHPNet)",
    crop_note="its authors do not state their margin; 0.2 is a guess: measure it for your weights",
    build=EhpNet,
    export_form=fuse_heads,
    input=Input(size=112, color="BGR", scale=1.0, mean=(127.5, 127.5, 127.5), std=(128.0, 128.0, 128.0)),
    crop=_CROP,
    decode=bins_decode(first_deg=-93.0, step_deg=3.0, count=62),  # lower edges of the bins
    drops=(
        Drop(("fc_mask.weight", "fc_mask.bias"), "fc_mask is MHPNet's mask classifier, which serves training only"),
    ),
)
