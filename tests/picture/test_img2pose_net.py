"""img2pose's networks and proposals against torchvision's, with the same weights on the same picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from picture_weights import noise_picture, picture_state

torch = pytest.importorskip("torch", reason="the export tests need torch")

from export.picture.img2pose_net import Heads, Img2Pose, Pyramid  # noqa: E402
from export.picture.img2pose_spec import picture_input, proposal_rule  # noqa: E402
from export.picture.img2pose_weights import load_networks  # noqa: E402
from hpe_edge.errors import ModelError  # noqa: E402
from hpe_edge.ops.regions import roi_align  # noqa: E402
from hpe_edge.picture.picture_engine import resized  # noqa: E402
from hpe_edge.picture.picture_spec import STRIDES  # noqa: E402
from hpe_edge.picture.proposals import level_of, propose  # noqa: E402

Arrays = dict[str, NDArray[np.float32]]


@pytest.fixture(scope="module")
def networks() -> tuple[Pyramid, Heads]:
    return load_networks({f"module.{key}": tensor for key, tensor in picture_state().items()})


@pytest.fixture(scope="module")
def ours(networks: tuple[Pyramid, Heads]) -> Arrays:
    """Every step of the passage, named as in the golden file."""
    planes, size = resized(noise_picture()[..., ::-1].copy(), picture_input(400, 1400))
    with torch.inference_mode():
        *levels, logits, shifts = (each.numpy() for each in networks[0](torch.from_numpy(planes)))
        rule = proposal_rule(100)
        regions = propose(logits, shifts, planes.shape[2:], size, rule)
        maps = [(np.ascontiguousarray(level), 1 / stride) for level, stride in zip(levels, STRIDES, strict=True)]
        pooled = roi_align(maps, level_of(regions), regions)
        scores, poses = (each.numpy() for each in networks[1](torch.from_numpy(pooled)))
    channels_first = {"p2": levels[0].transpose(2, 0, 1), "p5": levels[3].transpose(2, 0, 1)}
    return {
        "size": np.array(size, np.float32),
        "input": planes[0],
        **channels_first,
        "proposals": regions,
        "pooled": pooled.transpose(0, 3, 1, 2),
        "logits": scores,
        "poses": poses,
    }


def relative(got: NDArray[np.float32], want: NDArray[np.float32]) -> float:
    """Largest difference as a part of the largest magnitude; of large arrays the golden file has a sample."""
    if got.shape != want.shape:
        got = got.reshape(-1)[:: max(1, got.size // 2000)]
    assert got.shape == want.shape
    return float(np.abs(got - want).max() / np.abs(want).max())


@pytest.mark.parametrize("name", ["size", "input", "p2", "p5", "pooled", "logits", "poses"])
def test_every_step_is_torchvisions(ours: Arrays, golden_picture: Arrays, name: str) -> None:
    assert relative(ours[name], golden_picture[name]) < 1e-4


def test_proposals_are_torchvisions(ours: Arrays, golden_picture: Arrays) -> None:
    """In their order; they come from two levels of the pyramid."""
    assert np.abs(ours["proposals"] - golden_picture["proposals"]).max() < 0.01
    assert len(np.unique(level_of(golden_picture["proposals"]))) > 1


def test_keys_are_the_published_files(data: Path) -> None:
    manifest = json.loads((data / "golden/img2pose_resnet18_fpn/manifest.json").read_text())
    state = Img2Pose().state_dict()
    frozen = {key for key in state if key.startswith("backbone") and key.endswith("num_batches_tracked")}
    assert {key: list(value.shape) for key, value in state.items() if key not in frozen} == {
        key: shape for key, (shape, _) in manifest.items()
    }


def test_newer_keys_are_the_same_weights(networks: tuple[Pyramid, Heads]) -> None:
    newer = {
        key.replace(".weight", ".0.weight").replace(".bias", ".0.bias") if "fpn" in key else key: tensor
        for key, tensor in picture_state().items()
    }
    assert "backbone.fpn.inner_blocks.0.0.weight" in newer
    for mine, theirs in zip(load_networks(newer), networks, strict=True):
        for key, tensor in mine.state_dict().items():
            assert torch.equal(tensor, theirs.state_dict()[key]), key


def test_weights_of_another_network_are_refused() -> None:
    state = picture_state()
    del state["rpn.head.conv.bias"]
    state["backbone.body.conv1.weight"] = state["backbone.body.conv1.weight"][:, :1]
    with pytest.raises(ModelError, match=r"rpn\.head\.conv\.bias is missing.*conv1\.weight is \[64, 1, 7, 7\]"):
        load_networks(state)


def test_a_norm_without_variance_is_refused() -> None:
    state = picture_state()
    state["backbone.body.bn1.running_var"][3] = 0
    with pytest.raises(ModelError, match="variance of 0"):
        load_networks(state)


def test_a_small_variance_stays_finite_in_float16() -> None:
    """With an eps of 0, 1e-12 has a finite reciprocal root in float64 alone; the folded weight is as large as usual."""
    state = picture_state()
    state["backbone.body.bn1.running_var"][:] = 1e-12
    state["backbone.body.bn1.weight"][:] = 1e-6
    pyramid, _ = load_networks(state)
    folded = pyramid.backbone.body.conv1.weight
    assert torch.allclose(folded, state["backbone.body.conv1.weight"], rtol=1e-4)
    assert torch.isfinite(folded.half()).all()
