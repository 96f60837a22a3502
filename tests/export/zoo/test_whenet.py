"""WHENet against the outputs of its original Keras code, and how its file and its yaw are read."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import reference
import torch

from export import zoo
from export.checkpoints.load import load_checkpoint
from export.graph.trace import simplify, trace
from export.zoo.whenet import state_from_keras
from hpe_edge.errors import ModelError
from hpe_edge.ops.decode import DecodeHeads
from hpe_edge.spec import Origin

# The original itself differs by 2e-5 in its logits and 3e-4 degrees between float32 and float64.
LOGIT_TOLERANCE = 1e-4
TOLERANCE_DEG = 1e-3
ORIGIN = Origin(checkpoint="none", sha256="0" * 64)
RULES = {
    "kernel": lambda rng, shape: rng.normal(0.0, np.sqrt(2 / np.prod(shape[:-1])), size=shape),
    "depthwise_kernel": lambda rng, shape: rng.normal(0.0, np.sqrt(2 / np.prod(shape[:2])), size=shape),
    "gamma": lambda rng, shape: rng.uniform(0.5, 1.5, size=shape),
    "beta": lambda rng, shape: rng.normal(0.0, 0.05, size=shape),
    "bias": lambda rng, shape: rng.normal(0.0, 0.05, size=shape),
    "moving_mean": lambda rng, shape: rng.normal(0.0, 0.1, size=shape),
    "moving_variance": lambda rng, shape: rng.uniform(0.5, 1.5, size=shape),
}


@pytest.fixture(scope="module")
def folder(data: Path) -> Path:
    return data / "golden/whenet_keras_b0"


@pytest.fixture(scope="module")
def arrays(folder):
    """The original's weights by the golden data's rule, as Keras names and lists them: layer/array -> array."""
    meta = json.loads((folder / "meta.json").read_text())
    weights = {}
    for key, (shape, _) in json.loads((folder / "manifest.json").read_text()).items():
        number, layer, kind = key.split(".")
        values = RULES[kind](np.random.default_rng(zlib.crc32(key.encode())), shape)
        values = values * next((factor for rule, factor in meta["scale_rules"] if re.search(rule, key)), 1.0)
        layer = layer if layer.endswith("_new") else f"{layer}_{int(number) + 1}"
        weights[f"{layer}/{layer}/{kind}:0"] = values.astype(np.float32)
    digest = hashlib.sha256(b"".join(values.tobytes() for values in weights.values())).hexdigest()
    assert digest == meta["weights_sha256"]
    return weights


@pytest.fixture(scope="module")
def weights(arrays):
    return {name: torch.from_numpy(values) for name, values in arrays.items()}


@pytest.fixture(scope="module")
def net(weights):
    return zoo.get("whenet").load(state_from_keras(weights))


@pytest.fixture(scope="module")
def original(folder):
    with np.load(folder / "golden.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def images():
    blocky = np.kron(np.random.default_rng(1).standard_normal((2, 3, 8, 8)), np.ones((1, 1, 28, 28)))
    plain = np.random.default_rng(0).standard_normal((2, 3, 224, 224))
    return {"": plain.astype(np.float32), "_blocky": blocky.astype(np.float32)}


def logits_of(original, suffix):
    return np.concatenate([original[f"{angle}_logits{suffix}"] for angle in ("yaw", "pitch", "roll")], axis=1)


def decode(name, logits):
    return DecodeHeads(zoo.get(name).spec(ORIGIN))([np.ascontiguousarray(logits)])


def test_module_gives_the_originals_logits_and_angles(net, original, images):
    for suffix, image in images.items():
        with torch.inference_mode():
            logits = net(torch.from_numpy(image)).numpy()
        wanted = logits_of(original, suffix)
        assert np.abs(logits - wanted).max() <= LOGIT_TOLERANCE * np.abs(wanted).max()
        linear = decode("whenet-linear", logits).angles
        assert np.abs(linear - original[f"angles_ypr_deg{suffix}"]).max() <= TOLERANCE_DEG
        circular = decode("whenet", logits).angles
        yaw, _ = reference.decode_bins(wanted[:, :120], -180.0, 3.0, circular=True)
        assert np.abs(circular[:, 0] - yaw).max() <= TOLERANCE_DEG
        assert (circular[:, 1:] == linear[:, 1:]).all()


def test_exported_graph_is_plain_and_gives_the_same_logits_alone_and_in_a_batch(net, images):
    family = zoo.get("whenet")
    model = simplify(trace(family.export_form(net), family.input, family.outputs, None))
    kinds = {node.op_type for node in model.graph.node}
    assert kinds == {"Conv", "Sigmoid", "Mul", "Add", "GlobalAveragePool", "Flatten", "Gemm"}
    pads = [list(a.ints) for node in model.graph.node for a in node.attribute if a.name == "pads"]
    uneven = [ends for ends in pads if ends[:2] != ends[2:]]
    assert uneven == [[0, 0, 1, 1], [0, 0, 1, 1], [1, 1, 2, 2], [0, 0, 1, 1], [1, 1, 2, 2]]  # one for each stride of 2

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = images["_blocky"]
    with torch.inference_mode():
        wanted = net(torch.from_numpy(image)).numpy()
    for rows in ([0], [0, 1] * 4):
        (logits,) = session.run(None, {"image": image[rows]})
        assert np.abs(logits - wanted[rows]).max() <= LOGIT_TOLERANCE * np.abs(wanted).max()


def test_keras_file_gives_the_originals_logits(arrays, original, images, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "WHENet.h5"
    layers = {}
    for name in arrays:
        layer, _, array = name.partition("/")
        layers.setdefault(layer, []).append(array)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in ("input_1", *layers, "swish_1")]
        file.attrs["backend"], file.attrs["keras_version"] = b"tensorflow", b"2.1.6"
        for layer in ("input_1", "swish_1"):  # layers without weights are listed as well
            file.create_group(layer).attrs["weight_names"] = np.zeros(0)
        for layer, names in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [array.encode() for array in names]
            for array in names:
                group[array] = arrays[f"{layer}/{array}"]
    net = zoo.get("whenet").load(state_from_keras(load_checkpoint(path).state))
    with torch.inference_mode():
        logits = net(torch.from_numpy(images["_blocky"])).numpy()
    wanted = logits_of(original, "_blocky")
    assert np.abs(logits - wanted).max() <= LOGIT_TOLERANCE * np.abs(wanted).max()


def test_heads_are_told_apart_by_name_wherever_they_stand(weights):
    heads = [name for layer in ("roll_new", "yaw_new", "pitch_new") for name in weights if name.startswith(layer)]
    moved = {name: weights[name] for name in (*heads, *(name for name in weights if name not in heads))}
    state, wanted = state_from_keras(moved), state_from_keras(weights)
    assert all(torch.equal(state[key], wanted[key]) for key in wanted)


def test_heads_without_names_are_taken_in_the_files_order(weights):
    renamed = {re.sub(r"(yaw|pitch|roll)_new", r"dense_\1", name): array for name, array in weights.items()}
    state, wanted = state_from_keras(renamed), state_from_keras(weights)
    assert all(torch.equal(state[key], wanted[key]) for key in wanted)


def test_first_array_that_does_not_fit_is_named(weights):
    name = "conv2d_5/conv2d_5/kernel:0"
    other = {**weights, name: torch.zeros(1, 1, 32, 4)}
    with pytest.raises(ModelError, match=r"conv2d_5/kernel:0 \[1, 1, 32, 4\] stands where kernel of .*squeeze"):
        state_from_keras(other)


def test_arrays_of_the_same_shape_in_another_order_are_refused(weights):
    names = list(weights)
    first = names.index("batch_normalization_2/batch_normalization_2/gamma:0")
    names[first], names[first + 1] = names[first + 1], names[first]
    with pytest.raises(ModelError, match=r"beta:0 \[32\] stands where gamma of backbone\.stem\.bn\.weight"):
        state_from_keras({name: weights[name] for name in names})


def test_missing_and_left_over_arrays_are_named(weights):
    with pytest.raises(ModelError, match=r"314 arrays and WHENet 315: fc_roll\.bias is missing"):
        state_from_keras({name: weights[name] for name in list(weights)[:-1]})
    with pytest.raises(ModelError, match=r"316 arrays and WHENet 315: .*is left over"):
        state_from_keras({**weights, "roll_new/roll_new/extra:0": torch.zeros(3)})


def test_head_from_behind_is_near_180_degrees_and_by_the_published_decode_near_0():
    logits = np.zeros((1, 252), np.float32)
    logits[0, [1, 2, 118, 119]] = 20.0  # -177, -174, 174 and 177 degrees
    assert abs(decode("whenet", logits).angles[0, 0]) == pytest.approx(180, abs=1e-3)
    assert decode("whenet-linear", logits).angles[0, 0] == pytest.approx(0, abs=1e-3)
    assert decode("whenet", logits).sigma[0, 0] < 10  # the likely bins lie together, across the seam


def test_decodes_agree_where_the_likely_bins_lie_together():
    bins = np.arange(120)
    logits = np.zeros((3, 252), np.float32)
    for row, yaw in enumerate((-90.0, 12.0, 130.5)):
        logits[row, :120] = -0.5 * ((3.0 * bins - 180.0 - yaw) / 6.0) ** 2
    circular, linear = (decode(name, logits).angles[:, 0] for name in ("whenet", "whenet-linear"))
    assert circular == pytest.approx([-90.0, 12.0, 130.5], abs=1e-3)
    assert np.abs(circular - linear).max() < 0.01


def test_the_circular_decode_is_the_usual_one():
    assert zoo.get("whenet-linear").on_request
    assert zoo.get("whenet").decode.yaw.circular
    assert not zoo.get("whenet-linear").decode.yaw.circular


def test_crop_is_the_demonstrations_window_about_the_guessed_head():
    x1, y1, x2, y2 = -0.1, -0.5, 1.1, 1.0  # of a face from 0 to 1
    y1 -= (y2 - y1) / 10
    y2 += (y2 - y1) / 10
    x1 -= (x2 - x1) / 5
    x2 += (x2 - x1) / 5
    crop = zoo.get("whenet").crop
    assert crop.margins == pytest.approx((-x1, -y1, x2 - 1, y2 - 1))
    assert crop.square == "none"
    assert crop.clip
