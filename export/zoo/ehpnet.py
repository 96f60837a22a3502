"""EHPNet, MHPNet with a mask classifier, and their ResNet-101 teacher: 62 bins of 3 degrees per angle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor, nn

from export.zoo.bins import OUTPUT, bins_decode, fuse_heads, stack_heads
from export.zoo.family import Family
from export.zoo.resnet import BasicBlock, Block, Bottleneck, Depths, ResNetBins
from hpe_edge.spec import Crop, Input


class EhpNet(ResNetBins):
    """A ResNet, a hidden layer a quarter as wide as its features, with ReLU, and the heads.

    The training code subtracts each head's largest logit of the whole batch. The softmax cancels that, so it is left
    out here.
    """

    def __init__(self, block: Block, depths: Depths) -> None:
        super().__init__(block, depths, width=128 * block.expansion, bins=62)
        self.linear = nn.Linear(512 * block.expansion, 128 * block.expansion)

    def pool(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to the ResNet's features."""
        return super().embed(image)

    def hide(self, pooled: Tensor) -> Tensor:
        """The ResNet's features to the hidden layer's."""
        return self.relu(self.linear(pooled))

    def embed(self, image: Tensor) -> Tensor:
        return self.hide(self.pool(image))


class MhpNet(EhpNet):
    """EHPNet with a mask head beside the hidden layer: logits of an unmasked and of a masked face."""

    def __init__(self) -> None:
        super().__init__(BasicBlock, (2, 2, 2, 2))
        self.fc_mask = nn.Linear(512, 2)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """``[N, 3, S, S]`` to the logits of the pose ``[N, 186]`` and of the mask ``[N, 2]``."""
        pooled = self.pool(image)
        return self.logits(self.hide(pooled)), self.fc_mask(pooled)


class _FusedMhpNet(nn.Module):
    """MHPNet with its three pose heads stacked into one."""

    def __init__(self, net: MhpNet) -> None:
        super().__init__()
        self.net = net
        self.head = stack_heads(net.heads)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        pooled = self.net.pool(image)
        return self.head(self.net.hide(pooled)), self.net.fc_mask(pooled)


# Its code reads ready crops, so the margin is unknown. The box grows to a square about its centre, as its authors
# describe; 0.2 on each side is a guess in the middle of other families' (0.1 to 0.3 and more).
_CROP = Crop(margins=(0.2, 0.2, 0.2, 0.2), square="extend", clip=False)

EHPNET = Family(
    name="ehpnet",
    title="EHPNet, ResNet-18, 62 bins, 112x112 BGR",
    source="chientv99/maskpose (no licence file); Thai et al., 2022, arXiv:2210.13705",
    published="AFLW2000 MAE 4.15",
    crop_note="its authors do not state their margin; 0.2 is a guess: measure it for your weights",
    builds=(lambda: EhpNet(BasicBlock, (2, 2, 2, 2)),),
    export_form=fuse_heads,
    input=Input(size=112, color="BGR", scale=1.0, mean=(127.5, 127.5, 127.5), std=(128.0, 128.0, 128.0)),
    crop=_CROP,
    decode=bins_decode(first_deg=-93.0, step_deg=3.0, count=62),  # lower edges of the bins
)

MHPNET = replace(
    EHPNET,
    name="mhpnet",
    title="MHPNet, ResNet-18, 62 bins and a mask classifier, 112x112 BGR",
    source="chientv99/maskpose (no licence file)",
    published="AFLW2000 MAE 4.08, BIWI MAE 3.44",
    builds=(MhpNet,),
    export_form=lambda net: _FusedMhpNet(net).eval(),
    outputs=(OUTPUT, "mask"),
)


def teacher(name: str, backbone: str, build: Callable[[], nn.Module]) -> Family:
    """A teacher of EHPNet. All have the same input and decode, so an ensemble can average them.

    No weights are published. MHPNet's training script names ResNet-101, Res2Net-101 and BoTNet-101, whose third stage
    has 23 blocks.
    """
    return replace(
        EHPNET,
        name=name,
        title=f"EHPNet's teacher, {backbone}, 62 bins, 112x112 BGR",
        source="chientv99/maskpose (no licence file)",
        published="none, and no weights",
        builds=(build,),
    )


RESNET101 = teacher("ehpnet-resnet101", "ResNet-101", lambda: EhpNet(Bottleneck, (3, 4, 23, 3)))
