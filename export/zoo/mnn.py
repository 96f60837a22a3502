"""MNN, "multi-task network": an encoder-decoder for pose, landmarks and their visibility.

Its encoder halves the maps of residual blocks down to 1x1, where the pose is read; its decoder doubles them again, each
level joined with the encoder's of the same size by a lateral connection; the last level gives a heatmap of the crop for
each landmark, and the landmarks' visibility.

The outputs, their sizes and order, the normalisation and the crop are those of its public C++ code, whose TensorFlow
graph has the heatmaps first, then yaw, pitch and roll, six numbers of a projected face model that only its regression
trees read, and the visibilities. The contour's landmarks on the picture's left are hidden there for a first angle below
-15 degrees: it is the opposite of the labels' yaw. The signs of pitch and roll are those of Opal23, of the same group.
Numbers and widths of the blocks are this project's: a converted graph has its own. Nothing of this was checked with
published weights.

Sources: Valle et al., 2021, doi:10.1109/TPAMI.2020.3046323; pcr-upm/bobetocalo_pami20, HonariChannelFeatures.cpp and
ShapeCascade.hpp.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from export.zoo.face_points import POINTS_68
from export.zoo.family import Family, Heads
from export.zoo.layers import conv_bn
from hpe_edge.spec import AngleHead, AnglesDecode, Crop, Heatmaps, Input, Visibility

SIZE = 256
ANGLES, MAPS, VISIBILITY = "angles", "maps", "visibility"
_WIDTHS = (32, 32, 64, 64, 128, 128, 256, 256, 256)  # of the encoder's levels, from 256x256 down to 1x1


class _Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, wide: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(conv_bn(wide, wide, 3, 1, 1, nn.ReLU()), *conv_bn(wide, wide, 3, 1, 1))
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(x + self.conv(x))


class Mnn(nn.Module):
    """The network; ``forward`` gives the pose alone, and :meth:`everything` all outputs."""

    def __init__(self, widths: Sequence[int] = _WIDTHS, landmarks: int = len(POINTS_68)) -> None:
        """
        Args:
            widths: channels of each level, the largest maps first; every level is half as large as the one before.
            landmarks: number of heatmaps.
        """
        super().__init__()
        pairs = list(itertools.pairwise(widths))
        self.stem = conv_bn(3, widths[0], 3, 1, 1, nn.ReLU())
        self.encoder = nn.ModuleList(_Residual(wide) for wide in widths[:-1])
        self.halve = nn.ModuleList(conv_bn(wide, narrow, 3, 2, 1, nn.ReLU()) for wide, narrow in pairs)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(narrow, wide, 2, 2) for wide, narrow in reversed(pairs))
        self.join = nn.ModuleList(conv_bn(2 * wide, wide, 1, 1, 1, nn.ReLU()) for wide, _ in reversed(pairs))
        self.decoder = nn.ModuleList(_Residual(wide) for wide, _ in reversed(pairs))
        self.angles = nn.Linear(widths[-1], 3)
        self.maps = nn.Conv2d(widths[0], landmarks, 1)
        self.seen = nn.Linear(widths[0], landmarks)

    def encode(self, image: Tensor) -> list[Tensor]:
        """``[N, 3, S, S]`` to the maps of all levels, the bottleneck last."""
        levels = [self.stem(image)]
        for block, halve in zip(self.encoder, self.halve, strict=True):
            levels[-1] = block(levels[-1])
            levels.append(halve(levels[-1]))
        return levels

    def forward(self, image: Tensor) -> Tensor:
        """``[N, 3, S, S]`` to the three angles in degrees, ``[N, 3]``."""
        return self.pose(self.encode(image)[-1])

    def pose(self, bottleneck: Tensor) -> Tensor:
        """The angles ``[N, 3]`` of the smallest maps."""
        found: Tensor = self.angles(bottleneck.flatten(1))
        return found

    def everything(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``[N, 3, S, S]`` to angles ``[N, 3]``, maps ``[N, L, S, S]`` that sum to 1, and visibility ``[N, L]``."""
        *levels, x = self.encode(image)
        pose = self.pose(x)
        for grow, join, block in zip(self.grow, self.join, self.decoder, strict=True):
            x = block(join(torch.cat([grow(x), levels.pop()], dim=1)))
        logits = self.maps(x)
        maps = logits.flatten(2).softmax(dim=2).view_as(logits)
        return pose, maps, self.seen(x.mean(dim=(2, 3))).sigmoid()


class _Everything(nn.Module):
    """An Mnn whose forward gives all outputs."""

    def __init__(self, net: Mnn) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.net.everything(image)


def _everything(net: nn.Module) -> nn.Module:
    assert isinstance(net, Mnn)
    return _Everything(net).eval()


FAMILY = Family(
    name="mnn",
    title="MNN, an encoder-decoder with residual blocks, 256x256 BGR, pose, 68 heatmaps and visibility",
    source="pcr-upm/bobetocalo_pami20 (no licence); Valle et al., 2021, doi:10.1109/TPAMI.2020.3046323",
    published="AFLW2000 MAE mean 3.83 (archive of Papers with Code)",
    crop_note="its code's: the box grown by 0.3 on each side, then a square, of the box's height there; signs are "
    "those of its code and Opal23's, not verified with published weights",
    builds=(Mnn,),
    input=Input(size=SIZE, color="BGR", scale=1 / 255, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    crop=Crop(margins=(0.3, 0.3, 0.3, 0.3), square="extend", clip=False, resampling="bilinear"),
    decode=AnglesDecode(AngleHead(ANGLES, 0, -1.0), AngleHead(ANGLES, 1), AngleHead(ANGLES, 2)),
    outputs=(ANGLES,),
    heads=Heads(
        module=_everything,
        export_form=_everything,
        outputs=(MAPS, VISIBILITY),
        landmarks=Heatmaps(MAPS, len(POINTS_68), SIZE, names=POINTS_68),
        visibility=Visibility(VISIBILITY),
    ),
)
