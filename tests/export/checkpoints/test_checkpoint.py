"""Reading checkpoints: what is taken whatever its name, what is refused and how it is named."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
import torch
from torch.serialization import set_crc32_options
from torch_files import SMALL, saved

from export.checkpoints.load import load_checkpoint
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.samples import FOLDER


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["w.pkl", "w.pth", "w.pt", "w.pth.tar", "w.chkpt", "w.ckpt", "w.h5"])
def test_plain_state_dict(tmp_path, name, zipped):
    path = tmp_path / name
    path.write_bytes(saved(SMALL, _use_new_zipfile_serialization=zipped))
    checkpoint = load_checkpoint(path)
    assert list(checkpoint.state) == list(SMALL)
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert checkpoint.notes == ()
    assert checkpoint.layout == "torch"


@pytest.mark.parametrize(
    ("file", "keys", "notes"),
    [
        ("lightweight/model-b66.pkl", 138, ()),
        ("fsanet/fsa1x1-08082020.chkpt", 163, ("weights found under 'best_states' -> 'model'",)),
        ("fsanet/fsavar-09082020.chkpt", 161, ("weights found under 'best_states' -> 'model'",)),
    ],
)
def test_published_files(data, file, keys, notes):
    checkpoint = load_checkpoint(data / "checkpoints" / file)
    assert len(checkpoint.state) == keys
    assert checkpoint.notes == notes


def test_an_onnx_file_can_be_adopted(data):
    path = data / "checkpoints/fsanet/fsanet-var-iter-688590.onnx"
    with pytest.raises(ModelError, match=f"an ONNX model; .* --adopt {path} --arch NAME"):
        load_checkpoint(path)


def test_half_precision_is_widened_and_said(tmp_path):
    path = tmp_path / "w.pth"
    torch.save({"conv.weight": torch.full((2,), 0.5, dtype=torch.float16)}, path)
    checkpoint = load_checkpoint(path)
    assert checkpoint.state["conv.weight"].dtype == torch.float32
    assert "float16" in checkpoint.notes[0]


def flip_a_weight(content: bytes) -> bytes:
    at = content.index(torch.ones(2, 3).numpy().tobytes())
    return content[:at] + b"\x01" + content[at + 1 :]


def test_damaged_archive_is_refused_where_it_has_checksums(tmp_path):
    path = tmp_path / "w.pth"
    path.write_bytes(flip_a_weight(saved(SMALL)))
    for trust in (False, True):
        with pytest.raises(ModelError, match=r"is damaged: the checksum of \S+/data/0 in it is wrong"):
            load_checkpoint(path, trust=trust)
    set_crc32_options(False)
    try:
        path.write_bytes(saved(SMALL))
    finally:
        set_crc32_options(True)
    assert list(load_checkpoint(path).state) == list(SMALL)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(ModelNotFoundError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.pth")
    with pytest.raises(ModelError, match="is a folder"):
        load_checkpoint(tmp_path)
    with pytest.raises(ModelError, match="File name too long"):
        load_checkpoint(tmp_path / ("w" * 300))


def test_devices_and_pipes_are_refused_unread(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(ModelError, match="is no regular file"):
            load_checkpoint(path)


@pytest.mark.parametrize("size", range(1, 11))
@pytest.mark.parametrize(
    "content", [saved(SMALL), saved(SMALL, _use_new_zipfile_serialization=False), b"\x89HDF\r\n\x1a\n" * 2]
)
def test_a_few_bytes_are_called_truncated(tmp_path, size, content):
    (tmp_path / "w.pth").write_bytes(content[:size])
    with pytest.raises(ModelError, match="is truncated"):
        load_checkpoint(tmp_path / "w.pth")


def archive_of(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "content")
    return file.getvalue()


def tar_of(name: str) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"epoch 3, loss 0.1\n", "a text file"),
        (("x" + "ü" * 600).encode(), "a text file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!doctype html><html>", "a web page"),
        ("\ufeff\n<html>nöthing here</html>".encode(), "a web page"),
        (b"\x08\x08\x12\x07pytorch\x1a\x062.13.0" + bytes(64), "an ONNX model"),
        (gzip.compress(saved(SMALL)), "a gzip archive; unpack it"),
        (tar_of("w.pth"), "a tar archive; unpack it"),
        (archive_of("a.pth", "b.pth", "c.pth", "d.pth"), r"a zip archive of a\.pth, b\.pth, c\.pth, \.\.\.; unpack it"),
        (archive_of("config.json", "model.weights.h5"), r"a \.keras archive.*model\.save\('model\.h5'\)"),
        (bytes(range(128, 256)) * 8, "truncated or of another kind"),
        (b"\x01\xfe" * 512, "truncated or of another kind"),
        (b"PK\x03\x04" + bytes(200), "truncated or of another kind"),
        (saved(SMALL)[:-40], "truncated or of another kind"),
        (saved(SMALL)[:300], "truncated or of another kind"),
        (saved(SMALL, _use_new_zipfile_serialization=False)[:-5], "truncated or of another kind"),
        (saved(SMALL, _use_new_zipfile_serialization=False)[:60], "truncated or of another kind"),
        (saved({"w": torch.tensor([1.0, float("nan")])}), "1 of 2 values of w are NaN or infinite"),
        (saved({"w": torch.tensor([float("inf")])}), "1 of 1 values of w are NaN or infinite"),
        (saved({"w": torch.ones(2, 2).to_sparse()}), "w is not a plain dense tensor"),
        (saved({"w": torch.ones(2, 2).int()}), "w is int32, not floating point"),
        (saved({"w": torch.ones(2, 2).bool()}), "w is bool, not floating point"),
    ],
)
@pytest.mark.parametrize("name", ["bad.pth", "bad.h5"])
def test_bad_files_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_checkpoint(path)
    assert "weights_only=False" not in str(caught.value)  # torch's own advice would run the file
    assert "\n" not in str(caught.value)


def test_a_picture_is_named():
    with pytest.raises(ModelError, match="a JPEG picture"):
        load_checkpoint(FOLDER / "astronaut.jpg")


def no_memory(*args: object, **options: object) -> None:
    raise MemoryError


@pytest.mark.parametrize("step", ["Path.read_bytes", "torch.load", "torch.Tensor.to"])
def test_a_file_that_is_too_large_is_told(tmp_path, monkeypatch, step):
    path = tmp_path / "w.pth"
    path.write_bytes(saved({"conv.weight": torch.ones(2, dtype=torch.float16)}))
    owner, _, name = step.rpartition(".")
    monkeypatch.setattr({"Path": Path, "torch": torch, "torch.Tensor": torch.Tensor}[owner], name, no_memory)
    with pytest.raises(ModelError, match="does not fit into memory"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("package", "function", "content"),
    [("safetensors.torch", "load", bytes(8) + b"{}" + bytes(8)), ("h5py", "File", b"\x89HDF\r\n\x1a\n" + bytes(64))],
)
def test_a_file_of_another_kind_that_is_too_large_is_told(tmp_path, monkeypatch, package, function, content):
    monkeypatch.setattr(pytest.importorskip(package), function, no_memory)
    (tmp_path / "w").write_bytes(content)
    with pytest.raises(ModelError, match="does not fit into memory"):
        load_checkpoint(tmp_path / "w")
