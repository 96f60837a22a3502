"""img2pose's published weights as modules that run: keys of two forms, frozen norms folded, features channels-last."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from export.picture.img2pose_net import BINS, CHANNELS, Heads, Img2Pose, Pyramid
from hpe_edge.errors import ModelError

# torchvision before 0.13 wrote fpn.inner_blocks.0.weight, later ones fpn.inner_blocks.0.0.weight.
_NEWER = re.compile(r"^(backbone\.fpn\.(?:inner|layer)_blocks\.\d)\.0\.(weight|bias)$")
_SHOWN = 3


def load_networks(state: Mapping[str, Tensor]) -> tuple[Pyramid, Heads]:
    """Build the two networks with these weights, for inference.

    The backbone's norms were frozen in training with an eps of 0 (torchvision 0.8.2, which the repository pins; later
    ones take 1e-5, which changes the result). They are folded into the convolutions in float64: a small variance has no
    reciprocal in float16.

    Args:
        state: the published file's weights; a prefix that all keys share is taken off.

    Raises:
        ModelError: they are not img2pose's, or a frozen norm has a variance of 0.
    """
    weights = {_NEWER.sub(r"\1.\2", key): tensor for key, tensor in without_prefix(state).items()}
    net = Img2Pose()
    expected = {key: tensor.shape for key, tensor in net.state_dict().items() if not _is_counter(key)}
    given = {key: tensor.shape for key, tensor in weights.items() if not _is_counter(key)}
    faults = [f"{key} is missing" for key in expected if key not in given]
    faults += [f"{key} is unexpected" for key in given if key not in expected]
    faults += [
        f"{key} is {list(given[key])} in place of {list(shape)}"
        for key, shape in expected.items()
        if key in given and given[key] != shape
    ]
    if faults:
        more = f" and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise ModelError(f"the weights are not img2pose's on ResNet-18 ({'; '.join(faults[:_SHOWN])}{more})")
    net.load_state_dict({**net.state_dict(), **weights})
    net.eval()
    _fold_frozen_norms(net.backbone.body)
    for head in (net.roi_heads.box_head, net.roi_heads.class_head):
        _read_channels_last(head.fc6)
    return Pyramid(net).eval(), Heads(net).eval()


def without_prefix(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Remove what wrappers put before every key, such as ``module.``."""
    first = next((key for key in state if "backbone." in key), "")
    prefix = first[: first.find("backbone.")]
    return {key.removeprefix(prefix): tensor for key, tensor in state.items()}


def is_img2pose(state: Mapping[str, Tensor]) -> bool:
    """True for weights with the two predictors that only this network has."""
    ends = ("roi_heads.class_predictor.cls_score.weight", "roi_heads.box_predictor.dof_pred.3.weight")
    return all(any(key.endswith(end) for key in state) for end in ends)


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _fold_frozen_norms(body: nn.Module) -> None:
    """Fold each norm into the convolution before it, and replace it by nothing."""
    pairs = [("conv1", "bn1"), ("conv2", "bn2"), ("0", "1")]
    for module in list(body.modules()):
        for conv_name, norm_name in pairs:
            conv, norm = module._modules.get(conv_name), module._modules.get(norm_name)
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                variance = norm.running_var.double()
                if not (variance > 0).all():
                    raise ModelError(
                        "a frozen norm has a variance of 0, and so no eps to divide by: the file is damaged, or of "
                        "another network"
                    )
                gain = norm.weight.double() / variance.sqrt()
                folded = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, conv.stride, conv.padding)
                with torch.no_grad():
                    folded.weight.copy_(conv.weight.double() * gain[:, None, None, None])
                    folded.bias.copy_(norm.bias.double() - norm.running_mean.double() * gain)
                module._modules[conv_name], module._modules[norm_name] = folded, nn.Identity()


def _read_channels_last(layer: nn.Linear) -> None:
    """Reorder the columns of a layer from channels x bins to bins x channels."""
    with torch.no_grad():
        columns = layer.weight.view(len(layer.weight), CHANNELS, BINS * BINS).transpose(1, 2)
        layer.weight.copy_(columns.reshape(len(layer.weight), -1).clone())
