"""3DDFA V2: MobileNet, 62 numbers of a 3D face model, of which the pose is a scaled orthographic projection.

The network gives 12 numbers of the 3x4 projection and 50 of shape and expression, each as a deviation from the training
data's mean in units of its standard deviation. The first two rows of the projection are those of the rotation times the
scale. Its camera frame has y up and z towards the camera, as its face model has: the rotation of this project is F M F
with F = diag(1, -1, -1), whose transpose is the matrix that the 6D decode makes of the two rows.

Sources: Guo et al., 2020, arXiv:2009.09960; Howard et al., 2017, arXiv:1704.04861 (MobileNet).
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn

from export.zoo.face_points import POINTS_68
from export.zoo.family import Family, Heads
from export.zoo.rot6d import DECODE_TRANSPOSED, OUTPUT
from hpe_edge.spec import Coordinates, Crop, Input

SIZE = 120
LANDMARKS = len(POINTS_68)
_PARAMETERS = 62

# name, channels out at width 1, stride
_BLOCKS = (
    ("dw2_1", 64, 1),
    ("dw2_2", 128, 2),
    ("dw3_1", 128, 1),
    ("dw3_2", 256, 2),
    ("dw4_1", 256, 1),
    ("dw4_2", 512, 2),
    *((f"dw5_{i}", 512, 1) for i in range(1, 6)),
    ("dw5_6", 1024, 2),
    ("dw6", 1024, 1),
)

# The two rows of the rotation times the scale, without their translations: places among the 62 numbers, and mean and
# standard deviation there, as published in param_mean_std_62d_120x120.pkl for both widths.
_ROWS = (0, 1, 2, 4, 5, 6)
_MEAN = (3.4926363e-04, 2.5279013e-07, -6.8751979e-07, -6.2955132e-07, 5.7572004e-04, -5.0853912e-05)
_STD = (1.76321526e-04, 6.73794348e-05, 4.47084894e-04, 1.23137695e-04, 4.49302170e-05, 7.92367064e-05)
_AXES = (1.0, -1.0, -1.0, -1.0, 1.0, 1.0)  # of F M F
_UNIT = 5.7572004e-04  # about the scale of a face in the crop; the decode needs none, and FP16 numbers near 1


class _Block(nn.Module):
    """Filter each channel, then mix them."""

    def __init__(self, wide_in: int, wide_out: int, stride: int) -> None:
        super().__init__()
        self.conv_dw = nn.Conv2d(wide_in, wide_in, 3, stride, padding=1, groups=wide_in, bias=False)
        self.bn_dw = nn.BatchNorm2d(wide_in)
        self.conv_sep = nn.Conv2d(wide_in, wide_out, 1, bias=False)
        self.bn_sep = nn.BatchNorm2d(wide_out)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn_sep(self.conv_sep(self.relu(self.bn_dw(self.conv_dw(x))))))


class ThreeDdfa(nn.Module):
    """MobileNet of the given width with a head for the face model's parameters and one for landmarks."""

    def __init__(self, width: float) -> None:
        super().__init__()
        wide_in = int(32 * width)
        self.conv1 = nn.Conv2d(3, wide_in, 3, 2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide_in)
        self.relu = nn.ReLU()
        blocks = OrderedDict[str, nn.Module]()
        for name, wide, stride in _BLOCKS:
            wide_out = int(wide * width)
            blocks[name] = _Block(wide_in, wide_out, stride)
            self.add_module(name, blocks[name])
            wide_in = wide_out
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc_param = nn.Linear(wide_in, _PARAMETERS)
        self.fc_lm = nn.Linear(wide_in, 2 * LANDMARKS)
        self.register_buffer("mean", torch.tensor(_MEAN), persistent=False)
        self.register_buffer("std", torch.tensor(_STD), persistent=False)
        self.register_buffer("axes", torch.tensor(_AXES) / _UNIT, persistent=False)

    def embed(self, image: Tensor) -> Tensor:
        """``[N, 3, 120, 120]`` to ``[N, width]``."""
        x = self.relu(self.bn1(self.conv1(image)))
        for name, _, _ in _BLOCKS:
            x = self.get_submodule(name)(x)
        return self.avgpool(x).flatten(1)

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, 120, 120]`` to two rows of the rotation, of any common length, ``[N, 6]``."""
        rows = self.fc_param(self.embed(image))[:, _ROWS] * self.std + self.mean
        return rows * self.axes

    def landmarks(self, image: Tensor) -> Tensor:
        """``[N, 3, 120, 120]`` to the 68 landmarks of 300W, x and y in pixels of the crop, ``[N, 68, 2]``.

        The head has all x, then all y, -1 to 1 across the crop: shifted crops move the points by 60 pixels a unit.
        """
        points = self.fc_lm(self.embed(image)).reshape(-1, 2, LANDMARKS)
        return (points.transpose(1, 2) + 1.0) * (SIZE / 2)


class _FusedHead(nn.Module):
    """A ThreeDdfa whose one head gives the two rows, and another one, if wanted, the landmarks as they are stored."""

    def __init__(self, net: ThreeDdfa, *, landmarks: bool) -> None:
        super().__init__()
        self.net, self.landmarks = net, landmarks
        self.head = nn.Linear(net.fc_param.in_features, len(_ROWS))
        with torch.no_grad():
            scale = net.std * net.axes
            self.head.weight.copy_(net.fc_param.weight[_ROWS, :] * scale[:, None])
            self.head.bias.copy_(net.fc_param.bias[_ROWS,] * scale + net.mean * net.axes)

    def forward(self, image: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        features = self.net.embed(image)
        rows: Tensor = self.head(features)
        return (rows, self.net.fc_lm(features)) if self.landmarks else rows


class _WithLandmarks(nn.Module):
    """A ThreeDdfa as published, with its landmarks as they are stored."""

    def __init__(self, net: ThreeDdfa) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        return self.net(image), self.net.fc_lm(self.net.embed(image))


def fuse_head(net: ThreeDdfa) -> nn.Module:
    """The same outputs from one Linear layer, without mean, deviation and the other 56 numbers."""
    return _FusedHead(net, landmarks=False).eval()


FAMILY = Family(
    name="3ddfa",
    title="3DDFA V2, MobileNet of width 1 or 0.5, 120x120 BGR, (level - 127.5) / 128, a face model's projection",
    source="cleardusk/3DDFA_V2 (MIT); Guo et al., 2020, arXiv:2009.09960",
    published="none for the pose",
    crop_note="a square of 1.25 times the landmarks' box, as the project's other small networks have; its own code has "
    "the box's diagonal, and black outside the picture",
    builds=(lambda: ThreeDdfa(0.5), lambda: ThreeDdfa(1.0)),
    export_form=fuse_head,
    input=Input(size=SIZE, color="BGR", scale=1.0, mean=(127.5, 127.5, 127.5), std=(128.0, 128.0, 128.0)),
    crop=Crop(margins=(0.125, 0.125, 0.125, 0.125), square="extend", clip=False, resampling="bilinear"),
    decode=DECODE_TRANSPOSED,
    outputs=(OUTPUT,),
    unexported=("fc_param's translation, shape and expression: the pose needs none of them",),
    heads=Heads(
        module=lambda net: _WithLandmarks(net).eval(),
        export_form=lambda net: _FusedHead(net, landmarks=True).eval(),
        outputs=("landmarks",),
        landmarks=Coordinates("landmarks", LANDMARKS, layout="planes", scale=0.5, offset=0.5, names=POINTS_68),
    ),
)
