"""img2pose built of torchvision's own parts: makes the golden outputs, and stands for them where torchvision is there.

``python tests/picture/torchvision_reference.py tests/picture/golden_img2pose.npz`` with torchvision 0.28.0 made the
file; the weights are those of ``picture_weights.py``, the picture is ``noise_picture``'s.
"""

from __future__ import annotations

import sys
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from picture_weights import noise_picture, picture_state
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.faster_rcnn import TwoMLPHead
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops.misc import FrozenBatchNorm2d

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


class Reference(nn.Module):
    """The detector as its repository puts it together, up to the heads' raw outputs."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.transform = GeneralizedRCNNTransform(400, 1400, MEAN, STD)
        self.backbone = resnet_fpn_backbone(
            backbone_name="resnet18", weights=None, norm_layer=partial(FrozenBatchNorm2d, eps=0.0)
        )
        anchors = AnchorGenerator(((16,), (32,), (64,), (128,), (256,)), ((0.5, 1.0, 2.0),) * 5)
        most = {"training": 6000, "testing": 6000}
        kept = {"training": count, "testing": count}
        self.rpn = RegionProposalNetwork(anchors, RPNHead(256, 3), 0.5, 0.3, 256, 0.5, most, kept, 0.4)
        self.pool = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
        self.roi_heads = nn.Module()
        self.roi_heads.box_head = TwoMLPHead(256 * 49, 1024)
        self.roi_heads.class_head = TwoMLPHead(256 * 49, 1024)
        predictor, scorer = nn.Module(), nn.Module()
        predictor.dof_pred = nn.Sequential(nn.Linear(1024, 256), nn.BatchNorm1d(256), nn.ReLU(), nn.Linear(256, 12))
        scorer.cls_score = nn.Linear(1024, 2)
        self.roi_heads.box_predictor, self.roi_heads.class_predictor = predictor, scorer

    @torch.inference_mode()
    def run(self, picture_rgb: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        images, _ = self.transform([torch.from_numpy(picture_rgb).permute(2, 0, 1).float() / 255])
        features = self.backbone(images.tensors)
        (proposals,), _ = self.rpn(images, features)
        pooled = self.pool(features, [proposals], images.image_sizes)
        heads = self.roi_heads
        return {
            "size": np.array(images.image_sizes[0], np.float32),
            "input": images.tensors[0].numpy(),
            "p2": features["0"][0].numpy(),
            "p5": features["3"][0].numpy(),
            "proposals": proposals.numpy(),
            "pooled": pooled.numpy(),
            "logits": heads.class_predictor.cls_score(heads.class_head(pooled)).numpy(),
            "poses": heads.box_predictor.dof_pred(heads.box_head(pooled))[:, 6:].numpy(),
        }


def reference(count: int) -> Reference:
    """The detector with the tests' weights, which keeps ``count`` proposals."""
    net = Reference(count)
    newer = {
        key.replace("_blocks.", "_blocks.").replace(".weight", ".0.weight").replace(".bias", ".0.bias")
        if "fpn" in key
        else key: tensor
        for key, tensor in picture_state().items()
    }
    newer = {
        key.replace("head.conv.", "head.conv.0.0.") if key.startswith("rpn") else key: tensor
        for key, tensor in newer.items()
    }
    net.load_state_dict(newer, strict=True)
    return net.eval()


def main() -> None:
    out = reference(100).run(noise_picture())
    for name in ("input", "p2", "p5", "pooled"):  # a sample of the large ones
        out[name] = out[name].reshape(-1)[:: max(1, out[name].size // 2000)].copy()
    np.savez_compressed(sys.argv[1], **out)


if __name__ == "__main__":
    main()
