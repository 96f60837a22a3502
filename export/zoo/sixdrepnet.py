"""6DRepNet and its successors by the same authors: RepVGG or ResNet-50 with a 6D rotation head."""

from __future__ import annotations

from torch import nn

from export.zoo.family import Family
from export.zoo.repvgg import A0, B1G2, BranchedBlock, FusedBlock, Plan, RepVgg, fuse_branches
from export.zoo.resnet import Bottleneck
from export.zoo.rot6d import ResNet6d, Rot6dNet, rot6d_family


class _SixDRepNet2(ResNet6d):
    """ResNet-50 with an unused layer, which distinguishes its files from 6DRepNet360's."""

    def __init__(self) -> None:
        super().__init__(Bottleneck, (3, 4, 6, 3))
        self.fc_finetune = nn.Linear(512 * Bottleneck.expansion + 3, 3)


class _RepVgg6d(RepVgg, Rot6dNet):
    """A RepVGG with the head."""

    def __init__(self, plan: Plan, block: type[BranchedBlock] | type[FusedBlock]) -> None:
        super().__init__(plan, block)
        self.linear_reg = nn.Linear(plan.widths[-1], 6)


_SOURCE = "thohemp/6DRepNet (MIT); Hempel et al., 2022, arXiv:2202.12555"


def _on_repvgg(name: str, variant: str, plan: Plan, published: str) -> Family:
    return rot6d_family(
        name=name,
        title=f"6DRepNet, RepVGG-{variant} in training or deploy form, 224x224 RGB",
        source=_SOURCE,
        published=published,
        # Training snapshots have the branches, the published file the deploy form.
        builds=(lambda: _RepVgg6d(plan, BranchedBlock), lambda: _RepVgg6d(plan, FusedBlock)),
        export_form=fuse_branches,
    )


SIXDREPNET = _on_repvgg(
    "6drepnet",
    "B1g2",
    B1G2,
    "AFLW2000 MAE yaw 3.63, pitch 4.91, roll 3.37, mean 3.97; BIWI mean 3.47 (its README; its test code counts errors "
    "modulo 180 degrees)",
)
SIXDREPNET_A0 = _on_repvgg("6drepnet-a0", "A0", A0, "none")
SIXDREPNET360 = rot6d_family(
    name="6drepnet360",
    title="6DRepNet360, ResNet-50 for the full range of rotation, 224x224 RGB",
    source="thohemp/6DRepNet360 (MIT); Hempel et al., 2024, doi:10.1109/TIP.2024.3378180, arXiv:2309.07654",
    published="none",
    builds=(lambda: ResNet6d(Bottleneck, (3, 4, 6, 3)),),
)
SIXDREPNET2 = rot6d_family(
    name="6drepnet2",
    title="SixDRepNet2, ResNet-50, in 6DRepNet's code but without published weights, 224x224 RGB",
    source=_SOURCE,
    published="none",
    builds=(_SixDRepNet2,),
    unexported=("fc_finetune is in the file, but the network never uses it",),
)
