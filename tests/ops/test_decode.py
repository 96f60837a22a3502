"""decode against the float64 oracle: distributions from their definition, rotations multiplied out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st
from loops import every_loop  # noqa: F401

from hpe_edge import InputError, ModelError, ModelSpec
from hpe_edge.geometry import geodesic_deg
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.ops.native import native
from hpe_edge.poses import Poses
from hpe_edge.spec import (
    MAX_BINS,
    AngleHead,
    AnglesDecode,
    BinHead,
    BinsDecode,
    Crop,
    Decode,
    Input,
    MatrixDecode,
    Origin,
    QuaternionDecode,
    Rot6dDecode,
    RotationDecode,
    SigmaCalibration,
)

# Degrees; a float32 expectation over a 360 degree grid rounds at about 2^-24 of 180, a hundred times below this.
ANGLE_TOLERANCE = 1e-3


def make_spec(decode: Decode, outputs: tuple[str, ...]) -> ModelSpec:
    input = Input(size=8, color="BGR", scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))
    return ModelSpec("test", input, outputs, Crop(), decode, Origin("none", "0"))


def bins_spec(*grids: tuple[float, float, int, bool]) -> ModelSpec:
    """One output per head, each with two columns in front that belong to nobody."""
    names = ("a", "b", "c")
    heads = [BinHead(n, 2, f, s, k, c) for n, (f, s, k, c) in zip(names, grids, strict=True)]
    return make_spec(BinsDecode(*heads), names)


HOPENET = (-99.0, 3.0, 66, False)
SHAW = (-97.5, 3.0, 66, False)
EHPNET = (-93.0, 3.0, 62, False)
WHENET_YAW = (-180.0, 3.0, 120, True)


@pytest.mark.parametrize(
    "grids",
    [
        (HOPENET, HOPENET, HOPENET),
        (SHAW, SHAW, SHAW),
        (EHPNET, EHPNET, EHPNET),
        (WHENET_YAW, HOPENET, HOPENET),
        ((-99.0, 1.0, 198, False), (99.0, -3.0, 67, False), (0.0, 5.0, 1, False)),
        ((-4.0, 0.5, 15, False), (-4.0, 0.5, 16, False), (-4.0, 0.5, 17, False)),
        ((0.0, 90.0, 4, True), (177.0, -3.0, 120, True), (-180.0, 1.0, 360, True)),
    ],
)
@pytest.mark.parametrize("spread", [0.01, 3.0, 60.0])
def test_bins(rng: np.random.Generator, grids: tuple, spread: float) -> None:
    logits = [rng.normal(0, spread, (9, 2 + g[2])).astype(np.float32) for g in grids]
    poses = DecodeHeads(bins_spec(*grids))(logits)
    for i, (first, step, _, circular) in enumerate(grids):
        angle, sigma = reference.decode_bins(logits[i][:, 2:], first, step, circular)
        difference = poses.angles[:, i] - angle
        if circular:
            # A flat circular distribution has no direction; nearly flat, its mean turns on the last digits.
            difference = (difference + 180) % 360 - 180
            difference[sigma > 150] = 0
            sigma_tolerance = np.where(sigma > 150, 2.0, 0.02 + 2e-4 / np.maximum(sigma, 1e-3))
        else:
            sigma_tolerance = 2e-3 * np.ones(len(sigma))
        assert np.abs(difference).max() < ANGLE_TOLERANCE * (20 if circular else 1)
        assert (np.abs(poses.sigma[:, i] - sigma) < sigma_tolerance).all()
    for row, angles in zip(poses.rotation, poses.angles, strict=True):
        np.testing.assert_allclose(row, reference.rotation(*angles.astype(np.float64)), atol=2e-6)


def test_the_calibration_scales_each_sigma_and_nothing_else(rng: np.random.Generator) -> None:
    spec = bins_spec(WHENET_YAW, HOPENET, (99.0, -3.0, 67, False))
    logits = [rng.normal(0, 3, (9, 2 + count)).astype(np.float32) for count in (120, 66, 67)]
    factors = (0.3, 0.55, 1.7)
    plain, scaled = (
        DecodeHeads(replace(spec, sigma=sigma))(logits)
        for sigma in (None, SigmaCalibration(*factors, faces=1, source="made up", labelled=True, limit_deg=1.0))
    )
    np.testing.assert_allclose(scaled.sigma, plain.sigma * np.array(factors, np.float32), rtol=1e-6)
    np.testing.assert_array_equal(scaled.angles, plain.angles)
    np.testing.assert_array_equal(scaled.rotation, plain.rotation)


def peaked(angles: list[float], first: float, count: int) -> list[np.ndarray]:
    """Logits of bins 3 degrees apart whose expectations are the angles."""
    logits = np.full((3, 1, 2 + count), -200.0, np.float32)
    for row, angle in zip(logits[:, 0, 2:], angles, strict=True):
        at = (angle - first) / 3
        below = int(np.floor(at))
        with np.errstate(divide="ignore"):
            row[[below, (below + 1) % count]] = np.log([1 - (at - below), at - below])
    return list(logits)


@pytest.mark.parametrize("yaw", [-170.0, -100.0, -90.0, -60.0, 0.0, 31.0, 89.5, 90.0, 91.0, 150.0])
@pytest.mark.parametrize(("pitch", "roll"), [(0.0, 0.0), (20.0, -35.0), (-50.0, 70.0)])
def test_heads_of_the_order_zxy(yaw: float, pitch: float, roll: float) -> None:
    spec = bins_spec(*[(-178.5, 3.0, 120, False)] * 3)
    assert isinstance(spec.decode, BinsDecode)
    turned = replace(spec, decode=replace(spec.decode, order="zxy"))
    poses = DecodeHeads(turned)(peaked([yaw, pitch, roll], -178.5, 120))
    want = reference.rz(roll) @ reference.rx(-pitch) @ reference.ry(yaw)
    np.testing.assert_allclose(poses.rotation[0], want, atol=2e-5)
    np.testing.assert_allclose(reference.rotation(*poses.angles[0].astype(np.float64)), want, atol=2e-5)
    assert abs(poses.pitch[0]) <= 90.001
    if abs(pitch) + abs(roll) == 0:
        assert abs(poses.yaw[0] - yaw) < 1e-3
    same = DecodeHeads(spec)(peaked([yaw, pitch, roll], -178.5, 120))
    np.testing.assert_array_equal(poses.sigma, same.sigma)


def test_uniform_logits_tell_edges_from_centres() -> None:
    flat = [np.zeros((1, 68), np.float32)] * 3
    np.testing.assert_allclose(DecodeHeads(bins_spec(HOPENET, HOPENET, HOPENET))(flat).angles, -1.5, atol=1e-5)
    np.testing.assert_allclose(DecodeHeads(bins_spec(SHAW, SHAW, SHAW))(flat).angles, 0.0, atol=1e-5)


def test_peaked_logits_keep_their_small_sigma() -> None:
    logits = np.zeros((66, 68), np.float32)
    logits[np.arange(66), 2 + np.arange(66)] = 30.0
    poses = DecodeHeads(bins_spec(HOPENET, HOPENET, HOPENET))([logits] * 3)
    for i in range(3):
        angle, sigma = reference.decode_bins(logits[:, 2:], -99, 3, False)
        np.testing.assert_allclose(poses.angles[:, i], angle, atol=2e-5)
        np.testing.assert_allclose(poses.sigma[:, i], sigma, rtol=1e-3)


def test_large_and_infinite_logits() -> None:
    decode = DecodeHeads(bins_spec(HOPENET, HOPENET, HOPENET))
    logits = np.full((4, 68), -1e30, np.float32)
    logits[0, 12] = 1e30
    logits[1, 12] = -np.inf
    logits[2] = -np.inf
    logits[2, 22] = 5
    logits[3] = 3e38
    poses = decode([logits] * 3)
    np.testing.assert_allclose(poses.yaw, [-69, poses.yaw[1], -39, -1.5], atol=1e-4)
    want, _ = reference.decode_bins(logits[1:2, 2:].clip(-2e30), -99, 3, False)
    np.testing.assert_allclose(poses.yaw[1], want[0], atol=1e-3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("column", [2, 17, 33, 67])
def test_nan_spoils_its_own_row_only(rng: np.random.Generator, bad: float, column: int) -> None:
    logits = [rng.normal(0, 3, (5, 68)).astype(np.float32) for _ in range(3)]
    decode = DecodeHeads(bins_spec(HOPENET, HOPENET, HOPENET))
    clean = decode([x.copy() for x in logits])
    logits[1][3, column] = bad
    poses = decode(logits)
    for name in ("angles", "sigma", "rotation"):
        got, want = getattr(poses, name), getattr(clean, name)
        assert np.isnan(got[3]).all(), name
        np.testing.assert_array_equal(np.delete(got, 3, 0), np.delete(want, 3, 0))


def test_a_head_seen_from_behind_stays_behind() -> None:
    logits = np.full((1, 122), -20, np.float32)
    logits[0, 2 + 0] = logits[0, 2 + 119] = 5.0  # -180 and +177 degrees
    spec = bins_spec(WHENET_YAW, HOPENET, HOPENET)
    poses = DecodeHeads(spec)([logits, np.zeros((1, 68), np.float32), np.zeros((1, 68), np.float32)])
    assert abs(poses.yaw[0]) > 178


def test_one_output_in_the_networks_own_order(rng: np.random.Generator) -> None:
    # Columns roll, yaw, pitch, as the lightweight network has them.
    decode = BinsDecode(BinHead("x", 66, *SHAW[:3]), BinHead("x", 132, *SHAW[:3]), BinHead("x", 0, *SHAW[:3]))
    logits = rng.normal(0, 3, (4, 198)).astype(np.float32)
    poses = DecodeHeads(make_spec(decode, ("x",)))([logits])
    for angle, at in ((poses.yaw, 66), (poses.pitch, 132), (poses.roll, 0)):
        want, _ = reference.decode_bins(logits[:, at : at + 66], -97.5, 3, False)
        np.testing.assert_allclose(angle, want, atol=ANGLE_TOLERANCE)


def test_angles_with_factors(rng: np.random.Generator) -> None:
    decode = AnglesDecode(AngleHead("x", 0, 180.0), AngleHead("x", 1, -99.0), AngleHead("x", 2, 1.0))
    values = rng.uniform(-0.5, 0.5, (6, 3)).astype(np.float32)
    poses = DecodeHeads(make_spec(decode, ("x",)))([values])
    np.testing.assert_allclose(poses.angles, values * [180, -99, 1], atol=1e-5)
    assert np.isnan(poses.sigma).all()
    for row, angles in zip(poses.rotation, poses.angles, strict=True):
        np.testing.assert_allclose(row, reference.rotation(*angles.astype(np.float64)), atol=2e-6)


ROTATION_DECODES = (Rot6dDecode, MatrixDecode, QuaternionDecode)
SIGNS = [(1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, -1)]


def said_by(decode: RotationDecode, yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Output of a network with this head for a label triple: float32 [width]."""
    signed = np.array([yaw, pitch, roll]) * decode.signs
    m, q = reference.label_matrix(*signed), reference.label_quaternion(*signed)
    values = {"rot6d": np.concatenate([m[:, 0], m[:, 1]]), "matrix": m.reshape(9), "quaternion": q}
    return values[decode.kind].astype(np.float32)


def decode_rotations(decode: RotationDecode, *rows: np.ndarray) -> Poses:
    return DecodeHeads(make_spec(decode, ("x",)))([np.asarray(rows, np.float32)])


@pytest.mark.parametrize("signs", SIGNS)
@pytest.mark.parametrize("kind", ROTATION_DECODES)
@settings(max_examples=60, deadline=None)
@given(yaw=st.floats(-89, 89), pitch=st.floats(-179, 179), roll=st.floats(-179, 179))
def test_rotation_heads_give_the_label_triple(
    kind: type[RotationDecode], signs: tuple, yaw: float, pitch: float, roll: float
) -> None:
    decode = kind("x", 0, signs)
    poses = decode_rotations(decode, said_by(decode, yaw, pitch, roll))
    assert geodesic_deg(reference.rotation(yaw, pitch, roll), poses.rotation[0]) < 0.01
    wrapped = (poses.angles[0] - [yaw, pitch, roll] + 180) % 360 - 180
    assert np.abs(wrapped * [1, np.cos(np.deg2rad(yaw)), np.cos(np.deg2rad(yaw))]).max() < 0.01


@pytest.mark.parametrize("yaw", [90, -90])
@pytest.mark.parametrize("kind", ROTATION_DECODES)
def test_rotation_heads_at_the_gimbal_put_all_in_pitch(kind: type[RotationDecode], yaw: int) -> None:
    decode = kind("x")
    poses = decode_rotations(decode, said_by(decode, yaw, 20, 0), said_by(decode, yaw, 20, 35))
    # Rz(roll) Ry(90) Rx(pitch) = Ry(90) Rx(pitch - roll), and at -90 degrees with the sum.
    together = 20 - 35 if yaw > 0 else 20 + 35
    assert poses.gimbal.all()
    np.testing.assert_allclose(poses.angles, [[yaw, 20, 0], [yaw, together, 0]], atol=0.03)
    assert geodesic_deg(reference.rotation(yaw, 20, 0), poses.rotation[0]) < 0.03


def test_a_matrix_may_come_with_two_axes_or_one() -> None:
    said = np.stack([said_by(MatrixDecode("x"), 30, 20, 10), said_by(MatrixDecode("x"), -40, 5, 60)])
    flat = decode_rotations(MatrixDecode("x"), *said)
    np.testing.assert_array_equal(decode_rotations(MatrixDecode("x"), *said.reshape(2, 3, 3)).angles, flat.angles)
    np.testing.assert_allclose(flat.angles, [[30, 20, 10], [-40, 5, 60]], atol=1e-3)


@pytest.mark.parametrize("scale", [0.1, 10.0])
def test_six_numbers_need_not_be_orthonormal(scale: float) -> None:
    a, b = said_by(Rot6dDecode("x"), 30, 20, 10).reshape(2, 3)
    # Any vector in the right half-plane will do for the second column.
    poses = decode_rotations(Rot6dDecode("x"), np.concatenate([scale * a, 0.7 * b + 0.4 * a]))
    np.testing.assert_allclose(poses.angles, [[30, 20, 10]], atol=1e-3)


@pytest.mark.parametrize("scale", [1e-40, 1e-20, 1e20, 1e30])
def test_six_numbers_may_be_of_any_length(scale: float) -> None:
    said = scale * said_by(Rot6dDecode("x"), 30, 20, 10).astype(np.float64)
    # 1e-40 is 71,000 of the smallest float32.
    np.testing.assert_allclose(decode_rotations(Rot6dDecode("x"), said).angles, [[30, 20, 10]], atol=5e-3)


@pytest.mark.parametrize(
    "bad",
    [np.zeros(6), [1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0], [1, 2, 3, -2, -4, -6], [0.3, 0.4, 0.5, 0.3, 0.4, 0.5]],
)
def test_six_numbers_of_no_direction_have_no_angles(bad: list[float]) -> None:
    poses = decode_rotations(Rot6dDecode("x"), [1, 0, 0, 0, 1, 0], bad)
    np.testing.assert_allclose(poses.angles[0], 0, atol=1e-6)
    assert np.isnan(poses.angles[1]).all() and np.isnan(poses.rotation[1]).all()


@pytest.mark.parametrize("scale", [1e-42, 1e-30, 0.3, -1.0, -7.0, 1e30])
def test_a_quaternion_may_have_any_length_and_sign(scale: float) -> None:
    said = scale * said_by(QuaternionDecode("x"), 30, 20, 10).astype(np.float64)
    # 1e-42 is 714 of the smallest float32.
    np.testing.assert_allclose(
        decode_rotations(QuaternionDecode("x"), said).angles, [[30, 20, 10]], atol=0.5 if scale == 1e-42 else 1e-3
    )


@pytest.mark.parametrize("kind", ROTATION_DECODES)
def test_a_rotation_head_of_nan_spoils_its_own_row_only(kind: type[RotationDecode]) -> None:
    good = said_by(kind("x"), 30, 20, 10)
    for at in range(kind.width):
        bad = good.copy()
        bad[at] = np.nan
        poses = decode_rotations(kind("x"), good, bad, good)
        assert np.isnan(poses.angles[1]).all() and np.isnan(poses.rotation[1]).all(), at
        np.testing.assert_allclose(poses.angles[[0, 2]], [[30, 20, 10]] * 2, atol=1e-3)
        assert np.isnan(poses.sigma).all()


@pytest.mark.parametrize("bad", [[0, 0, 0, 0], [np.inf, 0, 0, 0], [1, 0, -np.inf, 0]])
def test_a_quaternion_of_no_direction_has_no_angles(bad: list[float]) -> None:
    poses = decode_rotations(QuaternionDecode("x"), [1, 0, 0, 0], bad)
    np.testing.assert_allclose(poses.angles[0], 0, atol=1e-6)
    assert np.isnan(poses.angles[1]).all() and np.isnan(poses.rotation[1]).all()


@pytest.mark.parametrize("kind", ROTATION_DECODES)
def test_rotation_heads_in_padded_rows_from_a_later_column(
    rng: np.random.Generator, kind: type[RotationDecode]
) -> None:
    triples = rng.uniform(-60, 60, (5, 3))
    wide = rng.normal(0, 1, (10, kind.width + 7)).astype(np.float32)
    wide[::2, 3 : 3 + kind.width] = [said_by(kind("x"), *triple) for triple in triples]
    view = wide[::2, : 3 + kind.width]
    poses = DecodeHeads(make_spec(kind("x", 3), ("x",)))([view])
    np.testing.assert_allclose(poses.angles, triples, atol=1e-3)
    with pytest.raises(InputError, match=rf"float32 \[N, {3 + kind.width}\]"):
        DecodeHeads(make_spec(kind("x", 3), ("x",)))([view[:, :-1]])


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_any_number_of_faces(rng: np.random.Generator, count: int) -> None:
    logits = [rng.normal(0, 3, (count, 68)).astype(np.float32) for _ in range(3)]
    poses = DecodeHeads(bins_spec(HOPENET, HOPENET, HOPENET))(logits)
    assert len(poses) == count
    assert poses.quaternion.shape == (count, 4)
    want, _ = reference.decode_bins(logits[0][:, 2:], -99, 3, False) if count else (np.zeros(0), None)
    np.testing.assert_allclose(poses.yaw, want, atol=ANGLE_TOLERANCE)


def test_padded_rows_and_out(rng: np.random.Generator) -> None:
    wide = rng.normal(0, 3, (7, 200)).astype(np.float32)
    view = wide[::2, :68]
    decode = DecodeHeads(bins_spec(HOPENET, HOPENET, HOPENET))
    out = Poses.empty(4)
    assert decode([view] * 3, out) is out
    np.testing.assert_array_equal(out.angles, decode([view.copy()] * 3).angles)


@pytest.mark.parametrize(
    ("outputs", "fragment"),
    [
        ([np.zeros((2, 68), np.float32)] * 2, "needs 3 arrays"),
        ([np.zeros((2, 67), np.float32)] * 3, r"float32 \[N, 68\]"),
        ([np.zeros((2, 68), np.float64)] * 3, "float64"),
        ([np.zeros((68, 2), np.float32).T] * 3, "packed, aligned columns"),
        ([np.zeros((n, 68), np.float32) for n in (2, 3, 2)], "agree in N"),
    ],
)
def test_bad_outputs(outputs: list, fragment: str) -> None:
    with pytest.raises(InputError, match=fragment):
        DecodeHeads(bins_spec(HOPENET, HOPENET, HOPENET))(outputs)
    with pytest.raises(InputError, match="must hold 2 faces"):
        DecodeHeads(bins_spec(HOPENET, HOPENET, HOPENET))([np.zeros((2, 68), np.float32)] * 3, Poses.empty(3))


@pytest.mark.parametrize("name", ["angles", "sigma", "rotation"])
@pytest.mark.parametrize("spoil", [lambda a: a.astype(np.float64), lambda a: a[:1], lambda a: np.repeat(a, 2, 0)[::2]])
def test_poses_to_fill_must_fit(name: str, spoil: Callable[[np.ndarray], np.ndarray]) -> None:
    arrays = {n: getattr(Poses.empty(2), n) for n in ("angles", "sigma", "rotation")}
    arrays[name] = spoil(arrays[name])
    with pytest.raises(InputError, match="C-contiguous float32 array"):
        Poses(**arrays)
    with pytest.raises(AttributeError):
        setattr(Poses.empty(2), name, arrays[name])


def test_outputs_within_packed_records_are_refused() -> None:
    records = np.zeros(4, dtype=np.dtype([("skip", "u1"), ("logits", "f4", (68,))]))
    with pytest.raises(InputError, match="packed, aligned"):
        DecodeHeads(bins_spec(HOPENET, HOPENET, HOPENET))([records["logits"]] * 3)


@pytest.mark.parametrize("count", [1, 15, 16, 17, 64, 66])
def test_logits_without_any_weight(count: int) -> None:
    """An overflowed half-precision network can say minus infinity throughout; that is no angle."""
    grid = (-99.0, 3.0, count, False)
    decode = DecodeHeads(bins_spec(grid, grid, grid))
    assert np.isnan(decode([np.full((1, count + 2), -np.inf, np.float32)] * 3).angles).all()
    lowest = np.full((1, count + 2), np.finfo(np.float32).min, np.float32)
    np.testing.assert_allclose(decode([lowest] * 3).angles, -99 + 1.5 * (count - 1), atol=1e-3)


@pytest.mark.parametrize("at", range(9))
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_matrix_with_one_bad_number_has_no_angles(at: int, bad: float) -> None:
    matrices = np.tile(np.eye(3, dtype=np.float32).reshape(1, 9), (3, 1))
    matrices[1, at] = bad
    poses = DecodeHeads(make_spec(MatrixDecode("x"), ("x",)))([matrices])
    assert np.isnan(poses.angles[1]).all() and np.isnan(poses.rotation[1]).all()
    np.testing.assert_allclose(poses.angles[[0, 2]], 0, atol=1e-6)


def test_an_infinite_angle_has_no_rotation() -> None:
    decode = AnglesDecode(AngleHead("x", 0), AngleHead("x", 1), AngleHead("x", 2))
    poses = DecodeHeads(make_spec(decode, ("x",)))([np.float32([[1, np.inf, 3], [1, 2, 3]])])
    assert np.isnan(poses.angles[0]).all() and np.isnan(poses.rotation[0]).all()
    np.testing.assert_allclose(poses.angles[1], [1, 2, 3])


@pytest.mark.parametrize(
    ("decode", "shape"),
    [
        (Rot6dDecode("x"), (0, 6)),
        (MatrixDecode("x"), (0, 9)),
        (MatrixDecode("x"), (0, 3, 3)),
        (QuaternionDecode("x"), (0, 4)),
    ],
)
def test_no_faces_for_rotations(decode: Decode, shape: tuple[int, ...]) -> None:
    assert len(DecodeHeads(make_spec(decode, ("x",)))([np.zeros(shape, np.float32)])) == 0


def test_the_stack_holds_the_largest_head() -> None:
    assert native.MAX_BINS == MAX_BINS


def test_a_circular_head_must_close() -> None:
    with pytest.raises(ModelError, match="360"):
        BinHead("x", 0, -99, 3, 66, circular=True)
