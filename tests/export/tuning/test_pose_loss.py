"""Distances in torch against those of the poses that the runtime decodes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tiny_nets
import torch

from export import zoo
from export.tuning.pose_loss import PoseLoss
from hpe_edge.geometry import geodesic_deg
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import AngleHead, AnglesDecode, MatrixDecode, ModelSpec, QuaternionDecode, Rot6dDecode


def matrices(rng: np.random.Generator, count: int) -> np.ndarray:
    found, _ = np.linalg.qr(rng.standard_normal((count, 3, 3)))
    return found * np.linalg.det(found)[:, None, None]


def bins(name: str) -> ModelSpec:
    decode = zoo.get(name).decode
    assert decode is not None
    return replace(tiny_nets.tiny_spec(), decode=decode, outputs=("logits",))


ANGLES = AnglesDecode(AngleHead("angles", 0, 2.0), AngleHead("angles", 1, -1.0), AngleHead("angles", 2, 90.0))
CASES = {
    "bins": (bins("student-dense"), lambda rng: 2 * rng.standard_normal((9, 198))),
    "circular bins": (bins("student-v2"), lambda rng: 2 * rng.standard_normal((9, 306))),
    "angles": (
        replace(tiny_nets.tiny_spec(), decode=ANGLES),
        lambda rng: rng.uniform(-1, 1, (9, 3)) * (40, 60, 1),
    ),
    "6d": (
        replace(tiny_nets.tiny_spec(), decode=Rot6dDecode("angles", 1, (-1.0, -1.0, 1.0))),
        lambda rng: rng.standard_normal((9, 7)),
    ),
    "matrix": (
        replace(tiny_nets.tiny_spec(), decode=MatrixDecode("angles")),
        lambda rng: matrices(rng, 9).reshape(9, 9),
    ),
    "quaternion": (
        replace(tiny_nets.tiny_spec(), decode=QuaternionDecode("angles", signs=(-1.0, 1.0, -1.0))),
        lambda rng: rng.standard_normal((9, 4)),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_distances_are_those_of_decoded_poses(name, rng):
    spec, draw = CASES[name]
    one, two = (np.asarray(draw(rng), np.float32) for _ in range(2))
    decode = DecodeHeads(spec)
    wanted = geodesic_deg(decode([one]).rotation, decode([two]).rotation)
    _, found = PoseLoss(spec)([torch.from_numpy(one)], [torch.from_numpy(two)])
    assert wanted.max() > 20
    assert np.abs(found.numpy() - wanted).max() < 0.05


@pytest.mark.parametrize("name", ["bins", "circular bins", "angles"])
def test_the_loss_is_least_for_the_same_outputs(name, rng):
    spec, draw = CASES[name]
    wanted = torch.from_numpy(np.asarray(draw(rng), np.float32))
    loss = PoseLoss(spec)
    least, _ = loss([wanted], [wanted])
    assert least.item() == pytest.approx(0, abs=1e-4)
    for part in (0.1, 0.3):
        other, _ = loss([(1 - part) * wanted], [wanted])
        assert other > least + 1e-4
        least = other
