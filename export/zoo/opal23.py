"""Opal23: inverted residuals between 2x2 convolutions that halve the maps, and a pose head of 3, 4 or 6 numbers.

Relation of its outputs to the labels of 300W-LP and AFLW2000 (yaw, pitch, roll), by its repository's own code:

- Its AFLW2000 annotations are the labels with the opposite sign of yaw, as three photos show; its CMU Panoptic
  annotations, drawn as its notebook draws them, turn to the same side.
- Annotations become the matrix H = Rx(pitch) Ry(-yaw) Rz(roll) of the labels, and the Euler head's output is evaluated
  as annotations are: it is -yaw, pitch and roll.
- The 6D and the quaternion head give the transpose of H, Rz(-roll) Ry(yaw) Rx(-pitch); the published loss, too, makes
  this matrix of annotations.

Nothing of this was checked with published weights.

Source: Cobo et al., 2024, doi:10.1016/j.patcog.2024.110263.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor, nn

from export.zoo.family import Family
from export.zoo.layers import conv_bn
from hpe_edge.spec import AngleHead, AnglesDecode, Crop, Input, QuaternionDecode, Rot6dDecode

_EXPANSION = 6
_STEM = 32  # channels
_BACKBONE = ((64, 1), (128, 2), (256, 3), (256, 4))  # channels and residuals after each halving
_ENCODER = ((256, 1), (256, 1))
_CORE = 256

ANGLES, QUATERNIONS, SIX = "angles", "quaternion", "rot6d"
_SIGNS = (1.0, -1.0, -1.0)  # of yaw, pitch and roll in the rotation heads' output; see above


class _InvertedResidual(nn.Module):
    """Expand sixfold, filter each channel, project; with a shortcut."""

    def __init__(self, wide: int, kernel: int) -> None:
        super().__init__()
        wider = _EXPANSION * wide
        self.conv = nn.Sequential(
            conv_bn(wide, wider, 1, 1, 1, nn.ReLU6()),
            conv_bn(wider, wider, kernel, 1, wider, nn.ReLU6()),
            *conv_bn(wider, wide, 1, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


class _Encoder(nn.Module):
    """``[N, 3, 128, 128]`` to ``[N, 256]``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_img = conv_bn(3, _STEM, 1, 1, 1, nn.ReLU())
        self.backbone = nn.Sequential(nn.Sequential(_InvertedResidual(_STEM, 3)), *_halvings(_STEM, _BACKBONE))
        core = nn.Sequential(nn.AdaptiveMaxPool2d(1), _InvertedResidual(_CORE, 1))
        # A list of branches in the original, of which pose has one.
        self.encoders = nn.ModuleList([nn.Sequential(*_halvings(_BACKBONE[-1][0], _ENCODER), core)])

    def forward(self, image: Tensor) -> Tensor:
        x = self.backbone(self.conv_img(image))
        return self.encoders[0](x).flatten(1)


def _halvings(wide_in: int, stages: tuple[tuple[int, int], ...]) -> list[nn.Sequential]:
    built = []
    for wide, count in stages:
        halving = nn.Sequential(nn.Conv2d(wide_in, wide, 2, stride=2, bias=False), nn.BatchNorm2d(wide), nn.ReLU())
        built.append(nn.Sequential(halving, *(_InvertedResidual(wide, 3) for _ in range(count))))
        wide_in = wide
    return built


class _Head(nn.Module):
    """One Linear layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc_for_pose = nn.ModuleDict({"pose_0": nn.Linear(_CORE, width)})

    def forward(self, features: Tensor) -> Tensor:
        return self.fc_for_pose["pose_0"](features)


def _net(width: int) -> nn.Sequential:
    return nn.Sequential(_Encoder(), _Head(width))


def _angles_decode(factor: float) -> AnglesDecode:
    return AnglesDecode(AngleHead(ANGLES, 0, -factor), AngleHead(ANGLES, 1, factor), AngleHead(ANGLES, 2, factor))


# Its test code cuts a square of 1.6 times the longer side of the landmarks' box, black outside the picture, and samples
# the nearest pixels; bilinear without antialiasing is the closest to that here.
_CROP = Crop(margins=(0.3, 0.3, 0.3, 0.3), square="extend", clip=False, resampling="bilinear")

# The boxes of its CMU Panoptic annotations are cut without margin. They are square for every pose; by their size they
# seem to be from WHENet's labelling script: a sphere of radius 22 about the head, where the face is 14.6 wide and
# reaches from 7.4 below the nose's base to 7.9 above it, and the sphere's centre is 5 above it.
_CROP_PANOPTIC = replace(_CROP, margins=(1.0, 1.25, 1.0, 0.63))

_UNVERIFIED = "signs are those of its repository's code and annotations, not verified with published weights"

EULER = Family(
    name="opal23-euler",
    title="Opal23 with an Euler head in degrees, 128x128 BGR, as trained on 300W-LP or Biwi",
    source="pcr-upm/opal23_headpose (MIT); Cobo et al., 2024, doi:10.1016/j.patcog.2024.110263",
    published="AFLW2000 MAE yaw 2.77, pitch 4.26, roll 2.77, mean 3.27 (its repository, issue 1)",
    crop_note=f"its test code's for AFLW2000; for Biwi it cuts the box with no margin; {_UNVERIFIED}",
    builds=(lambda: _net(3),),
    input=Input(size=128, color="BGR", scale=1 / 255, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    crop=_CROP,
    decode=_angles_decode(1.0),
    outputs=(ANGLES,),
)

EULER_PANOPTIC = replace(
    EULER,
    name="opal23-euler-panoptic",
    title="Opal23 with an Euler head in half turns, -1 to 1, 128x128 BGR, as trained on CMU Panoptic",
    published="none on AFLW2000",
    crop_note="its test code cuts Panoptic's head boxes with no margin; their size about a tight face box is a guess: "
    f"measure it for your boxes; {_UNVERIFIED}",
    crop=_CROP_PANOPTIC,
    decode=_angles_decode(180.0),
)

QUATERNION = replace(
    EULER,
    name="opal23-quaternion",
    title="Opal23 with a quaternion head, 128x128 BGR",
    published="none at hand",
    builds=(lambda: _net(4),),
    decode=QuaternionDecode(QUATERNIONS, signs=_SIGNS),
    outputs=(QUATERNIONS,),
)

ROT6D = replace(
    EULER,
    name="opal23-6d",
    title="Opal23 with a 6D rotation head, trained with or without the Opal loss, 128x128 BGR",
    published="none at hand",
    builds=(lambda: _net(6),),
    decode=Rot6dDecode(SIX, signs=_SIGNS),
    outputs=(SIX,),
)
