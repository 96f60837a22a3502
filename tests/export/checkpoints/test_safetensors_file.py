"""Safetensors files: read with the format's own package; damage is named."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from torch_files import SMALL

from export.checkpoints.load import load_checkpoint
from hpe_edge.errors import BackendError, ModelError

safetensors = pytest.importorskip("safetensors.torch", reason="needs safetensors")


def test_weights(tmp_path):
    path = tmp_path / "w.pth"  # the name does not matter
    path.write_bytes(safetensors.save(SMALL, {"format": "pt", "note": "x" * 500}))
    checkpoint = load_checkpoint(path)
    assert checkpoint.state.keys() == SMALL.keys()
    for key, tensor in SMALL.items():
        assert torch.equal(checkpoint.state[key], tensor)
    assert (checkpoint.layout, checkpoint.notes) == ("torch", ())


def test_the_length_of_the_header_is_not_taken_for_another_kind(tmp_path):
    """Its first byte can be any: that of a pickle, of a web page, or white space."""
    seen = set()
    for extra in range(256):
        content = safetensors.save(SMALL, {"note": "x" * extra})
        seen.add(content[0])
        (tmp_path / "w").write_bytes(content)
        assert len(load_checkpoint(tmp_path / "w").state) == len(SMALL)
    assert {0x80, 0x08} <= seen


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_converted_and_said(tmp_path, dtype):
    weights = torch.tensor([0.5, -1.5, 3.140625])  # exact in all of them
    (tmp_path / "w.safetensors").write_bytes(safetensors.save({"w": weights.to(dtype)}))
    checkpoint = load_checkpoint(tmp_path / "w.safetensors")
    assert torch.equal(checkpoint.state["w"], weights)
    assert checkpoint.notes == (f"weights stored as {str(dtype)[6:]} are converted to float32",)


def with_header(header: object, body: bytes = bytes(8)) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + body


def entry(**changes: object) -> dict[str, object]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}}


GOOD = safetensors.save(SMALL)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD[:-1], "safetensors file .* may be truncated"),
        (GOOD[: len(GOOD) // 2], "safetensors file .* may be truncated"),
        (GOOD[:12], "safetensors file .* may be truncated"),
        (GOOD[:5], "may be truncated"),
        (GOOD + b"more", "safetensors file .* may be truncated"),
        (bytes([GOOD[0] + 1]) + GOOD[1:], "safetensors file .* may be truncated"),
        (GOOD[:7] + b"\xff" + GOOD[8:], "may be truncated"),
        (GOOD[:9] + b"\xff" + GOOD[10:], "safetensors file .* may be truncated"),
        (with_header(entry(dtype="F31")), "safetensors file .* may be truncated"),
        (with_header(entry(shape=[3])), "safetensors file .* may be truncated"),
        (with_header(entry(shape=[2**62, 2**62])), "safetensors file .* may be truncated"),
        (with_header(entry(data_offsets=[0, 1 << 60], shape=[1 << 58])), "safetensors file .* may be truncated"),
        (with_header({}, b""), "holds no weights"),
        (safetensors.save({"w": torch.ones(2, dtype=torch.int32)}), "w is int32, not floating point"),
        (safetensors.save({"w": torch.tensor([1.0, float("nan")])}), "1 of 2 values of w are NaN or infinite"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    (tmp_path / "bad.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_checkpoint(tmp_path / "bad.safetensors")
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_asked_for_only_where_it_is_needed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    torch.save(SMALL, tmp_path / "w.pth")
    load_checkpoint(tmp_path / "w.pth")
    (tmp_path / "w.safetensors").write_bytes(GOOD)
    with pytest.raises(BackendError, match=r"needs safetensors, .*pip install 'hpe-edge\[export\]'"):
        load_checkpoint(tmp_path / "w.safetensors")
