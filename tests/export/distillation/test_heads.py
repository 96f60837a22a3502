"""Targets and expectations of a student's heads, against the runtime's decode and NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from export.distillation.heads import Heads, geodesic_deg
from hpe_edge import geometry
from hpe_edge.geometry import rotation_from_euler, rotation_from_zxy
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import BinHead, BinsDecode, Crop, Input, ModelSpec, Origin

CPU = torch.device("cpu")


def circle(column: int) -> BinHead:
    return BinHead("logits", column, first_deg=-178.5, step_deg=3.0, count=120, circular=True)


def line(column: int) -> BinHead:
    return BinHead("logits", column, first_deg=-97.5, step_deg=3.0, count=66)


# Columns in another order than the heads, to be told apart.
DECODES = {
    "zxy": BinsDecode(yaw=circle(186), pitch=line(120), roll=circle(0), order="zxy"),
    "xyz": BinsDecode(yaw=line(0), pitch=line(132), roll=line(66)),
}
WIDTH = {"zxy": 306, "xyz": 198}
DRAWN = {"zxy": ([-180, -80, -180], [180, 80, 180]), "xyz": ([-75, -80, -80], [75, 80, 80])}


def rotations_of(order: str, rng: np.random.Generator, count: int = 300) -> np.ndarray:
    """Random poses, within the grids."""
    angles = rng.uniform(*DRAWN[order], (count, 3))
    return np.asarray(rotation_from_zxy(angles) if order == "zxy" else rotation_from_euler(angles))


def decoded(order: str, logits: np.ndarray) -> np.ndarray:
    """The rotations that the runtime reads from logits."""
    input = Input(size=8, color="RGB", scale=1.0, mean=(0.0,) * 3, std=(1.0,) * 3)
    spec = ModelSpec("heads", input, ("logits",), Crop(), DECODES[order], Origin("heads", "0" * 64))
    return DecodeHeads(spec)([logits.astype(np.float32)]).rotation


def side_by_side(order: str, parts: list[torch.Tensor]) -> np.ndarray:
    """Heads at their columns."""
    decode = DECODES[order]
    logits = np.zeros((len(parts[0]), WIDTH[order]), np.float32)
    for head, part in zip((decode.yaw, decode.pitch, decode.roll), parts, strict=True):
        logits[:, head.column : head.column + head.count] = part.numpy()
    return logits


@pytest.mark.parametrize("order", DECODES)
def test_the_runtime_reads_the_pose_from_its_targets(order: str, rng: np.random.Generator) -> None:
    wanted = rotations_of(order, rng)
    widths = torch.from_numpy(rng.uniform(1.5, 6.0, (len(wanted), 3))).float()
    targets = Heads(DECODES[order], CPU).targets(torch.from_numpy(wanted).float(), widths)
    for each in targets:
        np.testing.assert_allclose(each.sum(dim=1), 1, atol=1e-5)
    seen = decoded(order, side_by_side(order, [each.clamp(min=1e-30).log() for each in targets]))
    apart = geometry.geodesic_deg(seen, wanted)
    assert np.median(apart) < 0.02
    assert apart.max() < 1.5  # at the end of a grid the distribution is cut


@pytest.mark.parametrize("order", DECODES)
def test_expected_rotations_are_those_of_the_runtime(order: str, rng: np.random.Generator) -> None:
    logits = (4 * rng.standard_normal((100, WIDTH[order]))).astype(np.float32)
    heads = Heads(DECODES[order], CPU)
    found = heads.rotations(heads.log_probabilities(torch.from_numpy(logits))).numpy()
    assert geometry.geodesic_deg(found, decoded(order, logits)).max() < 0.01


def test_targets_are_normal_distributions_of_the_widths() -> None:
    """A frontal face, far from the grids' ends: mean and standard deviation of each head."""
    widths = torch.tensor([[2.0, 4.0, 9.0]])
    targets = Heads(DECODES["zxy"], CPU).targets(torch.eye(3)[None], widths)
    for target, head, width in zip(targets, (circle(0), line(0), circle(0)), (2.0, 4.0, 9.0), strict=True):
        at = head.first_deg + head.step_deg * np.arange(head.count)
        share = target[0].double().numpy()
        assert share @ at == pytest.approx(0, abs=0.02)
        assert np.sqrt(share @ at**2) == pytest.approx(width, rel=0.02)


def test_an_angle_beyond_the_grid_is_its_last_bin() -> None:
    beyond = torch.from_numpy(rotation_from_euler(np.array([[0.0, 0.0, 130.0], [0.0, 0.0, -170.0]]))).float()
    roll = Heads(DECODES["xyz"], CPU).targets(beyond, torch.full((2, 3), 2.0))[2]
    assert roll.argmax(dim=1).tolist() == [65, 0]
    np.testing.assert_allclose(roll.max(dim=1).values, 1 / (1 + np.exp(-0.5 * 1.5**2) + np.exp(-0.5 * 3**2)), atol=1e-3)


def test_a_circle_has_no_end() -> None:
    """At 179.5 degrees of roll the bins on both sides of 180 share."""
    pose = torch.from_numpy(rotation_from_zxy(np.array([[0.0, 0.0, 180.0]]))).float()
    roll = Heads(DECODES["zxy"], CPU).targets(pose, torch.full((1, 3), 2.0))[2][0]
    assert roll[0] == pytest.approx(roll[119].item(), rel=1e-3) and roll[0] > 0.3


def test_without_a_width_the_distribution_is_as_narrow_as_the_bins() -> None:
    """A third of a bin, 1 degree: at 1 degree, 2.5 from one centre and 0.5 from another."""
    pose = torch.from_numpy(rotation_from_zxy(np.array([[1.0, 1.0, 1.0]]))).float()
    share = np.exp(-0.5 * np.array([2.5, 0.5]) ** 2)
    for target in Heads(DECODES["zxy"], CPU).targets(pose, torch.zeros(1, 3)):
        middle = target.shape[1] // 2
        np.testing.assert_allclose(target[0, middle - 1 : middle + 1], share / share.sum(), atol=0.02)


def test_angles_between_rotations(rng: np.random.Generator) -> None:
    one, two = (torch.from_numpy(rotations_of("zxy", rng)).float() for _ in range(2))
    np.testing.assert_allclose(geodesic_deg(one, two), geometry.geodesic_deg(one.numpy(), two.numpy()), atol=0.05)
    assert geodesic_deg(one, one).max() < 0.01


@pytest.mark.parametrize("apart_deg", [0.0, 1e-4, 180.0])
def test_the_slope_of_the_angle_is_finite(apart_deg: float) -> None:
    turned = torch.from_numpy(rotation_from_euler(np.array([[0.0, 0.0, apart_deg]]))).float().requires_grad_()
    geodesic_deg(turned, torch.eye(3)[None]).sum().backward()
    assert turned.grad is not None and torch.isfinite(turned.grad).all()
