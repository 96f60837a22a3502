"""FSA-Net's and SSR-Net-MT's Keras files against their published definition in float64 NumPy.

The files have the layers' names, order and nesting of the authors'. The same definition in Keras 3.15 itself, with
files that it wrote, agreed with the families within 3e-5 degrees.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

h5py = pytest.importorskip("h5py", reason="Keras files need h5py")
torch = pytest.importorskip("torch", reason="the export tests need torch")

from export import zoo  # noqa: E402
from export.checkpoints.network import load_network  # noqa: E402
from export.graph import trace as graph  # noqa: E402
from export.step import quiet  # noqa: E402
from export.zoo.fsanet_keras import state_from_keras  # noqa: E402
from hpe_edge.errors import ModelError  # noqa: E402

Array = np.ndarray
Layers = dict[str, dict[str, Array]]

# Float32 against float64, in degrees; beside it a part of the angle: random weights reach hundreds of degrees.
TOLERANCE_DEG = 1e-4
BLOCKS = ((3, 16), (16, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128))
FIRST = 8  # number of the first layer: another network was made before in the session, so 9 and 10 are among them
SCORES = ("1x1", "variance", "none")
AGGREGATIONS = ("capsule", "metric", "netvlad")


class Maker:
    """Layers with random weights, numbered as Keras does."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.counts: dict[str, int] = {}
        self.layers: Layers = {}

    def add(self, kind: str, arrays: Mapping[str, Array], name: str | None = None) -> dict[str, Array]:
        self.counts[kind] = self.counts.get(kind, FIRST - 1) + 1
        layer = {key: values.astype(np.float32) for key, values in arrays.items()}
        self.layers[name or f"{kind}_{self.counts[kind]}"] = layer
        return {key: values.astype(np.float64) for key, values in layer.items()}

    def random(self, *shape: int, gain: float = 1.0) -> Array:
        return self.rng.normal(0.0, gain / np.sqrt(np.prod(shape[:-1])), size=shape)

    def bias(self, width: int) -> Array:
        return self.rng.normal(0.0, 0.1, size=width)

    def block(self, x: Array, wide: int, act) -> Array:
        narrow = x.shape[-1]
        conv = self.add(
            "separable_conv2d",
            {
                "depthwise_kernel": self.random(3, 3, narrow, 1, gain=np.sqrt(narrow)),
                "pointwise_kernel": self.random(1, 1, narrow, wide, gain=1.5),
                "bias": self.bias(wide),
            },
        )
        # Small variances, so that the epsilon counts.
        norm = self.add(
            "batch_normalization",
            {
                "gamma": self.rng.uniform(0.5, 1.5, wide) * 0.1,
                "beta": self.bias(wide),
                "moving_mean": self.bias(wide),
                "moving_variance": self.rng.uniform(0.005, 0.02, wide),
            },
        )
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        high, wide_px = x.shape[1:3]
        deep = sum(
            padded[:, i : i + high, j : j + wide_px] * conv["depthwise_kernel"][i, j, :, 0]
            for i in range(3)
            for j in range(3)
        )
        y = deep @ conv["pointwise_kernel"][0, 0] + conv["bias"]
        y = (y - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-3) * norm["gamma"] + norm["beta"]
        return act(y)

    def pointwise(self, x: Array, wide: int, act) -> Array:
        conv = self.add("conv2d", {"kernel": self.random(1, 1, x.shape[-1], wide), "bias": self.bias(wide)})
        return act(x @ conv["kernel"][0, 0] + conv["bias"])

    def dense(self, x: Array, wide: int, act, name: str | None = None, gain: float = 1.0) -> Array:
        layer = self.add("dense", {"kernel": self.random(x.shape[-1], wide, gain=gain), "bias": self.bias(wide)}, name)
        return act(x @ layer["kernel"] + layer["bias"])


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def sigmoid(x: Array) -> Array:
    return 1.0 / (1.0 + np.exp(-x))


def softmax(x: Array, axis: int) -> Array:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def average(x: Array) -> Array:
    n, high, wide, channels = x.shape
    return x.reshape(n, high // 2, 2, wide // 2, 2, channels).mean(axis=(2, 4))


def largest(x: Array) -> Array:
    n, high, wide, channels = x.shape
    return x.reshape(n, high // 2, 2, wide // 2, 2, channels).max(axis=(2, 4))


def streams(make: Maker, image: Array) -> list[tuple[Array, Array]]:
    """The Tanh and the ReLU stream's maps of each level, the deepest first."""
    found = []
    for act, pool in ((relu, average), (np.tanh, largest)):
        x = pool(make.block(image, 16, act))
        levels = []
        for _, wide in BLOCKS[1::2]:
            x = make.block(make.block(x, wide, act), wide, act)
            x = pool(x) if wide < 128 else x
            levels.append(x)
        found.append(levels[::-1])
    return [(tanh, rectified) for rectified, tanh in zip(*found, strict=True)]


def regression(bins: list[Array], delta: list[Array], local: list[Array]) -> Array:
    """The soft stagewise regression, 3 bins in each of 3 stages."""
    total, width = np.zeros_like(delta[0]), 1.0
    for stage in range(3):
        width = width / (3 * (1 + delta[stage]))
        steps = bins[stage].reshape(-1, 3, 3) * (np.arange(-1, 2) + local[stage][:, :, None])
        total = total + steps.sum(axis=2) * width
    return 99.0 * total


def aggregated(make: Maker, primary: Array, kind: str) -> Array:
    count = primary.shape[1]
    if kind == "capsule":
        weight = make.add("capsule_layer", {"W": make.rng.normal(0, 0.5, (3, count, 16, 64)) / 4}, "caps")["W"]
        votes = np.einsum("kpdc,npc->nkpd", weight, primary)

        def squash(v: Array) -> Array:
            square = (v**2).sum(axis=-1, keepdims=True)
            return square / (1 + square) / np.sqrt(square + 1e-7) * v

        share = np.full(votes.shape[:3], 1 / 3)
        out = squash(np.einsum("nkp,nkpd->nkd", share, votes))
        share = softmax(np.einsum("nkd,nkpd->nkp", out, votes), axis=1)
        return squash(np.einsum("nkp,nkpd->nkd", share, votes))
    if kind == "metric":
        features = make.add("mat_mul_layer", {"kernel_type1": make.random(64, 16, gain=3.0)})["kernel_type1"]
        sources = make.add("mat_mul_layer", {"kernel_type2": make.random(count, 3)})["kernel_type2"]
        return np.einsum("npd,pk->nkd", primary @ features, sources)
    vlad = make.add(
        "net_vlad",
        {
            "kernel_W1": make.random(64, 3, gain=3.0),
            "kernel_B1": make.bias(3),
            "kernel_W2": make.random(1, 64, 3),
            "kernel_H1": make.rng.normal(0, 0.5, (192, 48)),
        },
    )
    share = softmax(primary @ vlad["kernel_W1"] + vlad["kernel_B1"], axis=2)
    apart = np.einsum("npk,npc->nck", share, primary) - share.sum(axis=1, keepdims=True) * vlad["kernel_W2"]
    apart = apart / np.sqrt((apart**2).sum(axis=1, keepdims=True))
    flat = apart.reshape(len(apart), -1)
    return (flat / np.sqrt((flat**2).sum(axis=1, keepdims=True)) @ vlad["kernel_H1"]).reshape(-1, 3, 16)


def fsa_net(make: Maker, image: Array, score: str, kind: str) -> Array:
    maps = [
        make.pointwise(tanh, 64, np.tanh) * make.pointwise(rectified, 64, relu)
        for tanh, rectified in streams(make, image)
    ]
    maps[2] = average(maps[2])
    primary = np.concatenate([each.reshape(len(image), 64, 64) for each in maps], axis=1)
    if score != "none":
        if score == "1x1":
            conv = make.add("conv2d", {"kernel": make.random(1, 1, 64, 1, gain=4.0), "bias": make.bias(1)})
            scores = [sigmoid(each @ conv["kernel"][0, 0] + conv["bias"]).reshape(-1, 64) for each in maps]
        else:
            scores = [each.var(axis=-1).reshape(-1, 64) for each in maps]
        right = make.add("dense", {"kernel": make.random(64, 960, gain=4.0), "bias": make.bias(960)})
        left = make.dense(np.concatenate(scores, axis=1), 35, sigmoid, gain=4.0).reshape(-1, 7, 5)
        groups = []
        for each in scores:
            matrix = left @ sigmoid(each @ right["kernel"] + right["bias"]).reshape(-1, 5, 192)
            groups.append(matrix @ primary / matrix.sum(axis=2, keepdims=True))
        primary = np.concatenate(groups, axis=1)
    capsules = aggregated(make, primary, kind)
    bins, delta, local = [], [], []
    for i in range(3):
        delta.append(make.dense(capsules[:, i, 0:4], 3, np.tanh, f"delta_s{i + 1}"))
        local.append(make.dense(capsules[:, i, 4:8], 3, np.tanh, f"local_delta_stage{i + 1}"))
        bins.append(make.dense(capsules[:, i, 8:16], 9, relu, gain=3.0))
    return regression(bins, delta, local)


def ssr_net(make: Maker, image: Array) -> Array:
    bins, delta, local = [], [], []
    for i, (tanh, rectified) in enumerate(streams(make, image)):
        tanh = largest(make.pointwise(tanh, 64, np.tanh))
        flat = (tanh * average(make.pointwise(rectified, 64, relu))).reshape(len(image), -1)
        delta.append(make.dense(make.dense(flat, 6, np.tanh, gain=2.0), 3, np.tanh, f"delta_s{i + 1}"))
        local.append(make.dense(make.dense(flat, 6, np.tanh, gain=2.0), 3, np.tanh, f"local_delta_stage{i + 1}"))
        bins.append(make.dense(flat, 9, relu))
    return regression(bins, delta, local)


def write(path: Path, layers: Layers, *, nested: bool, whole: bool) -> Path:
    """A file as Keras 2 writes it: the Tanh stream's layers first, and in a nested network the moving values last."""
    names = sorted(layers, key=lambda name: (-int(re.search(r"(\d*)$", name)[1] or 0), name))
    groups = {"ssr_G_model": names} if nested else {name: [name] for name in names}
    with h5py.File(path, "w") as file:
        top = file.create_group("model_weights") if whole else file
        top.attrs["layer_names"] = [b"input_1", *(name.encode() for name in groups), b"pred_pose"]
        top.attrs["backend"], top.attrs["keras_version"] = b"tensorflow", b"2.1.5"
        for name in ("input_1", "pred_pose"):
            top.create_group(name).attrs["weight_names"] = np.zeros(0)
        for name, members in groups.items():
            arrays = {f"{member}/{kind}:0": layers[member][kind] for member in members for kind in layers[member]}
            listed = sorted(arrays, key=lambda key: "moving" in key)
            group = top.create_group(name)
            group.attrs["weight_names"] = [key.encode() for key in listed]
            for key in listed:
                group[key] = arrays[key]
    return path


@pytest.fixture(scope="module")
def image() -> Array:
    return np.kron(np.random.default_rng(1).integers(0, 256, (3, 8, 8, 3)), np.ones((1, 8, 8, 1))) / 64 - 2


def run(net: torch.nn.Module, image: Array) -> Array:
    with torch.inference_mode():
        return net(torch.from_numpy(image.transpose(0, 3, 1, 2).astype(np.float32))).numpy()


def check(path: Path, family: str, image: Array, angles: Array) -> None:
    network = load_network([path], [], trust=False, report=quiet)
    assert network.spec.architecture == family
    assert angles.std(axis=0).max() > 0.05  # the pictures count
    for net in (network.net, network.export_form):
        assert np.allclose(run(net, image), angles, rtol=2e-6, atol=TOLERANCE_DEG)


@pytest.mark.parametrize("kind", AGGREGATIONS)
@pytest.mark.parametrize("score", SCORES)
def test_each_of_fsanets_files_gives_the_definitions_angles(tmp_path, image, score, kind):
    make = Maker(seed=SCORES.index(score) + 3 * AGGREGATIONS.index(kind))
    angles = fsa_net(make, image, score, kind)
    check(
        write(tmp_path / "fsanet.h5", make.layers, nested=True, whole=kind == "metric"), "fsanet-keras", image, angles
    )


def test_ssr_net_mt_gives_the_definitions_angles(tmp_path, image):
    make = Maker(seed=20)
    angles = ssr_net(make, image)
    check(write(tmp_path / "ssrnet_mt.h5", make.layers, nested=False, whole=False), "ssrnet-mt", image, angles)


def test_netvlad_is_exported_without_shape_arithmetic():
    family = zoo.get("fsanet-keras")
    layout = max(family.layouts, key=lambda layout: ("aggregation.centres" in layout, len(layout)))
    state = {key: torch.rand(shape) for key, shape in layout.items()}
    model = graph.simplify(graph.trace(family.export_form(family.load(state)), family.input, family.outputs, None))
    kinds = {node.op_type for node in model.graph.node}
    assert not {"Shape", "Gather", "Range", "Where", "Expand"} & kinds, kinds


@pytest.fixture
def arrays(image) -> dict[str, torch.Tensor]:
    make = Maker(seed=30)
    fsa_net(make, image[:1], "1x1", "capsule")
    return {
        f"{name}/{kind}:0": torch.from_numpy(values)
        for name, layer in make.layers.items()
        for kind, values in layer.items()
    }


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("separable_conv2d_9/", "13 separable convolutions in place of 14"),
        ("batch_normalization_21/", "13 batch normalisations in place of 14"),
        ("batch_normalization_8/moving_mean", "13 batch normalisations in place of 14"),
        ("conv2d_9/", "5 convolutions to 64 channels in place of 6"),
        ("caps/", "no capsules"),
        ("delta_s2/", "no dense layer delta_s2"),
        ("dense_12/", "2 dense layers to 9 numbers in place of 3"),
    ],
)
def test_what_is_missing_is_named(arrays, gone, message):
    left = {key: array for key, array in arrays.items() if not key.startswith(gone)}
    assert len(left) < len(arrays)
    with pytest.raises(ModelError, match=f"not those of FSA-Net: .*{message}"):
        state_from_keras(left)


def test_what_is_left_over_is_named(arrays):
    with pytest.raises(ModelError, match="dense_99 is left over"):
        state_from_keras({**arrays, "dense_99/kernel:0": torch.zeros(2, 2), "dense_99/bias:0": torch.zeros(2)})


def test_a_file_of_none_of_the_families_is_refused_for_each(tmp_path):
    path = write(tmp_path / "other.h5", {"dense_1": {"kernel": np.ones((2, 2), "f4")}}, nested=False, whole=False)
    with pytest.raises(ModelError, match=r"of no known family: .*FSA-Net.* \| .*SSR-Net-MT.* \| .*WHENet's"):
        load_network([path], [], trust=False, report=quiet)
    with pytest.raises(ModelError, match="of no known family: the arrays are not those of SSR-Net-MT"):
        load_network([path], ["ssrnet-mt"], trust=False, report=quiet)
