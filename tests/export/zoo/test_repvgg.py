"""RepVGG's branches against the one convolution that they are fused into."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from export import zoo
from export.zoo.repvgg import BranchedBlock, fuse_branches

# Float32 rounds at 1e-7 in each of two dozen layers; the original's own conversion moves the head by 4e-7 of it.
FUSED_TOLERANCE = 2e-6
FORMS = {"sixdrepnet_b1g2": "6drepnet", "sixdrepnet_a0": "6drepnet-a0"}


@pytest.fixture
def in_float64():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def trained(block):
    """The block with statistics that a fresh one does not have."""
    generator = torch.Generator().manual_seed(0)
    for layer in block.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(tensor, generator=generator)
            # So small that a forgotten eps shows.
            nn.init.uniform_(layer.running_var, 1e-4, 1.0, generator=generator)
    return block.eval()


@pytest.mark.parametrize(
    ("wide_in", "wide_out", "stride", "groups"),
    [(8, 8, 1, 1), (8, 8, 1, 2), (8, 8, 2, 1), (8, 12, 1, 2), (3, 8, 2, 1)],  # the first two have the shortcut
)
def test_fused_block_is_the_same_function(in_float64, wide_in, wide_out, stride, groups):
    block = trained(BranchedBlock(wide_in, wide_out, stride, groups))
    assert (block.rbr_identity is not None) == (wide_in == wide_out and stride == 1)
    image = torch.randn(2, wide_in, 7, 7, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        wanted, found = block(image), block.fused()(image)
    assert (wanted > 0).any()
    assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-12)


def test_fused_network_gives_what_the_originals_conversion_gives(golden):
    original = golden("sixdrepnet_b1g2")
    fused = fuse_branches(zoo.get("6drepnet").load(original.state))
    for suffix, image in original.inputs(224).items():
        wanted = original.arrays[f"sixd{suffix}_converted"]
        with torch.inference_mode():
            found = fused(torch.from_numpy(image)).numpy()
        assert np.abs(found - wanted).max() <= FUSED_TOLERANCE * np.abs(wanted).max()


@pytest.mark.parametrize("arch", FORMS)
def test_training_form_becomes_the_deploy_form(data: Path, golden, arch):
    net = zoo.get(FORMS[arch]).load(golden(arch).state)
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    fused = fuse_branches(net)
    deploy = json.loads((data / "golden" / f"{arch}_deploy" / "manifest.json").read_text())
    assert {key: list(tensor.shape) for key, tensor in fused.state_dict().items()} == {
        key: shape for key, (shape, _) in deploy.items()
    }
    # The gate compares the network as it was loaded with the exported one.
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items())


@pytest.mark.parametrize("arch", FORMS)
def test_deploy_form_stays_as_it_is(golden, arch):
    state = golden(f"{arch}_deploy").state
    fused = fuse_branches(zoo.get(FORMS[arch]).load(state)).state_dict()
    assert fused.keys() == state.keys()
    assert all(torch.equal(fused[key], tensor) for key, tensor in state.items())
