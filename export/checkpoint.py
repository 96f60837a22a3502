"""Reading a checkpoint: tensors only. Nothing in the file is ever executed."""

from __future__ import annotations

import codecs
import hashlib
import io
import re
import stat
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpe_edge.errors import ModelError, ModelNotFoundError

# Keys under which training scripts put the weights, beside epochs and optimizer state.
_WRAPPERS = ("state_dict", "model_state_dict", "model", "net")
_SHOWN_KEYS = 5
_SAVE = "save the weights alone where its code is at hand: torch.save(model.state_dict(), 'weights.pth')"

# First bytes of files that are taken for checkpoints by mistake, and what to do about it.
_FOREIGN = (
    (b"\xff\xd8\xff", "a JPEG picture; name the weights"),
    (b"\x89PNG", "a PNG picture; name the weights"),
    (b"RIFF", "a WebP picture or a sound; name the weights"),
    (b"\x89HDF", "an HDF5 file, as Keras writes it; only PyTorch checkpoints are read"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself; run `git lfs pull`"),
    (b"<", "a web page or XML, probably a failed download; download the file again"),
)
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_TORCH_PICKLE = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number with which torch.save began before 1.6
_ONNX_START = re.compile(rb"\x08[\x01-\x20]\x12.(pytorch|[ -~]{3,})", re.DOTALL)  # ir_version, then producer_name


@dataclass(frozen=True)
class Checkpoint:
    """The weights of a file.

    Attributes:
        path: the file.
        sha256: of its bytes, in hexadecimal.
        state: key -> tensor; all are float32 but BatchNorm's step counters.
        notes: what was done to get there, for people.
    """

    path: Path
    sha256: str
    state: dict[str, Tensor]
    notes: tuple[str, ...]


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a PyTorch checkpoint (``.pkl``, ``.pth``, ``.pt``, ``.tar``, ``.chkpt``; the name does not matter).

    Raises:
        ModelNotFoundError: there is no such file.
        ModelError: no regular file, empty, truncated, damaged, of another kind, holding code or whole objects in place
            of tensors, or weights that are not finite; the message says which, and what to do.
    """
    data = _read(path)
    plain = _unpickle(path, data)
    state, notes = _find_state(path, plain)
    return Checkpoint(
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        state=_check_tensors(path, state, notes),
        notes=tuple(notes),
    )


def _read(path: Path) -> bytes:
    try:
        kind = path.stat().st_mode
        data = path.read_bytes() if stat.S_ISREG(kind) else b""  # a device or pipe may never end
    except (FileNotFoundError, NotADirectoryError):
        raise ModelNotFoundError(f"there is no checkpoint {path}; check the name, or download the file first") from None
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}; check its name and permissions") from None
    if stat.S_ISDIR(kind):
        raise ModelError(f"{path} is a folder; name the checkpoint file in it")
    if not stat.S_ISREG(kind):
        raise ModelError(f"{path} is no regular file but a device or pipe; name the checkpoint file")
    if not data:
        raise ModelError(f"{path} is empty; the download or the copy did not finish: fetch it again")
    start = data[:512].removeprefix(codecs.BOM_UTF8).lstrip()  # what may stand before the first tag of a page
    for mark, what in _FOREIGN:
        if start.startswith(mark):
            raise ModelError(f"{path} is not a checkpoint but {what}")
    if _ONNX_START.match(data):
        raise ModelError(
            f"{path} is not a checkpoint but an ONNX model; one made by this tool runs as it is, any other must be "
            "exported from its checkpoint"
        )
    if len(data) < len(_TORCH_PICKLE) and (data.startswith(_PICKLE) or _ZIP.startswith(data[: len(_ZIP)])):
        raise ModelError(f"{path} is truncated: it has only {len(data)} bytes; fetch it again")
    if _is_text(data):
        raise ModelError(f"{path} is not a checkpoint but a text file; name the weights (.pkl, .pth, .pt, .tar)")
    return data


def _is_text(data: bytes) -> bool:
    try:
        start = codecs.getincrementaldecoder("utf-8")().decode(data[:512])  # which may end within a character
    except UnicodeDecodeError:
        return False
    return all(letter in "\t\n\f\r" or (letter >= " " and letter != "\x7f") for letter in start)


def _unpickle(path: Path, data: bytes) -> Any:
    if data.startswith(_PICKLE) and not data.startswith(_TORCH_PICKLE):
        raise ModelError(
            f"{path} was refused, and nothing in it was run: it is a pickle, which can hold code, and not one that "
            f"PyTorch writes; {_SAVE}"
        )
    try:
        damaged = _damaged_entry(data) if data.startswith(_ZIP) else None
        if damaged is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about the file's form, which the errors below say better
                return torch.load(io.BytesIO(data), weights_only=True, map_location="cpu")
    except MemoryError:
        raise ModelError(f"{path} does not fit into memory; close other programs or use a larger machine") from None
    except Exception as error:  # torch.load's errors share no base class, and hostile files reach many of them
        raise ModelError(f"{path} {_reason(str(error))}") from None
    raise ModelError(f"{path} is damaged: the checksum of {damaged} in it is wrong; fetch it again")


def _damaged_entry(data: bytes) -> str | None:
    """The first entry of a zip archive whose checksum is wrong; torch.load does not look at them."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        # torch writes zeros where torch.serialization.set_crc32_options(False) was called.
        return archive.testzip() if any(entry.CRC for entry in archive.infolist()) else None


def _reason(message: str) -> str:
    """What torch.load's message means, and what to do; its own advice, to load without checks, is not repeated."""
    if "TorchScript" in message:
        return f"is a TorchScript archive, which holds code; {_SAVE}"
    name = re.search(r"(?:GLOBAL|global|class|function) ([A-Za-z_][\w.]*\.\w+)", message)
    if name is not None:
        return (
            f"was refused, and nothing in it was run: it holds more than tensors (it asks for {name[1]}); if it is a "
            f"whole model or a training state from someone you trust, {_SAVE}"
        )
    return "cannot be read as a PyTorch checkpoint; it may be truncated or of another kind: fetch it again"


def _find_state(path: Path, plain: Any) -> tuple[dict[str, Tensor], list[str]]:
    """The state dict within what the file holds, and under which keys it stood."""
    notes: list[str] = []
    at: Any = plain
    while isinstance(at, Mapping):
        if at and all(isinstance(key, str) and isinstance(value, Tensor) for key, value in at.items()):
            return {key: value.detach() for key, value in at.items()}, notes
        wrapper = next((key for key in _WRAPPERS if isinstance(at.get(key), Mapping)), None)
        if wrapper is None:
            break
        notes.append(f"the weights stand under {wrapper!r}")
        at = at[wrapper]
    raise ModelError(f"{path} holds no state dict but {_describe(at)}; {_SAVE}")


def _describe(value: Any) -> str:
    if isinstance(value, Mapping):
        keys = [str(key) for key in value]
        shown = ", ".join(keys[:_SHOWN_KEYS]) + ", ..." * (len(keys) > _SHOWN_KEYS)
        return f"a dictionary with the keys {shown}" if keys else "an empty dictionary"
    return f"one {type(value).__name__}"


def _check_tensors(path: Path, state: dict[str, Tensor], notes: list[str]) -> dict[str, Tensor]:
    checked = {}
    converted = set()
    for key, tensor in state.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.is_meta:
            raise ModelError(f"{path}: {key} is not a plain dense tensor; save the float32 weights")
        if key.endswith("num_batches_tracked"):  # a counter that inference does not read
            checked[key] = tensor
            continue
        if not tensor.is_floating_point():
            raise ModelError(f"{path}: {key} is {_name(tensor)}, not floating point; save the float32 weights")
        if tensor.dtype != torch.float32:
            converted.add(_name(tensor))
            tensor = tensor.to(torch.float32)
        if not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise ModelError(
                f"{path}: {bad} of {tensor.numel()} values of {key} are NaN or infinite; the training diverged or the "
                "file is damaged: use another checkpoint"
            )
        checked[key] = tensor
    if converted:
        notes.append(f"weights stored as {', '.join(sorted(converted))} are converted to float32")
    return checked


def _name(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
