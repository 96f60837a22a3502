"""Heads beside the pose in the spec: their JSON, refusals, and the decode of every form against plain formulas."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.special import expit
from tiny_model import tiny_spec

from hpe_edge.errors import ModelError
from hpe_edge.landmarks.decode_landmarks import DecodeLandmarks
from hpe_edge.ops.decode import DecodeHeads, head_columns
from hpe_edge.poses import Poses
from hpe_edge.spec import Coordinates, Heatmaps, LandmarkHead, ModelSpec, ShapeBasis, Visibility

RNG = np.random.default_rng(1)
MEAN, BASIS = RNG.normal(size=(5, 3)), RNG.normal(size=(2, 5, 3))
HEADS: dict[str, LandmarkHead] = {
    "xy": Coordinates("points", 5, scale=0.5, offset=0.25, column=3),
    "planes": Coordinates("points", 5, layout="planes", names=("a", "b", "c", "d", "e")),
    "maps": Heatmaps("points", 5, 7, "logit"),
    "shape": ShapeBasis("points", 5, tuple(MEAN.ravel().tolist()), tuple(BASIS.ravel().tolist()), column=1),
}


def spec_of(head: LandmarkHead, visibility: Visibility | None = None) -> ModelSpec:
    return replace(tiny_spec(), outputs=("logits", "points", "seen"), landmarks=head, visibility=visibility)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
@pytest.mark.parametrize("visibility", [None, Visibility("seen", 2, "sigmoid")])
def test_json_is_read_as_it_was_written(head: LandmarkHead, visibility: Visibility | None) -> None:
    spec = spec_of(head, visibility)
    assert ModelSpec.from_json(spec.to_json()) == spec
    plain = json.loads(spec.to_json())
    assert plain["format"] == 2 and plain["landmarks"]["kind"] == head.kind
    assert ("visibility" in plain) == (visibility is not None)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Coordinates("points", 0), "count"),
        (lambda: Coordinates("points", 5, scale=0.0), "scale"),
        (lambda: Coordinates("points", 5, offset=float("nan")), "finite"),
        (lambda: Coordinates("points", 5, column=-1), "column"),
        (lambda: Coordinates("points", 2, names=("a", "a")), "different names"),
        (lambda: Coordinates("points", 2, layout="yx"), "layout"),  # type: ignore[arg-type]
        (lambda: Heatmaps("points", 5, 0), "side"),
        (lambda: Heatmaps("points", 5, 7, "raw"), "scale"),  # type: ignore[arg-type]
        (lambda: ShapeBasis("points", 5, (0.0,) * 14, ()), "mean"),
        (lambda: ShapeBasis("points", 5, (0.0,) * 15, (0.0,) * 16), "basis"),
        (lambda: ShapeBasis("points", 1, (0.0, 0.0, np.inf), ()), "finite"),
        (lambda: Visibility("seen", activation="step"), "activation"),  # type: ignore[arg-type]
        (lambda: spec_of(Coordinates("elsewhere", 5)), "elsewhere"),
        (lambda: spec_of(Coordinates("points", 5), Visibility("elsewhere")), "elsewhere"),
        (lambda: replace(spec_of(HEADS["xy"]), landmarks=None, visibility=Visibility("seen")), "has none"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        make()


def test_an_unknown_form_is_refused() -> None:
    plain = json.loads(spec_of(HEADS["xy"]).to_json())
    plain["landmarks"]["kind"] = "mesh"
    with pytest.raises(ModelError, match="one of coordinates, heatmaps, shape-basis"):
        ModelSpec.from_json(json.dumps(plain))


def test_columns_that_the_heads_read() -> None:
    spec = replace(spec_of(HEADS["xy"], Visibility("logits", 300)), outputs=("logits", "points"))
    assert head_columns(spec) == {"logits": 305, "points": 13}
    assert head_columns(spec_of(HEADS["maps"]))["points"] == 5 * 49
    assert head_columns(spec_of(HEADS["shape"]))["points"] == 1 + 8 + 2


def decoded(head: LandmarkHead, values: np.ndarray) -> np.ndarray:
    out = np.empty((len(values), 5, 2), np.float32)
    DecodeLandmarks(head, None, ("points",))([values], out, None)
    return out


def test_coordinates() -> None:
    values = RNG.normal(size=(4, 15)).astype(np.float32)
    want = values[:, 3:13].reshape(4, 5, 2) / 2 + 0.25
    np.testing.assert_allclose(decoded(HEADS["xy"], values), want, rtol=1e-6)
    np.testing.assert_allclose(
        decoded(HEADS["planes"], values), np.stack([values[:, :5], values[:, 5:10]], axis=2), rtol=1e-6
    )


def test_shape_basis_against_its_definition_point_by_point() -> None:
    values = RNG.normal(size=(3, 12)).astype(np.float32)
    want = np.empty((3, 5, 2))
    for i, row in enumerate(values.astype(np.float64)):
        projection = row[1:9].reshape(2, 4)
        for k in range(5):
            point = MEAN[k] + row[9] * BASIS[0, k] + row[10] * BASIS[1, k]
            want[i, k] = projection @ [*point, 1.0]
    np.testing.assert_allclose(decoded(HEADS["shape"], values), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("activation", ["none", "sigmoid"])
def test_visibility(activation: Any) -> None:
    spec = spec_of(HEADS["planes"], Visibility("seen", 2, activation))
    logits, points, seen = (RNG.normal(size=(4, n)).astype(np.float32) for n in (198, 10, 9))
    seen[0, 2:7] = [-200, -20, 0, 20, 200]
    found = DecodeHeads(spec)([logits, points, seen]).visibility
    want = seen[:, 2:7]
    np.testing.assert_allclose(found, want if activation == "none" else expit(want), atol=1e-6)


def test_a_nan_is_its_landmarks_alone() -> None:
    spec = spec_of(HEADS["planes"], Visibility("seen"))
    logits, points, seen = (np.ones((2, n), np.float32) for n in (198, 10, 5))
    points[0, 3] = np.nan
    poses = DecodeHeads(spec)([logits, points, seen])
    assert np.isnan(poses.landmarks).sum() == 1 and np.isnan(poses.landmarks[0, 3, 0])
    assert np.isfinite(poses.angles).all()


def test_poses_without_room_get_none() -> None:
    logits, points, seen = (np.ones((2, n), np.float32) for n in (198, 15, 5))
    assert DecodeHeads(spec_of(HEADS["xy"]))([logits, points, seen], Poses.empty(2)).landmarks.shape == (2, 0, 2)
