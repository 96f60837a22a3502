"""LeNet-5 with 66 bins of 3 degrees per angle: the small end of a comparison with HopeNet's ResNet-50.

Defined here: there are no published weights and no published code. The layers are those of LeCun et al., 1998,
"Gradient-based learning applied to document recognition": C1, S2, C3, S4, C5 and F6 on 32x32 pixels, with tanh. It
departs from the paper in this: three input channels; every map of C3 reads all maps of S2; S2 and S4 are plain averages
without weights; tanh is not scaled; the heads are linear. Colours, crop and bins are HopeNet's, so that the network and
the size of its input are all that differs.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from export.zoo.bins import BinNet, fuse_heads
from export.zoo.family import Family
from export.zoo.hopenet import HOPENET


class LeNet5(BinNet):
    """The layers under the paper's names, and the heads."""

    def __init__(self) -> None:
        super().__init__(width=84, bins=66)
        self.c1 = nn.Conv2d(3, 6, 5)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.pool = nn.AvgPool2d(2)
        self.tanh = nn.Tanh()

    def embed(self, image: Tensor) -> Tensor:
        x = self.pool(self.tanh(self.c1(image)))
        x = self.pool(self.tanh(self.c3(x)))
        return self.tanh(self.f6(self.tanh(self.c5(x)).flatten(1)))


FAMILY = Family(
    name="lenet5",
    title="LeNet-5, 66 bins, 32x32 RGB",
    source="defined here after LeCun et al., 1998; bins as HopeNet's",
    published="none, and no weights",
    crop_note="HopeNet's, by definition",
    builds=(LeNet5,),
    export_form=fuse_heads,
    input=replace(HOPENET.input, size=32),
    crop=HOPENET.crop,
    decode=HOPENET.decode,
)
