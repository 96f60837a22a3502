"""The two networks of img2pose, a Faster R-CNN on ResNet-18 with a feature pyramid, with the published file's keys.

Between them lie the proposals and RoIAlign, which are no part of a graph: :mod:`hpe_edge.picture`.

Sources: Albiero et al., CVPR 2021, arXiv:2012.07791, and its repository vitoralbiero/img2pose; Ren et al., Faster
R-CNN, 2015, arXiv:1506.01497; Lin et al., Feature Pyramid Networks, 2017, arXiv:1612.03144.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export.zoo.resnet import BasicBlock, ResNet

CHANNELS = 256  # of each level of the pyramid
BINS = 7  # of a pooled region, on a side
ANCHORS = 3  # at each cell of a level
_WIDTHS = (64, 128, 256, 512)  # of the backbone's four stages
_HIDDEN = 1024
_POSE_NUMBERS = 12  # six for the background, which is not read, and six for a face


class _Body(ResNet):
    """ResNet-18 up to its four stages."""

    def __init__(self) -> None:
        super().__init__(BasicBlock, (2, 2, 2, 2))

    def forward(self, picture: Tensor) -> list[Tensor]:
        x = self.maxpool(self.relu(self.bn1(self.conv1(picture))))
        stages = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
            stages.append(x)
        return stages


class _Pyramid(nn.Module):
    """Levels of equal width, each with the next coarser one enlarged and added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.inner_blocks = nn.ModuleList(nn.Conv2d(width, CHANNELS, 1) for width in _WIDTHS)
        self.layer_blocks = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in _WIDTHS)

    def forward(self, stages: list[Tensor]) -> list[Tensor]:
        inner = [block(stage) for block, stage in zip(self.inner_blocks, stages, strict=True)]
        for fine in (2, 1, 0):
            inner[fine] = inner[fine] + F.interpolate(inner[fine + 1], size=inner[fine].shape[-2:], mode="nearest")
        return [block(level) for block, level in zip(self.layer_blocks, inner, strict=True)]


class _Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = _Body()
        self.fpn = _Pyramid()


class _RpnHead(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.cls_logits = nn.Conv2d(CHANNELS, ANCHORS, 1)
        self.bbox_pred = nn.Conv2d(CHANNELS, 4 * ANCHORS, 1)


class _Rpn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = _RpnHead()


class _TwoLayers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc6 = nn.Linear(CHANNELS * BINS * BINS, _HIDDEN)
        self.fc7 = nn.Linear(_HIDDEN, _HIDDEN)

    def forward(self, pooled: Tensor) -> Tensor:
        return F.relu(self.fc7(F.relu(self.fc6(pooled))))


class _PosePredictor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.dof_pred = nn.Sequential(
            nn.Linear(_HIDDEN, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, _POSE_NUMBERS)
        )


class _ClassPredictor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_score = nn.Linear(_HIDDEN, 2)


class _Heads(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.box_head = _TwoLayers()
        self.box_predictor = _PosePredictor()
        self.class_head = _TwoLayers()
        self.class_predictor = _ClassPredictor()


class Img2Pose(nn.Module):
    """Holder of the weights under their published names; :class:`Pyramid` and :class:`Heads` run it."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = _Backbone()
        self.rpn = _Rpn()
        self.roi_heads = _Heads()


class Pyramid(nn.Module):
    """First network: a picture to the pyramid's levels and to the proposals' logits and shifts."""

    def __init__(self, net: Img2Pose) -> None:
        super().__init__()
        self.backbone, self.head = net.backbone, net.rpn.head

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Map ``[1, 3, H, W]``, sides that are multiples of 32, to levels, logits and shifts.

        Returns:
            Four levels ``[H / s, W / s, 256]`` at s = 4, 8, 16 and 32; and over these and a fifth one, which is every
            second cell of the last, ``[A]`` logits and ``[A, 4]`` shifts of the anchors, row by row.
        """
        levels = self.backbone.fpn(self.backbone.body(picture))
        logits, shifts = [], []
        for level in (*levels, levels[-1][:, :, ::2, ::2]):
            hidden = F.relu(self.head.conv(level))
            logits.append(self.head.cls_logits(hidden).permute(0, 2, 3, 1).reshape(-1))
            shifts.append(self.head.bbox_pred(hidden).permute(0, 2, 3, 1).reshape(-1, 4))
        return (*(level[0].permute(1, 2, 0) for level in levels), torch.cat(logits), torch.cat(shifts))


class Heads(nn.Module):
    """Second network: pooled regions to scores and poses."""

    def __init__(self, net: Img2Pose) -> None:
        super().__init__()
        heads = net.roi_heads
        self.box_head, self.class_head = heads.box_head, heads.class_head
        self.pose, self.score = heads.box_predictor.dof_pred, heads.class_predictor.cls_score

    def forward(self, pooled: Tensor) -> tuple[Tensor, Tensor]:
        """Map regions ``[N, 7, 7, 256]`` to the two classes' logits ``[N, 2]`` and a face's six numbers ``[N, 6]``."""
        flat = pooled.flatten(1)
        return self.score(self.class_head(flat)), self.pose(self.box_head(flat))[:, 6:]
