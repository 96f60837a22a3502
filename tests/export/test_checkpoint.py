"""Reading checkpoints: what is taken, what is refused, and that nothing in a file ever runs."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import sys
from pathlib import Path

import pytest
import torch
from torch.serialization import set_crc32_options

from export.checkpoint import load_checkpoint
from hpe_edge.errors import ModelError, ModelNotFoundError
from hpe_edge.samples import FOLDER

SMALL = {"conv.weight": torch.ones(2, 3), "bn.num_batches_tracked": torch.tensor(7)}


def saved(value: object, **options: object) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


class Payload:
    """Unpickling it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.system, (f'{sys.executable} -c \'open("{self.path}", "w")\'',)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["w.pkl", "w.pth", "w.pt", "w.pth.tar", "w.chkpt"])
def test_plain_state_dict(tmp_path, name, zipped):
    path = tmp_path / name
    path.write_bytes(saved(SMALL, _use_new_zipfile_serialization=zipped))
    checkpoint = load_checkpoint(path)
    assert list(checkpoint.state) == list(SMALL)
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert checkpoint.notes == ()


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model", "net"])
def test_wrapped_state_dict(tmp_path, key):
    path = tmp_path / "w.pth"
    torch.save({"epoch": 3, key: SMALL}, path)
    checkpoint = load_checkpoint(path)
    assert list(checkpoint.state) == list(SMALL)
    assert key in checkpoint.notes[0]


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
    with pytest.raises(ModelError, match=r"is damaged: the checksum of \S+/data/0 in it is wrong"):
        load_checkpoint(path)
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
@pytest.mark.parametrize("zipped", [True, False])
def test_a_few_bytes_are_called_truncated(tmp_path, size, zipped):
    (tmp_path / "w.pth").write_bytes(saved(SMALL, _use_new_zipfile_serialization=zipped)[:size])
    with pytest.raises(ModelError, match="is truncated"):
        load_checkpoint(tmp_path / "w.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"epoch 3, loss 0.1\n", "a text file"),
        (("x" + "ü" * 600).encode(), "a text file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!doctype html><html>", "a web page"),
        ("\ufeff\n<html>nöthing here</html>".encode(), "a web page"),
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "Keras"),
        (b"\x08\x08\x12\x07pytorch\x1a\x062.13.0" + bytes(64), "an ONNX model"),
        (bytes(range(128, 256)) * 8, "was refused, and nothing in it was run"),
        (b"\x01\xfe" * 512, "truncated or of another kind"),
        (b"PK\x03\x04" + bytes(200), "truncated or of another kind"),
        (saved(SMALL)[:-40], "truncated or of another kind"),
        (saved(SMALL)[:300], "truncated or of another kind"),
        (saved(SMALL, _use_new_zipfile_serialization=False)[:-5], "truncated or of another kind"),
        (saved(SMALL, _use_new_zipfile_serialization=False)[:60], "truncated or of another kind"),
        (saved({}), "an empty dictionary"),
        (saved({"epoch": 1, "optimizer": {}}), "the keys epoch, optimizer"),
        (saved([torch.zeros(2)]), "one list"),
        (saved(torch.zeros(2)), "one Tensor"),
        (saved(torch.nn.Sequential(torch.nn.Linear(2, 2))), r"asks for torch\.nn\.modules\.container\.Sequential"),
        (saved({"w": torch.tensor([1.0, float("nan")])}), "1 of 2 values of w are NaN or infinite"),
        (saved({"w": torch.tensor([float("inf")])}), "1 of 1 values of w are NaN or infinite"),
        (saved({"w": torch.ones(2, 2).to_sparse()}), "w is not a plain dense tensor"),
        (saved({"w": torch.ones(2, 2).int()}), "w is int32, not floating point"),
        (saved({"w": torch.ones(2, 2).bool()}), "w is bool, not floating point"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    path = tmp_path / "bad.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_checkpoint(path)
    assert "weights_only=False" not in str(caught.value)  # torch's own advice would run the file
    assert "\n" not in str(caught.value)


def test_a_picture_is_named():
    with pytest.raises(ModelError, match="a JPEG picture"):
        load_checkpoint(FOLDER / "astronaut.jpg")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch is phasing out what is refused here
def test_torchscript_is_refused(tmp_path):
    path = tmp_path / "script.pt"
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), str(path))
    with pytest.raises(ModelError, match="TorchScript archive"):
        load_checkpoint(path)


@pytest.mark.parametrize("form", ["zip", "legacy", "pickle2", "pickle4", "wrapped"])
def test_code_in_a_file_is_refused_and_not_run(tmp_path, form):
    proof = tmp_path / "executed"
    payload = Payload(proof)
    content = {
        "zip": lambda: saved(payload),
        "legacy": lambda: saved(payload, _use_new_zipfile_serialization=False),
        "pickle2": lambda: pickle.dumps(payload, 2),
        "pickle4": lambda: pickle.dumps(payload, 4),
        "wrapped": lambda: saved({"state_dict": SMALL, "epoch": payload}),
    }[form]()
    path = tmp_path / "evil.pkl"
    path.write_bytes(content)
    with pytest.raises(ModelError, match="was refused, and nothing in it was run"):
        load_checkpoint(path)
    assert not proof.exists()
    if form == "pickle4":
        pickle.loads(content)  # the payload does work where a file is trusted
        assert proof.exists()
