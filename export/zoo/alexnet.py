"""HopeNet's AlexNet: the comparison network of its repository, with 66 bins of 3 degrees per angle."""

from __future__ import annotations

from torch import Tensor, nn

from export.zoo.bins import BinNet, fuse_heads
from export.zoo.family import Family
from export.zoo.hopenet import HOPENET


class AlexNetBins(BinNet):
    """AlexNet as torchvision lays it out (Krizhevsky, 2014, arXiv:1404.5997), with three heads for its last layer."""

    def __init__(self) -> None:
        super().__init__(width=4096, bins=66)
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        # The dropouts count in the keys.
        self.classifier = nn.Sequential(
            nn.Dropout(),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(4096, 4096),
            nn.ReLU(),
        )

    def embed(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image).flatten(1))


FAMILY = Family(
    name="hopenet-alexnet",
    title="HopeNet's AlexNet, 66 bins, 224x224 RGB",
    source="natanielruiz/deep-head-pose (Apache-2.0); Ruiz et al., 2018, arXiv:1710.00925",
    published="none, and no weights",
    crop_note=HOPENET.crop_note,
    builds=(AlexNetBins,),
    export_form=fuse_heads,
    input=HOPENET.input,
    crop=HOPENET.crop,
    decode=HOPENET.decode,
)
