"""The decode in JavaScript against the float64 oracle, and against the native operation for every kind of head."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import reference
from js_calls import Js, numbers
from specs import SPECS
from test_decode import EHPNET, HOPENET, SHAW, WHENET_YAW, bins_spec

from hpe_edge import ModelSpec
from hpe_edge.geometry import euler_full_yaw, geodesic_deg, rotation_from_euler, rotation_from_zxy
from hpe_edge.ops.decode import DecodeHeads, head_columns
from hpe_edge.ops.turns import roll_from_keypoints

TOLERANCE_DEG = 1e-9  # of double precision; nearly flat circular heads turn on the last digits
NATIVE_DEG = 2e-3  # of the float32 operation


def decode_in_js(js: Js, spec: ModelSpec, outputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Angles, sigma and rotations."""
    plain = json.loads(spec.to_json())
    poses = js("decode", spec=plain, outputs=outputs, count=len(next(iter(outputs.values()))))
    angles, sigma, rotation = (numbers([pose[name] for pose in poses]) for name in ("angles", "sigma", "rotation"))
    return angles, sigma, rotation.reshape(-1, 3, 3)


def random_outputs(spec: ModelSpec, rng: np.random.Generator, count: int, spread: float) -> dict[str, np.ndarray]:
    """Outputs with a few columns more than the heads read."""
    columns = {name: most + 2 for name, most in head_columns(spec).items()}
    return {name: rng.normal(0, spread, (count, most)).astype(np.float32) for name, most in columns.items()}


@pytest.mark.parametrize(
    "grids",
    [
        (HOPENET, SHAW, EHPNET),
        (WHENET_YAW, HOPENET, HOPENET),
        ((-99.0, 1.0, 198, False), (99.0, -3.0, 67, False), (0.0, 5.0, 1, False)),
        ((0.0, 90.0, 4, True), (177.0, -3.0, 120, True), (-180.0, 1.0, 360, True)),
    ],
)
@pytest.mark.parametrize("spread", [0.3, 3.0, 60.0])
def test_bins_equal_the_oracle(js: Js, rng: np.random.Generator, grids: tuple[Any, ...], spread: float) -> None:
    spec = bins_spec(*grids)
    outputs = {
        name: rng.normal(0, spread, (9, 2 + grid[2])).astype(np.float32)
        for name, grid in zip("abc", grids, strict=True)
    }
    angles, sigma, rotation = decode_in_js(js, spec, outputs)
    for i, (first, step, _, circular) in enumerate(grids):
        angle, deviation = reference.decode_bins(outputs["abc"[i]][:, 2:], first, step, circular)
        np.testing.assert_allclose(angles[:, i], angle, atol=TOLERANCE_DEG)
        np.testing.assert_allclose(sigma[:, i], deviation, atol=1e-5)  # a root near 0 doubles the digits that are lost
    for pose, wanted in zip(rotation, angles, strict=True):
        np.testing.assert_allclose(pose, reference.rotation(*wanted), atol=1e-12)


@pytest.mark.parametrize("name", SPECS)
def test_heads_of_every_kind_equal_the_native_decode(js: Js, rng: np.random.Generator, name: str) -> None:
    spec = SPECS[name]
    outputs = random_outputs(spec, rng, 40, 2.0)
    angles, sigma, rotation = decode_in_js(js, spec, outputs)
    poses = DecodeHeads(spec)([outputs[each] for each in spec.outputs if each in outputs])
    assert geodesic_deg(rotation, poses.rotation).max() < NATIVE_DEG
    np.testing.assert_allclose(sigma, poses.sigma, atol=NATIVE_DEG, rtol=1e-4)
    apart = (angles - poses.angles + 180) % 360 - 180
    settled = np.abs(np.abs(poses.yaw) - 90) > 5  # nearer to the profile pitch and roll turn on the last digits
    assert np.abs(apart[settled]).max() < 20 * NATIVE_DEG


def test_zxy_heads_stand_for_their_turns(js: Js) -> None:
    spec = SPECS["zxy"]
    count = spec.decode.yaw.count
    rng = np.random.default_rng(5)
    logits = np.full((30, 3 * count), -80, np.float32)
    bins = rng.integers(0, count, (30, 3))
    for face, heads in enumerate(bins):
        for head, k in enumerate(heads):
            logits[face, head * count + k] = 0
    heads_say = spec.decode.yaw.first_deg + spec.decode.yaw.step_deg * bins
    angles, _, rotation = decode_in_js(js, spec, {"logits": logits})
    np.testing.assert_allclose(rotation, rotation_from_zxy(heads_say.astype(np.float64)), atol=1e-9)
    np.testing.assert_allclose(rotation_from_euler(angles), rotation, atol=1e-9)
    assert (np.abs(angles[:, 1]) <= 90 + 1e-9).all()


@pytest.mark.parametrize("name", ["rot6d", "matrix", "quaternion"])
def test_matrices_stand_for_their_labels(js: Js, name: str) -> None:
    spec = SPECS[name]
    rng = np.random.default_rng(3)
    labels = rng.uniform(-85, 85, (20, 3))
    width, column = spec.decode.width, spec.decode.column
    rows = np.zeros((20, column + width), np.float32)
    for row, label in zip(rows, labels, strict=True):
        signed = label * spec.decode.signs
        matrix = reference.label_matrix(*signed)
        by_kind = {
            "rot6d": [*(2.5 * matrix[:, 0]), *(0.5 * matrix[:, 1] + 0.3 * matrix[:, 0])],
            "matrix": matrix.ravel(),
            "quaternion": 3 * reference.label_quaternion(*signed),
        }
        row[column:] = by_kind[name]
    angles, sigma, _ = decode_in_js(js, spec, {"logits": rows})
    np.testing.assert_allclose(angles, labels, atol=1e-4)  # of float32 numbers
    assert np.isnan(sigma).all()


@pytest.mark.parametrize("name", ["circular", "rot6d", "quaternion", "matrix", "angles"])
def test_nan_stays_in_its_row(js: Js, rng: np.random.Generator, name: str) -> None:
    outputs = random_outputs(SPECS[name], rng, 3, 1.0)
    for numbers_of in outputs.values():
        numbers_of[1] = np.nan
    for found in decode_in_js(js, SPECS[name], outputs):
        assert np.isnan(found[1]).all()
    assert np.isfinite(decode_in_js(js, SPECS[name], outputs)[0][[0, 2]]).all()


def test_turns_are_undone(js: Js, rng: np.random.Generator) -> None:
    angles = rng.uniform([-170, -80, -170], [170, 80, 170], (50, 3))
    turns = rng.uniform(-180, 180, 50)
    turns[3] = 0
    rotation = rotation_from_euler(angles)
    found = [
        js("undoTurn", pose={"angles": list(a), "sigma": [1, 2, 3], "rotation": list(r.ravel())}, turn_deg=t)
        for a, r, t in zip(angles, rotation, turns, strict=True)
    ]
    turned = np.stack([reference.rz(t) @ r for t, r in zip(turns, rotation, strict=True)])
    wanted = np.where(turns[:, None] == 0, angles, euler_full_yaw(turned))
    np.testing.assert_allclose([pose["angles"] for pose in found], wanted, atol=1e-6)
    np.testing.assert_allclose([pose["rotation"] for pose in found], turned.reshape(-1, 9), atol=1e-9)


def test_rolls_of_key_points_are_those_of_python(js: Js, rng: np.random.Generator) -> None:
    points = rng.uniform(0, 100, (20, 5, 2))
    wanted = roll_from_keypoints(points)
    np.testing.assert_allclose([js("rollFromKeypoints", points=each.tolist()) for each in points], wanted, atol=1e-4)
    assert js("rollFromKeypoints", points=[[5, 5]] * 5) == "NaN"
