"""Checkpoints that claim more than they hold, or hold what PyTorch cannot convert: errors in words."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from export.checkpoints.load import load_checkpoint
from hpe_edge.errors import ModelError

h5py = pytest.importorskip("h5py", reason="needs h5py")

GIGABYTES = 1 << 35


def write_keras(path: Path, weights: dict[str, np.ndarray], layer: bytes = b"a") -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([layer])
        group = file.create_group(layer)
        group.attrs["weight_names"] = np.array([name.encode() for name in weights])
        for name, values in weights.items():
            group.create_dataset(name, data=values)
    return path


@pytest.mark.filterwarnings("ignore:.*nested tensors.*")
def test_a_nested_tensor_is_refused(tmp_path: Path) -> None:
    nested = torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)])
    torch.save({"a.weight": nested, "b.bias": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"w\.pth"):
        load_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize("kind", sorted(str(each) for each in vars(torch).values() if isinstance(each, torch.dtype)))
def test_every_dtype_is_converted_or_refused(tmp_path: Path, kind: str) -> None:
    dtype = getattr(torch, kind.removeprefix("torch."))
    try:
        tensor = torch.zeros(4, dtype=torch.uint8).view(dtype) if dtype.itemsize == 1 else torch.zeros(4, dtype=dtype)
        torch.save({"a.weight": tensor, "b.bias": torch.zeros(3)}, tmp_path / "w.pth")
    except Exception as error:
        pytest.skip(f"PyTorch cannot save it: {error}")
    try:
        state = load_checkpoint(tmp_path / "w.pth").state
    except ModelError as error:
        assert "save the float32 weights" in str(error) or "fetch it again" in str(error) or "state_dict" in str(error)
    else:
        assert torch.isfinite(state["a.weight"]).all()
        assert state["a.weight"].dtype == torch.float32


def test_a_stored_value_does_not_stand_for_gigabytes(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(1).expand(GIGABYTES), "b.bias": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(ModelError, match=r"a\.weight is not a plain dense tensor"):
        load_checkpoint(tmp_path / "w.pth")
    torch.save({"a.weight": torch.ones(1).expand(8), "b.bias": torch.zeros(3)}, tmp_path / "few.pth")
    assert torch.equal(load_checkpoint(tmp_path / "few.pth").state["a.weight"], torch.ones(8))


def test_an_archive_does_not_unpack_to_gigabytes(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.pth", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("w/data.pkl", bytes(1 << 25))
        archive.writestr("w/version", "3")
    with pytest.raises(ModelError, match="times its size"):
        load_checkpoint(tmp_path / "w.pth")


def test_a_dataset_does_not_claim_more_than_the_file(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "w.h5", {"w": np.arange(7, dtype=np.float32)})
    data = path.read_bytes()
    # The shape in the dataspace and the size in the layout, both 64 bits.
    claimed = data.replace(struct.pack("<Q", 7), struct.pack("<Q", GIGABYTES))
    claimed = claimed.replace(struct.pack("<Q", 28), struct.pack("<Q", GIGABYTES * 4))
    assert claimed != data
    path.write_bytes(claimed)
    with pytest.raises(ModelError, match="cannot be read as a Keras file"):
        load_checkpoint(path)


def test_many_names_of_one_dataset_do_not_add_up(tmp_path: Path) -> None:
    path = write_keras(tmp_path / "w.h5", {"w0": np.zeros(1000, np.float32)})
    with h5py.File(path, "r+") as file:
        for number in range(1, 50):
            file[f"a/w{number}"] = file["a/w0"]
        file["a"].attrs["weight_names"] = np.array([f"w{number}".encode() for number in range(50)])
    with pytest.raises(ModelError, match="larger than the file"):
        load_checkpoint(path)


@pytest.mark.parametrize("free_length", [True, False])
def test_names_are_utf_8(tmp_path: Path, free_length: bool) -> None:
    path = write_keras(tmp_path / "w.h5", {"w": np.zeros(3, np.float32)}, b"aZZZ")
    if free_length:
        with h5py.File(path, "r+") as file:
            file.attrs.create("layer_names", ["aZZZ"], dtype=h5py.string_dtype())
    path.write_bytes(path.read_bytes().replace(b"aZZZ", b"a\xff\xfe\xff"))
    with pytest.raises(ModelError, match="cannot be read as a Keras file"):
        load_checkpoint(path)


def test_random_damage_ends_in_words(tmp_path: Path) -> None:
    keras = write_keras(tmp_path / "w.h5", {"w": np.zeros((3, 4), np.float32), "v": np.zeros(3, np.float32)})
    torch.save({"a.weight": torch.zeros(3, 4), "a.bias": torch.zeros(3)}, tmp_path / "w.pth")
    rng = np.random.default_rng(1)
    for whole in (keras.read_bytes(), (tmp_path / "w.pth").read_bytes()):
        used = np.flatnonzero(np.frombuffer(whole, np.uint8))
        for _ in range(60):
            data = bytearray(whole)
            for at in rng.choice(used, 2):
                data[at] = int(rng.integers(256))
            (tmp_path / "damaged").write_bytes(data)
            try:
                load_checkpoint(tmp_path / "damaged")
            except ModelError as error:
                str(error).encode()
