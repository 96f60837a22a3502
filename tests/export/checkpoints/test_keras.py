"""Keras weights in HDF5: order and names as in the file, nothing followed that Keras does not write."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_files import SMALL

from export.checkpoints.load import load_checkpoint
from hpe_edge.errors import BackendError, ModelError

h5py = pytest.importorskip("h5py", reason="needs h5py")

RNG = np.random.default_rng(0)
# In no alphabetical order, as a network's layers are; one has no weights.
LAYERS = {
    "stem_conv": {"stem_conv/kernel:0": RNG.normal(size=(3, 3, 3, 8)).astype("f4")},
    "input_1": {},
    "block_bn": {f"block_bn/{name}:0": RNG.normal(size=8).astype("f4") for name in ("gamma", "beta", "moving_mean")},
    "a_dense": {"a_dense/kernel:0": RNG.normal(size=(8, 5)).astype("f4"), "a_dense/bias:0": np.zeros(5, "f4")},
}
KEYS = [f"{layer}/{weight}" for layer, weights in LAYERS.items() for weight in weights]
ARRAYS = [array for weights in LAYERS.values() for array in weights.values()]


def fill(group: Any, layers: dict[str, dict[str, Any]] = LAYERS, encode: Callable[[str], Any] = str.encode) -> None:
    """The layout of Keras' save_weights: names as bytes in Keras 2, as text in Keras 3."""
    group.attrs["layer_names"] = [encode(name) for name in layers]
    group.attrs["backend"] = encode("tensorflow")
    group.attrs["keras_version"] = encode("2.2.4")
    for layer, weights in layers.items():
        holder = group.create_group(layer)
        holder.attrs["weight_names"] = [encode(name) for name in weights]
        for weight, array in weights.items():
            holder[weight] = array


@pytest.fixture
def path(tmp_path) -> Path:
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        fill(file)
    return tmp_path / "weights.h5"


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("encode", [str.encode, str])
def test_order_names_and_values(tmp_path, whole, encode):
    with h5py.File(tmp_path / "w.pth", "w") as file:  # the name does not matter
        fill(file.create_group("model_weights") if whole else file, encode=encode)
        if whole:
            file.attrs["model_config"] = '{"class_name": "Lambda", "config": {"function": ["4wEAAAAA", null, null]}}'
            file.create_group("optimizer_weights").attrs["weight_names"] = [b"Adam/iterations:0"]
    checkpoint = load_checkpoint(tmp_path / "w.pth")
    assert checkpoint.layout == "keras"
    assert list(checkpoint.state) == KEYS
    for tensor, array in zip(checkpoint.state.values(), ARRAYS, strict=True):
        assert np.array_equal(tensor.numpy(), array)
    assert checkpoint.notes == (
        "Keras weights by position, in the file's order of layers (keras_version 2.2.4, backend tensorflow)",
    )


def test_long_lists_are_put_together(path):
    """An HDF5 attribute holds 64 kB; Keras numbers the parts of a longer one."""
    with h5py.File(path, "r+") as file:
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:2], names[2:]
        dense = file["a_dense"].attrs
        dense["weight_names0"] = dense["weight_names"]
        del dense["weight_names"]
    assert list(load_checkpoint(path).state) == KEYS


def test_weights_of_no_layer_come_last(path):
    with h5py.File(path, "r+") as file:
        loose = file.create_group("top_level_model_weights")
        loose.attrs["weight_names"] = [b"scale:0"]
        loose["scale:0"] = np.float32(2)
    state = load_checkpoint(path).state
    assert list(state) == [*KEYS, "top_level_model_weights/scale:0"]
    assert state["top_level_model_weights/scale:0"] == 2


@pytest.mark.parametrize(("dtype", "name"), [("f2", "float16"), ("f8", "float64"), (">f4", None)])
def test_other_precisions_are_converted_and_said(tmp_path, dtype, name):
    with h5py.File(tmp_path / "w.h5", "w") as file:
        fill(file, {"a": {"w": np.array([0.5, -2.0], dtype)}})
    checkpoint = load_checkpoint(tmp_path / "w.h5")
    assert checkpoint.state["a/w"].tolist() == [0.5, -2.0]
    assert checkpoint.state["a/w"].dtype == torch.float32
    assert checkpoint.notes[1:] == ((f"weights stored as {name} are converted to float32",) if name else ())


@pytest.mark.parametrize("part", [12, 50, 0.25, 0.5, 0.9, -1])
def test_truncated_files(path, part):
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content)) if isinstance(part, float) else part])
    with pytest.raises(ModelError, match="truncated"):
        load_checkpoint(path)


def test_a_heap_that_leads_nowhere(tmp_path):
    """The HDF5 library would not come back from it."""
    path = tmp_path / "weights.h5"
    with h5py.File(path, "w") as file:
        fill(file, encode=str)
    content = path.read_bytes()
    heap = content.index(b"GCOL")
    free = content.index(bytes(8), heap + 16)  # index, references and the reserved bytes of what is left are all zero
    for place, size in ((free, 0), (free, 8), (free, 1 << 40), (heap, 1 << 60)):
        path.write_bytes(content[: place + 8] + size.to_bytes(8, "little") + content[place + 16 :])
        with pytest.raises(ModelError, match="the table of names is broken"):
            load_checkpoint(path)


def test_a_wrong_signature(path):
    """A file damaged by a transfer in text mode."""
    path.write_bytes(path.read_bytes().replace(b"\r\n", b"\n"))
    with pytest.raises(ModelError, match="cannot be read as a Keras file"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([1, 2]), r"a/w is int64, not floating point"),
        (np.array([b"text"]), r"a/w is \|S4, not floating point"),
        (np.array([1, 2], "g"), r"a/w is float128, not floating point"),
        (np.array([1j]), r"a/w is complex128, not floating point"),
        (np.array([1.0, np.inf], "f4"), "1 of 2 values of a/w are NaN or infinite"),
        (np.array([np.nan], "f4"), "1 of 1 values of a/w are NaN or infinite"),
        (h5py.Empty("f4"), "cannot be read as a Keras file"),
        (h5py.SoftLink("/a"), "w is missing, or a link"),
        (h5py.ExternalLink("other.h5", "/w"), "w is missing, or a link"),
    ],
)
def test_what_is_no_weight_is_refused(tmp_path, monkeypatch, array, message):
    monkeypatch.chdir(tmp_path)
    with h5py.File("other.h5", "w") as file:
        file["w"] = np.ones(2, "f4")
    with h5py.File("w.h5", "w") as file:
        fill(file, {"a": {"w": array}})
    with pytest.raises(ModelError, match=message):
        load_checkpoint(Path("w.h5"))


@pytest.mark.parametrize("kind", ["external", "virtual", "unwritten", "compressed"])
def test_datasets_whose_numbers_are_elsewhere_or_nowhere(path, kind):
    path.with_name("raw").write_bytes(np.ones(5, "f4").tobytes())
    with h5py.File(path, "r+") as file:
        group = file["a_dense/a_dense"]
        del group["bias:0"]
        if kind == "external":
            group.create_dataset("bias:0", (5,), "f4", external=[(str(path.with_name("raw")), 0, 20)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((5,), "f4")
            layout[:] = h5py.VirtualSource(str(path), "block_bn/block_bn/beta:0", (8,))[:5]
            group.create_virtual_dataset("bias:0", layout)
        elif kind == "unwritten":
            group.create_dataset("bias:0", (5,), "f4", chunks=(5,))
        else:
            group.create_dataset("bias:0", data=np.ones(100_000, "f4"), compression="gzip")
    what = "stands in another file" if kind in ("external", "virtual") else "is incomplete, or compressed"
    with pytest.raises(ModelError, match=f"a_dense/a_dense/bias:0 {what}"):
        load_checkpoint(path)


def lack_layer(file: Any) -> None:
    del file["block_bn"]


def lack_weight(file: Any) -> None:
    del file["a_dense/a_dense/bias:0"]


def lack_list(file: Any) -> None:
    del file["a_dense"].attrs["weight_names"]


def name_twice(file: Any) -> None:
    file["a_dense"].attrs["weight_names"] = [b"a_dense/bias:0", b"a_dense/bias:0"]


def name_nothing(file: Any) -> None:
    file.attrs["layer_names"] = [b"input_1"]


def only_optimizer(file: Any) -> None:
    del file.attrs["layer_names"]


def name_by_number(file: Any) -> None:
    file["a_dense"].attrs["weight_names"] = [0, 1]


def as_keras_3(file: Any) -> None:
    del file.attrs["layer_names"]
    file.create_group("layers/conv2d/vars")["0"] = np.ones((3, 3, 3, 8), "f4")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lack_layer, "block_bn is missing"),
        (lack_weight, "a_dense/bias:0 is missing"),
        (lack_list, "/a_dense has no weight_names"),
        (name_twice, "a_dense/a_dense/bias:0 is listed twice"),
        (name_by_number, "weight_names of /a_dense is no text"),
        (name_nothing, "holds no weights"),
        (only_optimizer, r"without Keras' list of layers \(it holds a_dense, block_bn, input_1, stem_conv\)"),
        (as_keras_3, r"Keras 3's \.weights\.h5, .*model\.save\('model\.h5'\)"),
    ],
)
def test_files_that_are_not_as_keras_writes_them(path, change, message):
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ModelError, match=message):
        load_checkpoint(path)


def test_a_missing_package_is_asked_for_only_where_it_is_needed(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    torch.save(SMALL, path.with_name("w.pth"))
    load_checkpoint(path.with_name("w.pth"))
    with pytest.raises(BackendError, match=r"needs h5py, .*pip install 'hpe-edge\[export\]'"):
        load_checkpoint(path)
