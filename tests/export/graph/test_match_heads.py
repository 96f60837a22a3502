"""Which outputs are read as a rotation, of what a file gave for a few pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from export import zoo
from export.graph.match_heads import heads_of, match_outputs, probabilities
from hpe_edge.errors import ModelError
from hpe_edge.spec import AngleHead, AnglesDecode, MatrixDecode, QuaternionDecode, Rot6dDecode

SIX = zoo.get("6drepnet")
QUATERNION = zoo.get("opal23-quaternion")


def noise(*shape: int, faces: int = 5) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((faces, *shape)).astype(np.float32)


def rotations(error: float = 0.0) -> np.ndarray:
    return np.stack([cv2.Rodrigues(row.astype(np.float64))[0] for row in noise(3)]).astype(np.float32) + error


@pytest.mark.parametrize(
    ("family", "said", "wanted"),
    [
        (SIX, {"a": noise(6)}, Rot6dDecode("a")),
        (SIX, {"a": noise(6, 1, 1)}, Rot6dDecode("a")),
        (SIX, {"landmarks": noise(9), "a": noise(6)}, Rot6dDecode("a")),
        (SIX, {"attention": noise(9), "a": rotations()}, MatrixDecode("a")),
        (SIX, {"a": rotations(2e-4).reshape(-1, 9)}, MatrixDecode("a")),
        (SIX, {"a": np.full((5, 3, 3), np.nan, np.float32)}, MatrixDecode("a")),  # the gate tells of the NaN
        (QUATERNION, {"a": noise(4), "b": noise(9)}, QuaternionDecode("a", signs=QUATERNION.decode.signs)),
    ],
)
def test_the_one_that_fits_is_read(family, said, wanted):
    reading = match_outputs(Path("x.onnx"), family, said)
    assert reading.decode == wanted
    assert reading.outputs == ("a",)


@pytest.mark.parametrize(
    ("family", "said", "message"),
    [
        (SIX, {"a": noise(9), "b": noise(3, 3)}, r"'a' float32 \[N, 9\], 'b' float32 \[N, 3, 3\]; 9 numbers are a rot"),
        (SIX, {"a": rotations(5e-3)}, "only if its rows are of length 1"),
        (SIX, {"a": -rotations()}, "only if its rows are of length 1"),
        (SIX, {"a": rotations(), "b": noise(6)}, r"more than one output .* 'b' float32 \[N, 6\], 'a' float32"),
        (SIX, {"a": rotations(), "b": rotations()}, "more than one output"),
        (SIX, {"a": noise(6), "b": noise(3, 2)}, "more than one output"),
        (SIX, {"a": noise(3, 2)}, r"'a' float32 \[N, 3, 2\] does not show .* \[N, 6\]"),
        (QUATERNION, {"a": noise(4), "b": noise(4)}, "more than one output"),
        (SIX, {}, "none with one row per face"),
    ],
)
def test_others_are_refused(family, said, message):
    with pytest.raises(ModelError, match=message):
        match_outputs(Path("x.onnx"), family, said)


def test_logits_that_sum_to_1_are_no_probabilities():
    logits = noise(3, 66)
    logits += (1 - logits.sum(axis=2, keepdims=True)) / 66
    hopenet = zoo.get("hopenet")
    decode = match_outputs(Path("x.onnx"), hopenet, {"a": logits}).decode
    assert probabilities(decode, {"a": logits}) == set()
    assert probabilities(decode, {"a": abs(logits) / abs(logits).sum(axis=2, keepdims=True)}) == {"a"}


def test_degrees_out_of_the_graph_are_read_for_any_family():
    match = match_outputs(Path("x.onnx"), zoo.get("lightweight"), {"spare": noise(7), "a": noise(3)})
    assert match.decode == AnglesDecode(AngleHead("a", 1), AngleHead("a", 2), AngleHead("a", 0))  # roll, yaw, pitch
    assert "decoded in the graph" in match.how
    named = {"out_roll": noise(1), "out_pitch": noise(1), "out_yaw": noise(1)}
    match = match_outputs(Path("x.onnx"), SIX, named)
    assert [head.output for head in heads_of(match.decode)] == ["out_yaw", "out_pitch", "out_roll"]
