"""Common parts of families with a 6D rotation head: the head, the decode, and the crop of 6DRepNet's test code.

The output is the head's six numbers; the decode makes a rotation of them.

Source: Zhou et al., 2019, arXiv:1812.07035 (the representation); Hempel et al., 2022, arXiv:2202.12555 (head pose).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from torch import Tensor, nn

from export.zoo.family import Family
from export.zoo.resnet import Block, Depths, ResNet
from hpe_edge.spec import Crop, Input, Rot6dDecode

OUTPUT = "rot6d"
DECODE = Rot6dDecode(output=OUTPUT)
# Of networks whose six numbers are the first two rows of R, in place of 6DRepNet's columns: with yaw y, pitch p and
# roll r, the transpose of R = Rx(-p) Ry(y) Rz(r) is Rz(-r) Ry(-y) Rx(p).
DECODE_TRANSPOSED = Rot6dDecode(output=OUTPUT, signs=(-1.0, 1.0, -1.0))

_INPUT = Input(size=224, color="RGB", scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))

# The test code moves the sides of the landmarks' box one after the other, each by a share of the box as already grown:
#   left 0.4 w; top 0.4 h; right 0.4 * 1.4 w = 0.56 w; bottom 0.12 * 1.4 h = 0.168 h,
# which gives 1.96 w x 1.568 h. Then it scales the shorter side to 256 and cuts the central 224, so what the network
# sees is a square of 224/256 = 0.875 of the shorter side. Shrinking the box to 0.875 about its centre first takes
# 0.0625 of the grown sides off each margin, 0.1225 w and 0.098 h, and leaves the same square:
#   left 0.2775 w; top 0.302 h; right 0.4375 w; bottom 0.07 h.
# Outside the picture PIL's crop is black.
_CROP = Crop(margins=(0.2775, 0.302, 0.4375, 0.07), square="shrink", clip=False, resampling="antialias")


class Rot6dNet(nn.Module, ABC):
    """A backbone (``embed``) and the head ``linear_reg``; a subclass makes both."""

    linear_reg: nn.Module

    @abstractmethod
    def embed(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to ``[N, width]``."""

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to ``[N, 6]``, before orthonormalisation."""
        return self.linear_reg(self.embed(image))


class ResNet6d(ResNet, Rot6dNet):
    """A ResNet with the head."""

    def __init__(self, block: Block, depths: Depths) -> None:
        super().__init__(block, depths)
        self.linear_reg = nn.Linear(512 * block.expansion, 6)


def rot6d_family(
    name: str,
    title: str,
    source: str,
    published: str,
    builds: tuple[Callable[[], nn.Module], ...],
    export_form: Callable[[nn.Module], nn.Module] = nn.Module.eval,
    unexported: tuple[str, ...] = (),
) -> Family:
    """A family with 6DRepNet's input, crop and decode."""
    return Family(
        name=name,
        title=title,
        source=source,
        published=published,
        crop_note="its test code's margins, there in whole pixels; on AFLW2000 its own box also reaches to hidden "
        "landmarks, which stand at the picture's corner",
        builds=builds,
        export_form=export_form,
        input=_INPUT,
        crop=_CROP,
        decode=DECODE,
        unexported=unexported,
        outputs=(OUTPUT,),
    )
