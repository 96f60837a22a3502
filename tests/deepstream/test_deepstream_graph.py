"""The variant's graph against the crop's normalisation and the native decode, for every kind of decode."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from reference import label_matrix, label_quaternion
from tiny_model import tiny_spec, write_tiny_model

from export.deepstream.levels_graph import LEVELS, POSE, float32_layers, in_levels
from hpe_edge.errors import ModelError
from hpe_edge.geometry import geodesic_deg
from hpe_edge.ops.crop import CropNormalize
from hpe_edge.ops.decode import DecodeHeads, head_columns
from hpe_edge.spec import (
    AngleHead,
    AnglesDecode,
    BinHead,
    BinsDecode,
    Crop,
    MatrixDecode,
    ModelSpec,
    QuaternionDecode,
    Rot6dDecode,
    SigmaCalibration,
)

SPEC = tiny_spec(size=8)
SIGMA = SigmaCalibration(0.4, 2.0, 1.25, 195, "labels.csv", True, 12.5)
BINS = (BinHead("a", 1, -99.0, 3.0, 66), BinHead("b", 0, 97.5, -3.0, 66), BinHead("a", 67, -99.0, 3.0, 66))
TURNS = (
    BinHead("a", 0, -178.5, 3.0, 120, True),
    BinHead("b", 2, -97.5, 3.0, 66),
    BinHead("a", 120, 180, -2, 180, True),
)
DECODES = {
    "bins": BinsDecode(*BINS),
    "zxy": BinsDecode(*BINS, order="zxy"),
    "circular": BinsDecode(*TURNS),
    "circular zxy": BinsDecode(*TURNS, order="zxy"),
    "angles": AnglesDecode(AngleHead("b", 2, 57.29578), AngleHead("a", 0, -1.0), AngleHead("b", 0)),
    "rot6d": Rot6dDecode("b", 1),
    "matrix": MatrixDecode("b", 1, (1, -1, -1)),
    "quaternion": QuaternionDecode("b", 1, (-1, 1, 1)),
}
ROUNDING_DEG = 2e-3  # float32 in another order, half a degree from the pole of the Euler angles
POLE_DEG = 0.4  # of the rotation at a yaw of 89.999 degrees: 2^-23 over its cosine
SHARP_DEG = 0.05  # of a circular sigma near 0: sqrt(-2 ln(1 - 2^-24)) is 0.02 degrees


def heads_model(spec: ModelSpec, *, shape: tuple[int, ...] | None = None, kind: int = TensorProto.FLOAT) -> Any:
    """Outputs of constant columns per picture: the picture's levels picked out, so that the test sets them."""
    columns = head_columns(spec)
    most = 3 * spec.input.size**2
    nodes, outputs = [helper.make_node("Flatten", [spec.input.name], ["flat"])], []
    constants = [
        helper.make_tensor(f"{name}_{what}", TensorProto.INT64, [1], [value])
        for name, count in columns.items()
        for what, value in (("from", 0), ("to", count), ("axis", 1))
    ]
    for name, count in columns.items():
        assert count <= most
        raw = f"{name}_raw" if kind != TensorProto.FLOAT else name
        nodes.append(helper.make_node("Slice", ["flat", f"{name}_from", f"{name}_to", f"{name}_axis"], [raw]))
        if raw != name:
            nodes.append(helper.make_node("Cast", [raw], [name], to=kind))
        outputs.append(helper.make_tensor_value_info(name, kind, ["N", count]))
    size = spec.input.size
    given = helper.make_tensor_value_info(spec.input.name, TensorProto.FLOAT, ["N", 3, size, size])
    graph = helper.make_graph(nodes, "heads", [given], outputs, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run(model: Any, levels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run([POSE], {LEVELS: levels})[0]


def rows_for(decode: Any, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Head outputs ``[N, columns]``: spread, peaked, and turned heads up to the pole and from behind."""
    spec = replace(SPEC, outputs=("a", "b"), decode=decode)
    count = 400
    given = {name: rng.normal(0, 3, (count, width)).astype(np.float32) for name, width in head_columns(spec).items()}
    if isinstance(decode, BinsDecode):
        for head in (decode.yaw, decode.pitch, decode.roll):
            peak = rng.integers(head.count, size=count)
            given[head.output][np.arange(count), head.column + peak] += rng.choice([0, 8, 60], count)
    elif isinstance(decode, Rot6dDecode | MatrixDecode | QuaternionDecode):
        triples = rng.uniform(-1, 1, (count, 3)) * [90, 180, 180]
        triples[:4] = [[89.999, 10, 20], [-89.999, 10, 20], [0, 0, 0], [90, 0, 0]]
        for at, triple in enumerate(triples):
            matrix = label_matrix(*triple)
            if decode.width == 4:
                values = label_quaternion(*triple) * rng.uniform(0.2, 5)
            else:
                values = matrix.ravel() if decode.width == 9 else matrix[:, :2].T.ravel() * rng.uniform(0.2, 5)
            given["b"][at, decode.column : decode.column + decode.width] = values
    return given


@pytest.mark.parametrize("name", DECODES)
def test_the_graphs_decode_is_the_native_one(name: str) -> None:
    """The input's levels are the heads' outputs: a picture of gain 1 that the network only picks apart."""
    decode = DECODES[name]
    plain = replace(SPEC.input, size=12, scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))
    sigma = SIGMA if isinstance(decode, BinsDecode) else None
    spec = replace(SPEC, input=plain, outputs=("a", "b"), decode=decode, sigma=sigma)
    given = rows_for(decode, np.random.default_rng(3))
    count = len(given["b"])
    columns = head_columns(spec)
    model = heads_model(spec)
    # Both heads are cut from the front of one picture; "b" is asked in a second run.
    poses = DecodeHeads(spec)([given[each] for each in spec.outputs])
    pictures = np.zeros((count, 3 * 144), np.float32)
    offset = max(columns.values())
    pictures[:, : columns["a"]] = given["a"]
    shifted = {"b": (columns["a"], columns["a"] + columns["b"])}
    assert sum(columns.values()) <= pictures.shape[1] or offset == 0
    for each in model.graph.initializer:
        head, _, what = each.name.partition("_")
        if head in shifted and what in ("from", "to"):
            each.int64_data[0] = shifted[head][what == "to"]
    pictures[:, columns["a"] : columns["a"] + columns["b"]] = given["b"]
    variant, changed = in_levels(model, spec)
    got = run(variant, pictures.reshape(count, 3, 12, 12))
    assert got.shape == (count, 6 if isinstance(decode, BinsDecode) else 3)
    found = DecodeHeads(changed)([got])
    assert geodesic_deg(found.rotation, poses.rotation).max() < POLE_DEG
    # Two triples are one rotation where the face is in profile, and where it looks to the side of the picture's plane.
    clear = (np.abs(np.abs(poses.yaw) - 90) > 0.5) & (np.abs(poses.rotation[:, 2, 2]) > 1e-3)
    turned = np.abs((found.angles - poses.angles + 180) % 360 - 180)
    assert clear.sum() > 300 and turned[clear].max() < ROUNDING_DEG
    if isinstance(decode, BinsDecode):
        np.testing.assert_allclose(got[:, 3:], poses.sigma, rtol=2e-3, atol=SHARP_DEG)


@pytest.mark.parametrize("color", ["RGB", "BGR"])
def test_levels_are_normalised_per_channel(color: str) -> None:
    """A network of one weight per channel: the variant on levels is the network on normalised pixels."""
    spec = replace(tiny_spec(size=16, bins=4), crop=Crop())
    spec = replace(spec, input=replace(spec.input, color=color, mean=(0.1, 0.5, 0.9), std=(0.2, 0.5, 1.5)))
    spec = replace(spec, decode=AnglesDecode(*(AngleHead("logits", at) for at in range(3))))
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["logits"]),
    ]
    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 16])
    result = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3])
    graph = helper.make_graph(nodes, "mean", [given], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    variant, changed = in_levels(model, spec)
    frame = np.random.default_rng(1).integers(0, 256, (16, 16, 3), np.uint8)
    box = np.array([[0, 0, 16, 16]], np.float32)
    normalised = CropNormalize(spec.crop, spec.input)(frame, box)
    planes = frame.transpose(2, 0, 1)[:: -1 if color == "RGB" else 1][None].astype(np.float32)
    np.testing.assert_allclose(run(variant, planes)[0], normalised.mean(axis=(2, 3))[0], atol=1e-4)
    assert changed.input.color == color and changed.input.scale == 1
    np.testing.assert_array_equal(CropNormalize(changed.crop, changed.input)(frame, box), planes)


def test_a_nan_stays_in_its_row() -> None:
    plain = replace(SPEC.input, scale=1.0, mean=(0, 0, 0), std=(1, 1, 1))
    spec = replace(SPEC, input=plain, outputs=("a",), decode=MatrixDecode("a", 0))
    pictures = np.zeros((2, 3, 8, 8), np.float32)
    pictures[:, 0].reshape(2, -1)[:, :9] = np.eye(3).ravel()
    pictures[1, 0, 0, 1] = np.nan  # an entry that the angles do not use
    got = DecodeHeads(in_levels(heads_model(spec), spec)[1])([run(in_levels(heads_model(spec), spec)[0], pictures)])
    assert not np.isnan(got.angles[0]).any() and np.isnan(got.angles[1]).all()


def test_half_outputs_are_decoded_in_float32() -> None:
    spec = replace(SPEC, outputs=("a",), decode=AnglesDecode(*(AngleHead("a", at) for at in range(3))))
    spec = replace(spec, input=replace(spec.input, scale=1.0, mean=(0, 0, 0), std=(1, 1, 1)))
    variant, _ = in_levels(heads_model(spec, kind=TensorProto.FLOAT16), spec)
    picture = np.full((1, 3, 8, 8), 33.25, np.float32)
    assert run(variant, picture).dtype == np.float32 and (run(variant, picture) == 33.25).all()


def test_inputs_of_levels_and_of_halves_are_taken(tmp_path: Path) -> None:
    """nvinfer gives float32 alone; a uint8 input becomes one, as what it holds are levels."""
    for kind in (TensorProto.UINT8, TensorProto.FLOAT16):
        path = write_tiny_model(tmp_path / "tiny.onnx", dtype=kind)
        model = onnx.load(path)
        spec = ModelSpec.from_json(model.metadata_props[0].value)
        frame = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
        box = np.array([[8, 8, 56, 56]], np.float32)
        variant, changed = in_levels(model, spec)
        levels = np.rint(CropNormalize(changed.crop, changed.input)(frame, box))
        given = levels.astype(np.uint8)
        if kind == TensorProto.FLOAT16:
            mean, std = (np.array(each, np.float32)[:, None, None] for each in (spec.input.mean, spec.input.std))
            given = ((levels * np.float32(spec.input.scale) - mean) / std).astype(np.float16)
        logits = onnxruntime.InferenceSession(path).run(None, {"image": given})
        np.testing.assert_allclose(run(variant, levels)[:, :3], DecodeHeads(spec)(logits).angles, atol=0.05)


def test_the_head_and_what_was_added_stay_in_float32(folder: Any) -> None:
    variant = onnx.load(folder / "head_pose.onnx")
    layers = float32_layers(variant)
    operators = {node.name: node.op_type for node in variant.graph.node}
    assert {"Gemm", "Softmax", "Atan", "Concat"} <= {operators[name] for name in layers}
    assert not any(operators[name] == "Conv" for name in layers)
    assert not any(mark in name for name in layers for mark in ";:\n")  # of nvinfer's list


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_tensorrts_parser_and_builder_take_it(folder: Path, precision: str, tmp_path: Path) -> None:
    """TensorRT-RTX, which needs no GPU; in FP16 all after the last convolution stays in FP32."""
    pytest.importorskip("tensorrt_rtx_bindings", reason="TensorRT-RTX is not installed")
    from export import deepstream, fp16
    from tools.rtx_builds import build_rtx

    made = folder
    if precision == "fp16":
        made = deepstream.export(fp16.convert(output=tmp_path / "half.onnx").path, output=tmp_path / "out").path
    spec = ModelSpec.from_json((made / "head_pose.spec.json").read_text())
    built = build_rtx(onnx.load(made / "head_pose.onnx"), spec, precision)
    layers = set(float32_layers(onnx.load(made / "head_pose.onnx")))
    mine = [layer for layer in built.layers if layer.nodes and set(layer.nodes) <= layers]
    assert mine and all(set(layer.writes) <= {"FP32", "BOOL"} for layer in mine if "normalis" not in str(layer.nodes))


def test_a_variant_is_no_source(folder: Any) -> None:
    variant = onnx.load(folder / "head_pose.onnx")
    spec = ModelSpec.from_json((folder / "head_pose.spec.json").read_text())
    with pytest.raises(ModelError, match="already"):
        in_levels(variant, spec)
