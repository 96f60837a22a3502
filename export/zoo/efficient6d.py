"""ResNet and MobileNet with a 6D rotation head, trained like 6DRepNet."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from export.zoo.family import Family
from export.zoo.layers import HardSwish
from export.zoo.mobilenet import V3_LARGE, V3_SMALL, v2_features, v3_features
from export.zoo.resnet import BasicBlock, Bottleneck
from export.zoo.rot6d import ResNet6d, Rot6dNet, rot6d_family


class _MobileNet6d(Rot6dNet):
    """A MobileNet's convolutions, average pooling, and the head."""

    def __init__(self, features: nn.Sequential, head: nn.Module) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.linear_reg = head

    def embed(self, image: Tensor) -> Tensor:
        return self.avgpool(self.features(image)).flatten(1)


def _v3_head(wide: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(wide, hidden), HardSwish(), nn.Linear(hidden, 6))


def _family(name: str, backbone: str, mae: str, build: Callable[[], nn.Module]) -> Family:
    return rot6d_family(
        name=name,
        title=f"{backbone} with a 6D rotation head, 224x224 RGB",
        source="yakhyo/head-pose-estimation (MIT), after Hempel et al., 2022, arXiv:2202.12555",
        published=f"AFLW2000 MAE {mae} (its README; its test code counts errors modulo 180 degrees)",
        builds=(build,),
    )


RESNET18_6D = _family(
    "resnet18-6d", "ResNet-18", "yaw 4.50, pitch 5.83, roll 4.22, mean 4.85", lambda: ResNet6d(BasicBlock, (2, 2, 2, 2))
)
RESNET34_6D = _family(
    "resnet34-6d", "ResNet-34", "yaw 4.45, pitch 5.27, roll 3.89, mean 4.54", lambda: ResNet6d(BasicBlock, (3, 4, 6, 3))
)
RESNET50_6D = _family(
    "resnet50-6d", "ResNet-50", "yaw 3.55, pitch 5.00, roll 3.50, mean 4.02", lambda: ResNet6d(Bottleneck, (3, 4, 6, 3))
)
MOBILENETV2_6D = _family(
    "mobilenetv2-6d",
    "MobileNetV2",
    "yaw 5.69, pitch 6.04, roll 4.44, mean 5.39",
    lambda: _MobileNet6d(v2_features(), nn.Linear(1280, 6)),
)
MOBILENETV3_SMALL_6D = _family(
    "mobilenetv3-small-6d",
    "MobileNetV3 small",
    "yaw 8.69, pitch 7.71, roll 6.00, mean 7.47",
    lambda: _MobileNet6d(v3_features(V3_SMALL), _v3_head(576, 1024)),
)
MOBILENETV3_LARGE_6D = _family(
    "mobilenetv3-large-6d",
    "MobileNetV3 large",
    "yaw 5.61, pitch 6.60, roll 5.00, mean 5.74",
    lambda: _MobileNet6d(v3_features(V3_LARGE), _v3_head(960, 1280)),
)
