"""HopeNet, ResNet-50 with 66 bins of 3 degrees per angle, and networks that share its input, crop or bins."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from export.zoo.bins import BinNet, bins_decode, fuse_heads
from export.zoo.family import Drop, Family
from export.zoo.resnet import BasicBlock, Bottleneck, ResNet, ResNetBins
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

HOPENET_RESNET18 = replace(
    HOPENET,
    name="hopenet-resnet18",
    title="HopeNet on ResNet-18, 66 bins, 224x224 RGB",
    published="none, and no weights",
    builds=(lambda: ResNetBins(BasicBlock, (2, 2, 2, 2), width=512, bins=66),),
)

HOPENET_RESNET34 = replace(
    HOPENET_RESNET18,
    name="hopenet-resnet34",
    title="HopeNet on ResNet-34, 66 bins, 224x224 RGB",
    builds=(lambda: ResNetBins(BasicBlock, (3, 4, 6, 3), width=512, bins=66),),
)

HOPENET_RESNET101 = replace(
    HOPENET_RESNET18,
    name="hopenet-resnet101",
    title="HopeNet on ResNet-101, 66 bins, 224x224 RGB",
    builds=(lambda: ResNetBins(Bottleneck, (3, 4, 23, 3), width=2048, bins=66),),
)

_ANGLES = "angles"

HOPENET_REGRESSION = replace(
    HOPENET,
    name="hopenet-regression",
    title="HopeNet without bins, ResNet-50, 224x224 RGB",
    published="none, and no weights",
    builds=(HopeNetRegression,),
    export_form=nn.Module.eval,
    decode=AnglesDecode(yaw=AngleHead(_ANGLES, 0), pitch=AngleHead(_ANGLES, 1), roll=AngleHead(_ANGLES, 2)),
    drops=(),
    outputs=(_ANGLES,),
)


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
            nn.Dropout(), nn.Linear(256 * 6 * 6, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU()
        )

    def embed(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image).flatten(1))


HOPENET_ALEXNET = replace(
    HOPENET,
    name="hopenet-alexnet",
    title="HopeNet's AlexNet, 66 bins, 224x224 RGB",
    published="none, and no weights",
    builds=(AlexNetBins,),
    drops=(),
)


class HybridNet(ResNetBins):
    """Hybrid coarse-fine classification: HopeNet with 198 bins of 1 degree, and coarse heads for its training."""

    _COARSE = (66, 18, 6, 2)  # bins of 3, 11, 33 and 99 degrees

    def __init__(self) -> None:
        super().__init__(Bottleneck, (3, 4, 6, 3), width=2048, bins=198)
        for angle in ("yaw", "pitch", "roll"):
            for level, bins in enumerate(self._COARSE, start=1):
                self.add_module(f"fc_{angle}_{level}", nn.Linear(2048, bins))


HYBRID = replace(
    HOPENET,
    name="hybrid",
    title="hybrid coarse-fine classification, ResNet-50, 198 bins, 224x224 RGB",
    source="haofanwang/accurate-head-pose (no licence file); Wang et al., 2019, arXiv:1901.06778",
    published="none in its repository",
    builds=(HybridNet,),
    decode=bins_decode(first_deg=-99.0, step_deg=1.0, count=198),  # lower edges of the bins
    unexported=("the heads of 66, 18, 6 and 2 bins, which serve training only",),
)


class LeNet5(BinNet):
    """LeNet-5 with HopeNet's heads: the small end of a comparison with ResNet-50.

    Defined here: there are no published weights and no published code. The layers are those of LeCun et al., 1998,
    "Gradient-based learning applied to document recognition", under its names, on 32x32 pixels with tanh. It departs
    from the paper in this: three input channels; every map of C3 reads all maps of S2; S2 and S4 are plain averages
    without weights; tanh is not scaled; the heads are linear.
    """

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


LENET5 = replace(
    HOPENET,
    name="lenet5",
    title="LeNet-5, 66 bins, 32x32 RGB",
    source="defined here after LeCun et al., 1998; bins as HopeNet's",
    published="none, and no weights",
    crop_note="HopeNet's, by definition",
    builds=(LeNet5,),
    input=replace(HOPENET.input, size=32),
    drops=(),
)
